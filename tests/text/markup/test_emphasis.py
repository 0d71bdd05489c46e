"""Which words a text stresses, however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceagent.text import Chunker, SpeechPolicy
from voiceagent.text.chunk import Chunk


def chunks_of(text: str, cut: int | None = None, policy: SpeechPolicy | None = None) -> list[Chunk]:
    chunker = Chunker(policy)
    chunks = []
    for begin in range(0, len(text), cut or len(text)):
        chunks += chunker.feed(text[begin : begin + (cut or len(text))])
    return chunks + chunker.end()


def stressed(text: str, policy: SpeechPolicy | None = None) -> list[str]:
    ranges = [place for chunk in chunks_of(text, policy=policy) for place in chunk.delivery.stressed]
    return [text[begin:end].strip() for begin, end in ranges]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("This is **very** good.", ["very"]),
        ("This is *very* good.", ["very"]),
        ("This is ***very*** good.", ["very"]),
        ("This is __very__ good.", ["very"]),
        ("This is _very_ good.", ["very"]),
        ("This is <emphasis>very</emphasis> good.", ["very"]),
        ('This is <emphasis level="strong">very</emphasis> good.', ["very"]),
        ('This is <emphasis level="none">very</emphasis> good.', []),
        ("This is <strong>very</strong> good, <em>so</em> good.", ["very", "so"]),
        ("**Never** do that.", ["Never"]),
        ("Do that **never**.", ["never"]),
        ('She said **"never"**, twice.', ['"never"']),
        ("Use **bold text here** and go.", ["bold", "text", "here"]),
        ("- **Speed**: it is fast.\n- **Size**: it is small.", ["Speed", "Size"]),
        ("That is 5*3*2 and 4 * 5 and a*b.", []),
        ("See snake_case_name and x_y.", []),
        ("Use `**kwargs**` here.", []),
        ("```\n**no**\n```\nDone.", []),
        ("It is \\*not\\* so.", []),
        ("*Terms apply. They do.", []),
        ("* one\n* two\n", []),
        ("**Open and\n\nthe next paragraph is plain.", ["Open", "and"]),
        ("**This whole long sentence is bold from its start to its end.**", ["This", "whole", "long"]),
    ],
)
def test_stressed_words(text: str, words: list[str]) -> None:
    assert stressed(text) == words


def test_marks_are_never_spoken_and_chunks_close_where_they_would_without() -> None:
    plain = [chunk.spoken for chunk in chunks_of("This is a really very good thing, and we know it.")]
    for mark in ("**{}**", "*{}*", "<emphasis>{}</emphasis>", "__{}__"):
        marked = f"This is a really {mark.format('very')} good thing, and we know it."
        assert [chunk.spoken for chunk in chunks_of(marked)] == plain


def test_the_policy_turns_it_off() -> None:
    off = SpeechPolicy(emphasis="skip")
    assert stressed("This is **very** good.", off) == []
    assert not any(chunk.delivery.capitals for chunk in chunks_of("This is VERY good.", policy=off))
    assert "".join(chunk.spoken for chunk in chunks_of("This is **very** good.", policy=off)) == "This is very good."


@given(st.data())
def test_streamed_equals_whole(data: st.DataObject) -> None:
    words = ["**so**", "*it*", "**", "*", "_", "__", "**open", "close**", "*one", "two*", "<em>a</em>", "<emphasis>", "</emphasis>",
             "plain", "words.", "x*y", "`**c**`", "\n", "\n\n", "- item", "(aside)", "5", "<b>", "</b>", "***all***"]  # fmt: skip
    text = " ".join(data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=16)))
    assert chunks_of(text, cut=data.draw(st.integers(1, 9))) == chunks_of(text)

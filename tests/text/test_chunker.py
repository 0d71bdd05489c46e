"""Where chunks close, that cutting does not matter, and that no text is lost or dangerous."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceagent.text import Chunk, Chunker, ChunkLimits, Lexicon, SpeechPolicy, spans_of
from voiceagent.text.markup.items import Piece
from voiceagent.text.normalize.normalizer import Normalized, normalize

CORPUS = [
    "Hello there. How are you doing today? I think that Dr. Smith is in the house at 5 p.m. Then we go.",
    "# Title\n\nSome **bold text** here with a [link text](http://x.com/a b) and `code here` ok.\n- milk\n- eggs and ham\n",
    "1. First\n2. Second\n\n```python\nprint('x')\n```\nDone <think>secret</think> now.\n| a | b |\n|---|---|\n| 1 | 2 |\n",
    '{"name": "x", "a": [1, "\\"}"]}\nAfter that. [pause 400ms] Yes 😀 ok, $x^2$ and $5.00 <break time="1s"/> then.',
    "Well... I don't know; the price was $1,234.56 (about 10%) in 1980. It rose by 3.5 million dollars, they said.",
    "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen",
    'Let me see. {"name": "f", "arguments": {"x": "a } b"}} It is [{"a": 1}] sunny { "k": 2 } now { so } it {is}.',
    "<|channel|>analysis<|message|>Hm, so.<|end|><|start|>assistant<|channel|>final<|message|>Well then.<|return|> ok",
    "<think>one <think>two</think> three</think>Answer [TOOL_CALLS][{}]\nthen <function=f>{}</function> $2 \\times 3$ or $5 now",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\nThen > > quoted - 1. words ~~~ and ``` code ``` [THINK]x[/THINK] p<0.05 é “q” 3 kg.",
    "Привет мир. 你好。 Hello <prosody rate='fast'>quick words here</prosody> and *slow* ones \\(a+b\\) $$\\sum x$$ end",
]


def speak(parts: list[str], limits: ChunkLimits | None = None, policy: SpeechPolicy | None = None) -> list[Chunk]:
    chunker = Chunker(policy, limits)
    chunks = [chunk for part in parts for chunk in chunker.feed(part)]
    return chunks + chunker.end()


def texts(text: str) -> list[str]:
    return [chunk.text.strip() for chunk in speak([text]) if chunk.spoken]


def cuts(text: str, marks: list[int]) -> list[str]:
    places = [0, *sorted({mark % (len(text) + 1) for mark in marks}), len(text)]
    return [text[a:b] for a, b in pairwise(places)]


def covers(text: str, chunks: list[Chunk]) -> None:
    """The chunks follow each other without a gap, only the last is final, and every span lies inside its chunk."""
    assert "".join(chunk.text for chunk in chunks) == text
    position = 0
    for chunk in chunks:
        assert chunk.start == position
        position += len(chunk.text)
        assert [span.word for span in spans_of(chunk)] == chunk.spoken.split()
        for span in spans_of(chunk):
            assert chunk.start <= span.start <= span.end <= position
    assert [chunk.final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(CORPUS), st.lists(st.integers(0, 10_000), max_size=60))
def test_cutting_does_not_matter(text: str, marks: list[int]) -> None:
    whole = speak([text])
    covers(text, whole)
    assert speak(cuts(text, marks)) == whole


ODD = st.text(
    st.sampled_from(list("ab A.1,!?:;-—…`*_~#>|[](){}<>$\\/\n\t\"'&@%=😀é你\u0301\u202e\0\ud800")), max_size=80
)


@settings(max_examples=200, deadline=None)
@given(ODD, st.lists(st.integers(0, 1000), max_size=20))
def test_any_text(text: str, marks: list[int]) -> None:
    whole = speak([text])
    covers(text, whole)
    assert speak(cuts(text, marks)) == whole


ROWS = [
    line.split("\t")[1]
    for line in (Path(__file__).parent / "must_pass.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
JOINTS = st.sampled_from(
    [" ", "\n", "\n\n", "\n- ", " **", "** ", " `", "` ", "[", "](x) ", "<b>", "$", "\n|", " | ", "\n```\n", "<think>"]
)
PARTS = st.one_of(st.sampled_from(ROWS), st.text(max_size=30), ODD, st.sampled_from(CORPUS), JOINTS)
CHOICES = {
    name: st.sampled_from(get_args(kind)) if get_args(kind) else st.booleans()
    for name, kind in get_type_hints(SpeechPolicy).items()
    if kind is not str
}
POLICIES = st.fixed_dictionaries(CHOICES).map(lambda choices: SpeechPolicy(**choices))


@settings(max_examples=150, deadline=None)
@given(st.lists(PARTS, max_size=6).map("".join), POLICIES, st.lists(st.integers(0, 100_000), max_size=30))
def test_bytes_may_be_cut_anywhere_whatever_the_policy(text: str, policy: SpeechPolicy, marks: list[int]) -> None:
    """As a pipe or a socket brings them: inside a character, too."""
    data = text.encode("utf-8", "replace")
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    places = [0, *sorted({mark % (len(data) + 1) for mark in marks}), len(data)]
    whole = speak([data.decode()], policy=policy)
    covers(data.decode(), whole)
    assert speak([decoder.decode(data[a:b]) for a, b in pairwise(places)], policy=policy) == whole


@pytest.mark.parametrize("rest", ["{", '{"a": ', "[", "<", "<think>", "```", "$$", "|", "{\n{", "\n"])
@pytest.mark.parametrize(
    "text", ["Add 250 g of flour.\n", "Add flour.\n", "Mix and stir, then wait\n", "Is 5 € much? "]
)
def test_what_is_left_unspoken_at_the_end_moves_no_word(text: str, rest: str) -> None:
    whole = speak([text + rest])
    covers(text + rest, whole)
    assert speak([text, rest]) == whole


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([*"ab ,.😀𝐇𝟗你", "𝐇𝐢", "😀 "]), max_size=12).map("".join))
def test_a_character_may_come_in_two_halves(text: str) -> None:
    """JSON cuts characters beyond U+FFFF into surrogates, and a client may send them in two messages."""
    data = text.encode("utf-16-le")
    halves = [chr(int.from_bytes(data[at : at + 2], "little")) for at in range(0, len(data), 2)]
    assert [chunk.spoken for chunk in speak(halves)] == [chunk.spoken for chunk in speak([text])]


@pytest.mark.parametrize("text", CORPUS)
def test_one_character_at_a_time(text: str) -> None:
    assert speak(list(text)) == speak([text])


def test_first_chunk_is_short_and_later_ones_longer() -> None:
    chunks = speak([CORPUS[5]])
    sizes = [len(chunk.spoken.split()) for chunk in chunks]
    assert 2 <= sizes[0] <= 4
    assert sizes[1] <= 10
    assert all(size <= 15 for size in sizes)
    assert chunks[0].lookahead == "four"
    assert len(chunks[1].lookahead.split()) == 2


def test_sentence_closes_at_once() -> None:
    chunker = Chunker()
    assert chunker.feed("Sure thing!") == []
    (chunk,) = chunker.feed(" ")
    assert (chunk.text, chunk.spoken, chunk.lookahead, chunk.final) == ("Sure thing! ", "Sure thing!", "", False)


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith met Mrs. Jones.", "It costs $29.50 now.", "Pi is 3.14 or so.", "J. K. Rowling wrote it.",
        "See www.example.com for it.", "Mail a.b@example.com today.", "Fruit, e.g. apples.", "We met at 5 p.m. on Monday.",
        "The U.S. Navy came.", "See fig. 3 below.", "On 5. Nov they left.", "It was Jan. 5 then.", 'He said "stop." and left.',
        "Apples, pears, etc. are fruit.", "Smith vs. Jones was long.", "Use version 2.0.1 of it.", "Meet St. John there.",
    ],
)  # fmt: skip
def test_no_sentence_end(text: str) -> None:
    limits = ChunkLimits(words=(50,), lookahead=(1,), clause_words=(50,))
    assert len(speak([text + " "], limits)) <= 2
    assert speak([text + " "], limits)[0].text.strip() == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It was in 1980. Then it rained here.", ["It was in 1980.", "Then it rained here."]),
        ("He left at 5 p.m. Dinner was cold then.", ["He left at 5 p.m.", "Dinner was cold then."]),
        ("They make pens, etc. We use them now.", ["They make pens, etc.", "We use them now."]),
        ("He said no. I agreed with him.", ["He said no.", "I agreed with him."]),
        ("It was I. Then he came along.", ["It was I.", "Then he came along."]),
        ('"Stop!" He ran away from it.', ['"Stop!"', "He ran away from it."]),
        ("# Title\nText follows right here", ["# Title", "Text follows right here"]),
        ("- red apples\n- green pears\n", ["- red apples", "- green pears"]),
        ("Para one\n\nPara two", ["Para one", "Para two"]),
    ],
)
def test_sentence_ends(text: str, expected: list[str]) -> None:
    limits = ChunkLimits(words=(50,), lookahead=(1,), clause_words=(50,))
    assert [chunk.text.strip() for chunk in speak([text], limits) if chunk.spoken] == expected


def test_flush_closes_everything_and_goes_on() -> None:
    chunker = Chunker()
    assert chunker.feed("Let me") == []
    assert [chunk.spoken for chunk in chunker.flush()] == ["Let me"]
    assert chunker.flush() == []
    chunker.feed(" see")
    (last,) = chunker.end()
    assert (last.spoken, last.final, last.start) == ("see", True, 6)
    assert chunker.end() == []
    with pytest.raises(ValueError, match="ended"):
        chunker.feed("more")


def test_deadline_closes_at_a_word_boundary() -> None:
    chunker = Chunker()
    chunker.feed("Let me und")
    assert chunker.poll(0.1) == []
    assert [chunk.text for chunk in chunker.poll(1.0)] == ["Let me "]
    chunker.feed("erstand that.")
    assert [chunk.text for chunk in chunker.poll(1.0)] == ["understand that."]
    assert chunker.poll(5.0) == []


def test_pauses_and_rates() -> None:
    chunks = speak(["Wait [pause 400ms] and <prosody rate='slow'>think slowly</prosody> now. <break time='2s'/>Go."])
    assert [chunk.pause_s for chunk in chunks if chunk.pause_s] == [0.4, 2.0]
    assert [chunk.rate for chunk in chunks if "think" in chunk.spoken] == [0.75]
    assert chunks[-1].rate == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "", "a", " ", "\n", "...", "?!", "😀😀😀", "\0\0", "\ud83d", "\ud83d\ude00", "x" * 20_000, "word " * 4_000, "👩‍👩‍👧" * 50,
        "你好世界", "Привет, как дела?", "\u202eabc\u202c", "e\u0301" * 500, "." * 5_000, "<" * 3_000, "{" * 100, "```", "<think>",
        "$" * 99, "[](" * 500, "&#0;&#x110000;&bogus;&amp;", "<!DOCTYPE x [<!ENTITY a 'b'>]> hello", "№5 ⑤ ５ Ⅷ",
    ],
)  # fmt: skip
def test_bad_input_is_no_error(text: str) -> None:
    chunks = speak([text])
    covers(text, chunks)
    assert all(len(chunk.spoken) < 2_000 for chunk in chunks)


def test_other_scripts_are_skipped_with_a_warning() -> None:
    chunks = speak(["Привет мир. Hello there."])
    assert "Hello there." in " ".join(chunk.spoken for chunk in chunks)
    assert any("Cyrillic" in warning for chunk in chunks for warning in chunk.warnings)


def test_a_listing_without_end_does_not_wait() -> None:
    """Text that is not spoken leaves too, in lengths that do not depend on how it came; else a text buffer fills up."""
    text = "Look here.\n```\n" + "some code\n" * 3_000 + "```\nThat was all of it."
    whole = speak([text])
    covers(text, whole)
    assert max(len(chunk.text) for chunk in whole) <= 4_096 + 100
    assert speak([text[at : at + 7] for at in range(0, len(text), 7)]) == whole
    assert [chunk.spoken for chunk in whole if chunk.spoken] == ["Look here.", "Code omitted.", "That was all of it."]


def test_normalising_waits_until_a_chunk_is_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes long, and whoever feeds is an event loop. Words that came before are known whichever chunk is asked first."""
    calls: list[str] = []

    def counted(pieces: Sequence[Piece], lexicon: Lexicon | None = None, before: str = "") -> Normalized:
        calls.append("".join(piece.text for piece in pieces))
        return normalize(pieces, lexicon, before)

    monkeypatch.setattr("voiceagent.text.spoken.normalize", counted)
    text = "We paid $5 today and $6 soon and then $7 there and $8 here and also $9 there for the lot of them"
    chunks = speak([text])
    assert calls == []
    assert chunks[2].before
    assert len(calls) == 3  # of this chunk and of the two before it
    assert chunks == speak([text])


def test_marks_are_never_spoken_whatever_closes_before_them() -> None:
    text = "Some words\n\n# *Title* words\n\nmore words, and then <b>bold</b> ones [pause 1s] - go on\n> here (so) [x](y) it is"
    spoken = " ".join(chunk.spoken for chunk in speak([text]))
    assert not set(spoken) & set("#*<>[]")

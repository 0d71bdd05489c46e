"""Characters of every block of Unicode: nothing raises, no two numbers become one, no figure is lost without a word."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceagent.settings.policy import SpeechPolicy
from voiceagent.text import Chunker, MisakiPhonemizer
from voiceagent.text.markup.inline import clean
from voiceagent.text.markup.items import Piece
from voiceagent.text.normalize.normalizer import normalize
from voiceagent.text.normalize.traced import Traced
from voiceagent.text.report import report

RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
# One character of each of these is likely where a rule reads figures or letters.
ODD = st.one_of(
    st.sampled_from(RAISED + "₀₁₂⁺⁻ⁿ½¼⅓·⁄∕∶〜～➜▼▲↓①②⑫⓪Ⅷ٣३𝟏１️⃣‍−–—★✗†‰℃°′″‹›"),
    st.sampled_from("0123456789"),
    st.sampled_from("AaBbCcEeKkMmsTtxX"),
    st.sampled_from(" .,:;/-+%$€#*()[]'\"&"),
    st.characters(exclude_categories=["Cs"]),
)


def said(text: str) -> tuple[str, list[str]]:
    chunker = Chunker()
    chunks = chunker.feed(text) + chunker.end()
    words = " ".join(chunk.spoken for chunk in chunks if chunk.spoken)
    return words, [warning for chunk in chunks for warning in (*chunk.warnings, *chunk.said.warnings)]


@settings(max_examples=500, deadline=None)
@given(st.text(ODD, max_size=14))
def test_no_text_raises_and_no_rule_gives_up(text: str) -> None:
    _, warnings = said(text)
    assert not [warning for warning in warnings if warning.startswith("could not be put into words")]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text(ODD, min_size=1, max_size=8), min_size=1, max_size=3), st.sampled_from(["", " ", ". ", " 5 kg "])
)
def test_what_is_cut_is_spoken_alike(parts: list[str], joint: str) -> None:
    text = joint.join(parts)
    whole, single = Chunker(), Chunker()
    assert [chunk for character in text for chunk in single.feed(character)] + single.end() == whole.feed(
        text
    ) + whole.end()


def test_nothing_between_two_figures_vanishes() -> None:
    """For every character but the figures and the marks that group them: 3★5 is not thirty five."""
    policy, merged = SpeechPolicy(), []
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if (
            unicodedata.category(character) in ("Cn", "Cs", "Co")
            or unicodedata.normalize("NFKD", character).isdecimal()
        ):
            continue
        visible = "".join(piece.text for piece in clean(f"3{character}5", 0, policy)[0])
        if re.search("3[0-9]*5", visible) and not character.isdecimal():
            merged.append(character)
    assert merged == []


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.characters(exclude_categories=["Cs", "Cn", "Co", "Nd", "No", "Nl"]))
def test_two_numbers_are_two(first: int, second: int, sign: str) -> None:
    words = set(said(f"Take {first}{sign}{second} now.")[0].lower().replace("-", " ").split())
    tens = {"twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"}
    if sign not in ".,:/'’_-" and not sign.isalnum():
        assert not words & tens


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Carbon dating uses ¹⁴C in bones.", "Carbon dating uses carbon fourteen in bones."),
        ("It ended in 1918.⁴The next year was worse.", "It ended in nineteen eighteen. The next year was worse."),
        ("The ¹⁸F-FDG PET was normal.", "The F eighteen-FDG PET was normal."),
        ("Press 1️⃣2️⃣3️⃣.", "Press one two three."),
        ("It is ٣ now.", "It is three now."),
        ("Pick ①② or ⑫.", "Pick one two or twelve."),
    ],
)
def test_raised_and_enclosed_figures(text: str, spoken: str) -> None:
    assert said(text)[0] == spoken


def test_the_mark_of_a_note_is_named_in_a_notice() -> None:
    words, warnings = said("Most people agree.¹² The rest do not.")
    assert words == "Most people agree. The rest do not."
    assert warnings == ["the mark of a note was not read: ¹²"]
    chunker = Chunker(SpeechPolicy(footnotes="speak"))
    chunks = chunker.feed("Most people agree.¹² The rest do not.") + chunker.end()
    assert "twelve" in " ".join(chunk.spoken for chunk in chunks)


def test_a_sign_read_as_a_pause_is_named_in_a_notice() -> None:
    assert said("Take 4★7 now.") == ("Take four, seven now.", ["a sign between figures was read as a pause: ★"])


def test_what_a_rule_cannot_read_is_spoken_as_it_is_written() -> None:
    traced = Traced("It has 12 and 7x left.")

    def broken(match: re.Match[str]) -> str:
        return str(int(match.group()))

    traced.substitute(re.compile(r"\d\w*"), broken)
    assert traced.text == "It has 12 and 7x left."
    assert traced.unread == ["7x"]


def test_a_rule_that_gives_up_is_told_with_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(match: re.Match[str]) -> str:
        raise ValueError(match.group())

    rules = "voiceagent.text.normalize.normalizer.WITH_FIGURES"
    monkeypatch.setattr(rules, ((re.compile(r"\d+"), broken),))
    result = normalize([Piece("It has 12 left.", 0, 15)])
    assert [span.word for span in result.spans] == ["It", "has", "12", "left."]
    assert result.warnings == ("could not be put into words: 12",)
    (chunk,) = report(["It has 12 left."], phonemizer=MisakiPhonemizer())
    assert chunk["warnings"] == ["could not be put into words: 12"]

"""A user's lexicon: what it says, what it refuses, and that no pattern of it can hold anything up."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceagent.errors import InputError
from voiceagent.session.chunkers import chunker_with, default_chunker
from voiceagent.text import Chunker, Lexicon, LexiconError


def spoken(text: str, lexicon: Lexicon) -> str:
    chunker = Chunker(lexicon=lexicon)
    return " ".join(chunk.spoken for chunk in chunker.feed(text) + chunker.end() if chunk.spoken)


def test_words_phrases_and_patterns() -> None:
    lexicon = Lexicon(
        {"SQL": "sequel", "voice agent": {"ipa": "vɔɪs eɪdʒənt"}},
        {r"v(\d+)x": r"version \1", "[Cc]olou?r(s?)": r"hue\1", r"QX-\d{1,3}": {"phonemes": "kˈu"}},
    )
    assert spoken("Use v12x of colors, in SQL.", lexicon) == "Use version twelve of hues, in sequel."
    assert lexicon.find("voice agent") == ("", "vYsAʤənt")
    assert lexicon.find("QX-77") == ("", "kˈu")
    assert lexicon.find("QX-7777") is None


def test_words_go_before_patterns_and_others_stay() -> None:
    lexicon = Lexicon({"colors": "paints"}, {".*s": "plural"})
    assert lexicon.find("colors") == ("paints", "")
    assert lexicon.find("cats") == ("plural", "")
    assert lexicon.find("cat") is None


@pytest.mark.parametrize(
    ("words", "patterns", "part"),
    [
        ({"a": {"phonemes": "qQ"}}, {}, "'q' 'Q' is not a symbol"),
        ({"a": {"ipa": "ħ"}}, {}, "not a symbol"),
        ({"a": {"say": "x", "ipa": "a"}}, {}, "one of"),
        ({"a": {"sey": "x"}}, {}, "one of"),
        ({"a": 5}, {}, "give a respelling"),
        ({"": "x"}, {}, "give a respelling"),
        ({"a": "x" * 201}, {}, "longer than 200"),
        ({str(n): "x" for n in range(10_001)}, {}, "at most 10000 entries"),
        ({}, {str(n): "x" for n in range(101)}, "at most 100 patterns"),
        ({}, {"(": "x"}, "not a regular expression"),
        ({}, {"a": r"\2"}, "names group 2"),
        ({}, {"(a+)+b": "x"}, "a repetition within a repetition"),
        ({}, {"(a|a)*b": "x", "((a*)*)*": "y"}, "a repetition within a repetition"),
        ({}, {"(?:(?:a?){50}){50}": "x"}, "a repetition within a repetition"),
        ({}, {"a*a*a*a*b": "x"}, "more than 3 repetitions"),
        ({}, {r"(a)\1": "x"}, "a reference to a group"),
        ({}, {"(?=a)a": "x"}, "looking ahead or back"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(words: dict[str, Any], patterns: dict[str, Any], part: str) -> None:
    with pytest.raises(LexiconError, match=r".") as caught:
        Lexicon(words, patterns)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(["a", "b", ".", "*", "+", "?", "(", ")", "|", "{9}", "{2,}", "[ab]", r"\w", r"\1", "(?:"]),
        max_size=10,
    ),
    st.sampled_from(["a" * 64, "ab" * 32, "a" * 63 + "!", "a" * 5_000]),
)
def test_no_pattern_that_is_taken_holds_a_text_up(parts: list[str], text: str) -> None:
    try:
        lexicon = Lexicon({}, {"".join(parts): "x"})
    except LexiconError:
        return
    begin = time.process_time()
    lexicon.find(text)
    assert time.process_time() - begin < 1.0  # a pattern that runs away takes years


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("[word]\na='b'", "unknown key 'word'"),
        ("words = 3", "must be a table"),
        ("[words\n", "words.toml"),
        ("#" * 2_000_001, "at most 2,000,000 bytes"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, content: str, part: str) -> None:
    path = tmp_path / "words.toml"
    path.write_text(content)
    with pytest.raises(LexiconError) as caught:
        Lexicon.load(path)
    assert part in str(caught.value)
    with pytest.raises(LexiconError):
        Lexicon.load(tmp_path / "none.toml")


def test_an_utterance_names_its_lexicon(tmp_path: Path) -> None:
    usual, medical = tmp_path / "usual.toml", tmp_path / "medical.toml"
    usual.write_text('[words]\nBP = "bee pee"')
    medical.write_text('[words]\nBP = "blood pressure"')
    make = chunker_with(usual, None, {"medical": medical})

    def say(speech: dict[str, str | bool] | None) -> str:
        chunker = make(speech)
        return " ".join(chunk.spoken for chunk in [*chunker.feed("Check BP now."), *chunker.end()] if chunk.spoken)

    assert say(None) == "Check bee pee now."
    assert say({"lexicon": "medical"}) == "Check blood pressure now."
    with pytest.raises(InputError, match="no lexicon 'legal'; lexicons here: medical"):
        make({"lexicon": "legal"})
    with pytest.raises(InputError, match="lexicons here: none"):
        default_chunker({"lexicon": "legal"})

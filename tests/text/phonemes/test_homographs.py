"""Homographs in context, as text comes: three words a chunk.

homographs.tsv: a word, what is meant, a sentence with the word between asterisks. homograph_senses.tsv: how it is said then.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceagent.text import Chunker, MisakiPhonemizer
from voiceagent.text.limits import ChunkLimits

HERE = Path(__file__).parent


@lru_cache(maxsize=1)
def phonemizer() -> MisakiPhonemizer:
    return MisakiPhonemizer()


def said(text: str, at: int, limits: ChunkLimits) -> str:
    """Phonemes of the word that stands at the offset `at`, without stress and punctuation."""
    chunker = Chunker(limits=limits)
    chunks = [chunk for piece in re.findall(r"\s*\S+", text) for chunk in chunker.feed(piece)] + chunker.end()
    words = [word for chunk in chunks for word in phonemizer()(chunk).words]
    return " ".join(word.phonemes for word in words if word.start <= at < word.end)


def bare(phonemes: str) -> str:
    return "".join(c for c in phonemes if c.isalpha()).replace("ᵻ", "ɪ")


def stress(phonemes: str) -> int:
    return len(re.findall("[AIOWYiuæɑɔəɛɜɪʊʌᵻ]", phonemes.partition("ˈ")[0]))


def test_most_homographs_are_said_as_meant_three_words_a_chunk() -> None:
    senses = {}
    for row in (HERE / "homograph_senses.tsv").read_text(encoding="utf-8").splitlines():
        word, sense, phonemes = row.split("\t")
        senses[word, sense] = phonemes
    rows = [row.split("\t") for row in (HERE / "homographs.tsv").read_text(encoding="utf-8").splitlines()]
    wrong = []
    for word, sense, marked in rows:
        text, wanted = marked.replace("*", ""), senses[word.lower(), sense]
        got = said(text, marked.index("*"), ChunkLimits(words=(3,), lookahead=(1, 2, 2)))
        if (bare(got), stress(got)) != (bare(wanted), stress(wanted)):
            wrong.append((text, got))
    assert len(wrong) < 0.08 * len(rows), wrong


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I read books every day.", "ɹˈid"),
        ("She read books to him yesterday.", "ɹˈɛd"),
        ("It is made of lead.", "lˈɛd"),
        ("Lead the way.", "lˈid"),
        ("He is a bass player.", "bˈAs"),
        ("They caught a bass in the lake.", "bˈæs"),
        ("I used to play chess.", "jˈust"),
        ("It was used to build a bridge.", "jˈuzd"),
        ("Polish your shoes.", "pˈɑlɪʃ"),
        ("They are Polish citizens.", "pˈOlɪʃ"),
        ("We flew to Nice, France.", "nˈis"),
    ],
)
def test_what_was_heard_wrongly(text: str, expected: str) -> None:
    chunker = Chunker()
    words = [word for chunk in chunker.feed(text) + chunker.end() for word in phonemizer()(chunk).words]
    assert expected in [word.phonemes.strip(".,") for word in words]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from("read lead live wind the a I to bass, used. record does “close” Nice 's ( —".split()),
        max_size=9,
    )
)
def test_any_row_of_words_is_said_word_for_word(words: list[str]) -> None:
    text = " ".join(words)
    chunker = Chunker()
    for chunk in chunker.feed(text) + chunker.end():
        for word in phonemizer()(chunk).words:
            assert text[word.start : word.end] == word.text
            assert word.phonemes


def test_the_table_of_contexts_is_made_and_judged_without_what_it_saw(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    from voiceagent.training.homographs import make_table

    (tmp_path / "train").mkdir()
    (tmp_path / "wordids.tsv").write_text("wordid\tpronunciation\nmetal\t'lɛd\nguide\t'lid\n", encoding="utf-8")
    rows = [("metal", f"{n} pounds of lead zzz here.") for n in range(20)]
    rows += [("guide", f"{n} people will lead the way.") for n in range(20)]
    lines = [f"lead\t{way}\t{text}\t{text.index('lead')}\t0" for way, text in rows]
    (tmp_path / "train" / "lead.tsv").write_text(
        "homograph\twordid\tsentence\tstart\tend\n" + "\n".join(lines) + "\n", encoding="utf-8"
    )
    out = tmp_path / "table.tsv"
    assert make_table(tmp_path, out) > 0.9
    assert not out.with_suffix(".partial").exists()
    assert all(int(row.split("\t")[1]) for row in out.read_text(encoding="utf-8").splitlines()[1:])


@pytest.mark.parametrize(("said", "expected"), [("ɹɪˈfjuːz", 1), ("ˈɹɛfjuːs", 0), ("", None)])
def test_the_nearest_way(said: str, expected: int | None) -> None:
    from voiceagent.training.homographs import nearest

    assert nearest(["ɹˈɛfjˌus", "ɹəfjˈuz"] if said else ["a", "a"], said) == expected

"""The phonemes of chunks are those of the whole sentence that the voices were trained on.

sentences.txt: 200 transcripts of LJ Speech (public domain).
"""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from voiceagent.text import Chunk, Chunker, Lexicon, MisakiPhonemizer, Word

SENTENCES = (Path(__file__).parent / "sentences.txt").read_text(encoding="utf-8").splitlines()


@lru_cache(maxsize=1)
def phonemizer() -> MisakiPhonemizer:
    return MisakiPhonemizer()


def words_of(text: str, lexicon: Lexicon | None = None) -> list[Word]:
    chunker = Chunker(lexicon=lexicon)
    chunks = chunker.feed(text) + chunker.end()
    return [word for chunk in chunks for word in phonemizer()(chunk).words]


def test_same_phonemes_as_whole_sentences() -> None:
    different = []
    for sentence in SENTENCES:
        expected = " ".join(phonemizer()._g2p(sentence).split())
        if " ".join(word.phonemes for word in words_of(sentence)) != expected:
            different.append(sentence)
    assert len(different) <= 0.05 * len(SENTENCES), different


def test_words_keep_their_place() -> None:
    text = "So **Dr. Who** paid $5.50 — twice."
    for word in words_of(text):
        assert text[word.start : word.end] == word.text
        assert " " not in word.phonemes
    assert [word.text for word in words_of("It is 42.")] == ["It", "is", "42", "42."]


@pytest.mark.parametrize(
    "text", ["", ".", "😀", "你好", "\0", "\ud800", "x" * 300, "((((", "zzxqy", "—", "<phoneme ph='a b'>x</phoneme>"]
)
def test_bad_input_is_no_error(text: str) -> None:
    for word in words_of(text):
        assert word.phonemes
    phonemizer()(Chunk(text, 0, text, text, True))


def test_prescribed_phonemes() -> None:
    lexicon = Lexicon({"voice agent": {"phonemes": "vˈYsˌAʤᵊnt"}, "nguyen": "win"})
    words = words_of("The voice agent, Mr. Nguyen.", lexicon)
    assert "vˈYsˌAʤᵊnt," in [word.phonemes for word in words]
    assert words[-1].phonemes == "wˈɪn."
    assert words_of('Say <phoneme ph="həˈloʊ">x</phoneme>.')[-1].phonemes == "həˈlO."


def test_imports_are_light() -> None:
    code = "import sys, voiceagent.text; "
    code += "print([m for m in ('torch', 'numpy', 'hibari', 'onnxruntime', 'wetext') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
    code = "import sys; from voiceagent.text import MisakiPhonemizer, Chunk; MisakiPhonemizer()(Chunk('Hi', 0, 'Hi', '', True)); "
    code += "print('onnxruntime' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )

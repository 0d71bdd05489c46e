"""The phonemes of chunks are those of the whole sentence that the voices were trained on.

sentences.txt: 200 transcripts of LJ Speech (public domain).
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from voiceagent.text import Chunk, Chunker, Lexicon, MisakiPhonemizer, Word
from voiceagent.text.phonemes.dictionaries import load_front_end

SENTENCES = (Path(__file__).parent.parent / "sentences.txt").read_text(encoding="utf-8").splitlines()


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
        expected = " ".join(phonemizer()._g2p(sentence).split()).replace(
            "mˈɪsɪz", "mˈɪsəz"
        )  # "Mrs." is read as "Missus"
        if " ".join(word.phonemes for word in words_of(sentence)) != expected:
            different.append(sentence)
    # Homographs, and names that the front end alone does not know: 4 today.
    assert len(different) <= 0.03 * len(SENTENCES), different


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


def test_packed_tables_have_every_entry() -> None:
    """Every word of the dictionaries and every feature of the tagger, against the JSON parsed in the ordinary way."""
    front = load_front_end(british=False)
    assets = Path(sys.modules["hibari.g2p"].__dict__["ASSETS"])

    def parsed(name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(gzip.decompress((assets / name).read_bytes()))
        return content

    tagger = parsed("tagger.json.gz")
    for table, expected in (
        (front.lexicon.golds.d, parsed("lexicon_us_gold.json.gz")),
        (front.lexicon.silvers.d, parsed("lexicon_us_silver.json.gz")),
        (front.tagger.tagdict, tagger["tagdict"]),
        (front.tagger.weights, tagger["weights"]),
    ):
        assert [key for key, value in expected.items() if table.get(key) != value] == []
        assert table.get("no such entry \ud800") is None
    assert front.tagger.vocab == set(tagger["vocab"])
    assert front.tagger.tags == tagger["tags"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Say A B C now.", "sˈA ˈA bˈi sˈi nˈW."),
        ("A B C it is.", "ˈA bˈi sˈi ɪt ɪz."),
        ("A three day trip.", "ɐ θɹˈi dˈA tɹˈɪp."),
        ("Grade A, please.", "ɡɹˈAd ˈA, plˈiz."),
        ("(JSON), please.", "(ʤˈAsən), plˈiz."),
    ],
)
def test_letters_and_names(text: str, expected: str) -> None:
    assert " ".join(word.phonemes for word in phonemizer()(Chunk(text, 0, text, "", True)).words) == expected


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

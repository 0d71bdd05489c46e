"""Spanish, French, Italian and Portuguese to phonemes, by g2p2; the stressed vowel is found in the spelling.

The models of g2p2 are read from the installed package: its own loader would download them.
"""

from __future__ import annotations

import lzma
import re
import unicodedata
from functools import cache
from importlib import resources
from typing import Any, Final

from voiceagent.text.chunk import Chunk, Word
from voiceagent.text.languages.written import spoken_words
from voiceagent.text.phonemes.phonemizer import PhonemeText

__all__ = ["RomancePhonemizer"]

_LETTERS: Final = re.compile(r"[A-Za-zÀ-ſ]+(?:['’·-][A-Za-zÀ-ſ]+)*['’]?|\d")
_FOREIGN: Final = re.compile(r"[^\W\d_A-Za-zÀ-ſ]")
_SOUNDS: Final = [
    ("t͡ʃ", "ʧ"), ("d͡ʒ", "ʤ"), ("tʃ", "ʧ"), ("dʒ", "ʤ"), ("t͡s", "ʦ"), ("d͡z", "ʣ"), ("g", "ɡ"), ("ʝ", "ʝ"), ("\u032a",
    ""),
    ("\u031e", ""), ("\u032f", ""), ("\u0361", ""),
]  # fmt: skip
# Letters before an apostrophe are no letter names, and a word that the model says by its spelling.
_ELIDED: Final = {
    "fr": {
        "l": "l", "d": "d", "n": "n", "s": "s", "c": "s", "j": "ʒ", "m": "m", "t": "t", "qu": "k", "jusqu": "ʒysk",
        "lorsqu": "lɔʁsk", "puisqu": "pɥisk", "quelqu": "kɛlk",
    },
    "it": {"l": "l", "d": "d", "n": "n", "s": "s", "c": "ʧ", "m": "m", "t": "t", "v": "v"},
}  # fmt: skip
_WORDS: Final = {"fr": {"est": "ɛ"}}
# The model of Portuguese is European, the voices are Brazilian.
_BRAZILIAN: Final = [(re.compile(written), spoken) for written, spoken in (
    ("ˈɨ", "ˈɛ"), ("ɨ", "i"), ("ɫ", "w"), ("[ʃʒ](?=ˈ?[ptkfmnsɡbdvlz]|$)", "s"), ("t(?=ˈ?i)", "ʧ"), ("d(?=ˈ?i)", "ʤ"),
)]  # fmt: skip
_VOWELS: Final = "aeiouɛɔəøœyɐɨɪʊæɑʌɒ"
_VOWEL: Final = re.compile(f"[{_VOWELS}]\u0303?ː?")
_ACCENTED: Final = {"es": "áéíóú", "it": "àèéìíòóùú", "pt": "áéíóúâêôãõà", "fr": ""}
_WRITTEN: Final = re.compile(r"[aeiouáéíóúàèìòùâêôãõüïy]")
_ENDING: Final = {
    "es": re.compile(r"[aeiou](?:n|s)?$"),
    "pt": re.compile(r"[aeo](?:s|m|ns)?$"),
    "it": re.compile(r"[aeiou]$"),
}
_GLIDE: Final = {
    "es": re.compile(r"^[iuy](?![aeo])"),
    "pt": re.compile(r"^[iuoe](?![a])"),
    "it": re.compile("^$"),
}  # behind it
_TAIL: Final = ",.;:!?…—"


class RomancePhonemizer:
    """A language of the four; letters of other scripts are left out with a warning."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, chunk: Chunk) -> PhonemeText:
        traced = spoken_words(chunk, self.language)
        warnings = [f"could not be put into words: {part}" for part in dict.fromkeys(traced.unread)]
        if _FOREIGN.search(traced.text):
            warnings.append("some text is in a script that is not spoken here; it was left out")
        words: list[Word] = []
        for written, start, end in traced.words():
            letters = _LETTERS.findall(written)
            said = "".join(self._phonemes(part.lower()) for part in letters)
            mark = written.rstrip("\"')]}”’»")[-1:]
            tail = mark if mark in _TAIL else ""
            if said:
                text = chunk.text[start - chunk.start : end - chunk.start]
                words.append(Word(text, start, end, said + tail))
            elif tail and words and words[-1].phonemes[-1] not in _TAIL:
                last = words[-1]
                words[-1] = Word(last.text, last.start, last.end, last.phonemes + tail)
        ahead = tuple(self._phonemes(word.lower()) for word in _LETTERS.findall(chunk.lookahead))
        return PhonemeText(tuple(words), tuple(filter(None, ahead)), (*chunk.warnings, *warnings))

    def _phonemes(self, word: str) -> str:
        return _read(self.language, word[:60])


@cache
def _model(language: str) -> Any:
    from g2p2 import Model

    packed = (resources.files("g2p2_group_romance") / f"{language}.g2p.xz").read_bytes()
    return Model.from_bytes(lzma.decompress(packed))


@cache
def _read(language: str, word: str) -> str:
    """Phonemes of a word in small letters; what an apostrophe or a hyphen joins is read part by part."""
    said = []
    for part, joint in re.findall(r"([^'’·-]+)(['’·-]?)", word):
        short = _WORDS.get(language, {}).get(part) or (
            _ELIDED.get(language, {}).get(part) if joint in ("'", "’") else ""
        )
        if short:
            said.append(short)
            continue
        sounds = unicodedata.normalize("NFD", str(_model(language).phonemize(part)))
        for theirs, ours in _SOUNDS:
            sounds = sounds.replace(unicodedata.normalize("NFD", theirs), ours)
        sounds = _stressed(language, part, sounds)
        for written, spoken in _BRAZILIAN if language == "pt" else ():
            sounds = written.sub(spoken, sounds)
        said.append(sounds)
    return "".join(said)


def _stressed(language: str, word: str, sounds: str) -> str:
    """The sounds with a mark before the vowel that is stressed; none in a word of one vowel and two letters."""
    vowels = list(_VOWEL.finditer(sounds))
    if not vowels or (len(vowels) == 1 and len(word) < 4):
        return sounds
    at = vowels[max(0, len(vowels) - 1 - min(_vowels_behind(language, word), len(vowels) - 1))].start()
    return sounds[:at] + "ˈ" + sounds[at:]


def _vowels_behind(language: str, word: str) -> int:
    """How many spoken vowels follow the stressed one, by the rules of spelling."""
    marked = [index for index, letter in enumerate(word) if letter in _ACCENTED[language]]
    if language == "fr":
        return 0
    if marked:
        return _nuclei(_GLIDE[language].sub("", word[marked[-1] + 1 :]))
    return 1 if _ENDING[language].search(word) else 0


def _nuclei(letters: str) -> int:
    """Vowels of a stretch of letters; i and u beside another vowel are glides."""
    letters = re.sub(r"(?:[iu](?=[aeo]))|(?<=[aeo])[iu]", "", letters)
    return len(_WRITTEN.findall(letters))

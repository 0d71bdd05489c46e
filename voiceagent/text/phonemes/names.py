"""How names and foreign words are said that the dictionaries of the front end do not know, or say wrongly.

names.tsv: some 800 people, places, brands and dishes from all over the world, written for this project; it goes before
the dictionaries. cmudict.tsv.gz: what only the CMU Pronouncing Dictionary knows, 60,000 words, most of them surnames
(BSD licence, in cmudict.LICENSE.md); it comes after them and is read when the first unknown word asks for it.
"""

from __future__ import annotations

import gzip
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

__all__ = ["Fallback", "SortedLines", "name_phonemes", "unaccented"]

_HERE: Final = Path(__file__).parent


class SortedLines:
    """`word<TAB>value` lines in the order of their bytes, searched where they lie: a dict would take ten times the
    memory.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text

    def find(self, word: str) -> str | None:
        """The value of `word`, or None."""
        wanted = word.encode("utf-8", "surrogatepass") + b"\t"
        low, high = 0, len(self._text)
        while low < high:
            start = self._text.rfind(b"\n", low, (low + high) // 2) + 1 or low
            end = self._text.find(b"\n", start, high)
            end = high if end < 0 else end
            line = self._text[start:end]
            if line.startswith(wanted):
                return line[len(wanted) :].decode()
            if line < wanted:
                low = end + 1
            else:
                high = start
        return None


class Fallback:
    """A dictionary of the front end, and behind it the names of CMUdict."""

    def __init__(self, first: Any) -> None:
        self.first = first
        self.get = lru_cache(4_096)(self._find)

    def _find(self, word: str) -> Any:
        found = self.first.get(word)
        if found is not None or not word.isascii() or not word.isalpha() or len(word) < 3 or word.isupper():
            return found
        return _cmudict().find(word.lower())


def name_phonemes(word: str, suffixed: Callable[[str], str]) -> str:
    """Phonemes of a name or foreign word of `names.tsv`, "" for others; `word` may have accents, and an 's at its end.

    suffixed: a stem's phonemes to those with an s behind it.
    """
    table = _names()
    plain = unaccented(word).replace("’", "'")
    for stem in (plain, plain.capitalize() if plain.isupper() and len(plain) > 4 else plain):
        found = table.get(stem) or (table.get(stem.lower()) if stem.lower() in table else None)
        if found:
            return found
        if stem.endswith(("'s", "'S")) and (found := name_phonemes(stem[:-2], suffixed)):
            return suffixed(found)
    return ""


def unaccented(word: str) -> str:
    """With plain letters in place of those with accents."""
    if word.isascii():
        return word
    letters = word.translate(_LETTERS)
    return "".join(c for c in unicodedata.normalize("NFKD", letters) if not unicodedata.combining(c))


_LETTERS: Final = str.maketrans(
    {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe"}
)


@cache
def _cmudict() -> SortedLines:
    return SortedLines(gzip.decompress((_HERE / "cmudict.tsv.gz").read_bytes()))


@cache
def _names() -> dict[str, str]:
    rows = (_HERE / "names.tsv").read_text(encoding="utf-8").splitlines()
    return dict(row.split("\t") for row in rows if row and not row.startswith("#"))

"""Which words of a chunk are stressed: those that its markup says, and a word in capitals among small letters."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from voiceagent.text.chunk import Chunk, Word

__all__ = ["stressed_words"]

_CAPITALS: Final = re.compile(r"(?<![\w'’.&/@#-])[A-Z]{2,}(?:['’][A-Z]+)?(?![\w'’&/@#-]|\.\w)")
_WORD: Final = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)?")
_VOWEL: Final = re.compile("[AIOWYQæɑɒɔəɚɛɜɪiuʊʌᵊᵻeaoy]")
# In capitals these are more often an abbreviation than a word that is stressed.
_ABBREVIATIONS: Final = frozenset(
    "ad aids app apr arm ascii asap bart basic bit cad cal cat ceo cert cia cod cop cpu dec dip dna dos ed eta eu "
    "faq fed feb gif gps id imp ii iii inc iq irs iso it jan jar jpeg kit lan laser led ma mac mar md mit nasa nato "
    "nov oct ok opec pa pal pan pc pdf pin pip pm png pod pr radar ram rat rip rom sam sap sat scuba sep sim smart "
    "soap sop spa std swat tech tim tv ufo uk un us usa usb vat vi vip viii wan wasp who wifi xi xii".split()
)


def stressed_words(chunk: Chunk, words: Sequence[Word], is_word: Callable[[str], bool]) -> tuple[bool, ...]:
    """Whether each of the spoken words is stressed; () when none is.

    is_word: whether a dictionary has a word in small letters.
    """
    ranges = list(chunk.delivery.stressed)
    if chunk.delivery.capitals:
        ranges += _capitals(chunk, words, is_word)
    if not ranges:
        return ()
    return tuple(any(first < word.end and word.start < last for first, last in ranges) for word in words)


def _capitals(chunk: Chunk, words: Sequence[Word], is_word: Callable[[str], bool]) -> list[tuple[int, int]]:
    """Ranges of words in capitals that are spoken as words, where the words around them are in small letters."""
    found = list(_CAPITALS.finditer(chunk.text))
    if not found:
        return []
    around = _WORD.findall(f"{chunk.text} {chunk.lookahead}")
    small = sum(not word.isupper() for word in around)
    if len(found) > small:
        return []
    ranges = []
    for match in found:
        word = match.group().replace("’", "'").lower()
        start, end = chunk.start + match.start(), chunk.start + match.end()
        if word in _ABBREVIATIONS or not is_word(word.split("'")[0]):
            continue
        spoken = "".join(one.phonemes for one in words if one.start < end and start < one.end)
        if len(word) > 3 or not _is_spelled(word, spoken):
            ranges.append((start, end))
    return ranges


def _is_spelled(word: str, phonemes: str) -> bool:
    """Whether the letters are named one by one: each has a vowel of its own."""
    written = sum(letter in "aeiouy" for letter in word)
    return len(_VOWEL.findall(phonemes)) >= len(word) > written

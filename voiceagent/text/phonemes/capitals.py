"""Words in capitals: which are said as words and which are spelled, by the words around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["read_capitals", "shortened"]

_LETTERS: Final = re.compile(r"[A-Za-z][A-Za-z']+")
_MARKS: Final = ",.;:!?()\"'…—"
# Words of two letters; the rest of that length is spelled (TV, PC, ID).
_TWO: Final = frozenset(
    "ah am an as at be by do go ha he hi if in is it me my no of oh on or so to up us we ye yo".split()
)
# In a sentence of small letters a short word in capitals is spelled, unless it is one of these.
_STRESSED: Final = frozenset(
    "am an are as at be but by can did do does for get go had has have he her hi him his how if in is its "
    "let me my no not now of off oh on one our out own she so the them they this to too try two up was "
    "way we who's why yes yet you all any and big bad old new".split()
) - frozenset({"am", "or", "us", "it", "who"})
_AMBIGUOUS: Final = frozenset({"us", "it", "who", "am", "or", "in"})
_ARTICLES: Final = frozenset("the our your my their its this that an a of for".split())
# Before IT as a pronoun.
_VERBS: Final = frozenset(
    "did do does done like likes love loves want wants need needs get gets got make makes made take takes "
    "took see saw hate hates know knows think thinks said say call is was found find fix use try tried "
    "finish believe about give put let with for".split()
)
_NAMES_IT: Final = frozenset(
    "support department dept team staff help helpdesk desk manager director security guy people services "
    "service systems infrastructure admin administrator job jobs industry sector company policy budget".split()
)


def read_capitals(words: Sequence[str], sent: str, known: Callable[[str], bool]) -> list[str]:
    """`words` with those in capitals that are words of the language in small letters.

    sent: the text as sent that they and their neighbours came from: whether all of it is in capitals decides.
    known: whether a dictionary has a word in small letters.
    """
    letters = _LETTERS.findall(sent)
    loud = sum(word.isupper() for word in letters)
    plain = [word.lower() for word in letters if word.isupper() and word.lower() not in _AMBIGUOUS]
    shouted = loud >= 2 and loud == len(letters) and any(_is_word(word, known) for word in plain)
    read = list(words)
    for index, word in enumerate(words):
        core = word.strip(_MARKS)
        if len(core) < 2 or not core.isupper() or not core.replace("'", "").isalpha():
            continue
        before = words[index - 1].strip(_MARKS).lower() if index else ""
        after = words[index + 1].strip(_MARKS).lower() if index + 1 < len(words) else ""
        low = core.lower()
        if low in _AMBIGUOUS:
            said = _pronoun(low, before, after, shouted=shouted, last=word[-1] in ".!?")
        elif shouted:
            said = _is_word(low, known)
        else:
            said = low in _STRESSED or (len(core) > 3 and _is_word(low, known))
        if said:
            read[index] = word.replace(core, low)
    return read


def shortened(word: str, known: Callable[[str], bool]) -> str:
    """Read "sooo" as "so" and "pleeease" as "please": a letter that is drawn out stands once, or twice."""
    for times in (r"\1", r"\1\1"):
        short = re.sub(r"([A-Za-z])\1{2,}", times, word)
        if known(short.lower()):
            return short
    return word


def _is_word(low: str, known: Callable[[str], bool]) -> bool:
    return low in _TWO if len(low) < 3 else known(low)


def _pronoun(low: str, before: str, after: str, *, shouted: bool, last: bool) -> bool:
    """Whether US, IT, WHO are the pronouns: not behind an article, nor before what an office of that name has."""
    if low == "it":
        if after in _NAMES_IT or before in _ARTICLES:
            return False
        return shouted or before in _VERBS
    if low in ("us", "who"):
        return shouted and before not in _ARTICLES and not (low == "us" and not before)
    return shouted or low in ("am", "or", "in")

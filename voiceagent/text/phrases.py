"""How well text breaks between two words where no punctuation does it: what is said before a break must sound like a
phrase.

The words that lead on are the closed classes of English grammar: determiners, prepositions, auxiliaries, subordinators,
pronouns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

__all__ = ["ASIDE", "FAIR", "GOOD", "NEVER", "break_between", "breaks_well", "inside_brackets"]

NEVER, FAIR, ASIDE, GOOD = 0, 1, 2, 3
"""Inside what belongs together; between phrases that lean on each other; well, but in brackets; where a speaker might
breathe.
"""

_CLOSERS: Final = "\"')]}”’»*_"
_OPENERS: Final = "\"'([{“‘«*_"
_DETERMINERS: Final = frozenset(
    "a an the this that these those my your his her its our their whose which what each every either neither some any "
    "no another other such".split()
)
_PREPOSITIONS: Final = frozenset(
    "of in on at by for from with as to into onto upon within without toward towards through throughout over under "
    "above below beneath beside besides between among amongst against along across around about before after during "
    "since until till behind beyond near inside outside despite except unlike than per via amid past plus minus "
    "versus vs".split()
)
_AUXILIARIES: Final = frozenset(
    "am is are was were be been being have has had having do does did can could will would shall should may might must "
    "cannot ought not never".split()
)
_CONTRACTED: Final = re.compile(
    r"(?i:.*n['’]t|.*['’](?:re|ve|ll|d|m)|(?:it|he|she|that|this|there|here|what|who|where|how|when|why|let|one)['’]s)"
)
_UNITS: Final = frozenset("zero one two three four five six seven eight nine ten".split())
_NUMBERS: Final = frozenset(
    "zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion "
    "trillion point".split()
)
_AFTER_NUMBERS: Final = frozenset("hundred thousand million billion trillion dozen point percent o'clock".split())
_TITLES: Final = frozenset("mr mrs ms mx dr prof st sir et sq cu fl".split())
_NAME_PARTICLES: Final = frozenset("of de da di do dos van von der den del della la le el bin ibn al y e".split())
# These may be left alone, but what follows leans on them.
_LEAN_ON: Final = frozenset(
    "and or but nor so yet if that whether because although though unless while when whenever where wherever who whom "
    "how why once lest i you he she it we they there one let please very more most less least too quite rather just "
    "only even also all both half much many few several enough like off out up down onto".split()
)
_FIRST_PERSON: Final = re.compile(r"I(?:['’].*)?[.,;:!?]?")


@lru_cache(maxsize=4096)
def break_between(word: str, following: str) -> int:
    """How well a chunk may end after `word`, both with their punctuation: NEVER, FAIR or GOOD."""
    plain = word.strip(_OPENERS + _CLOSERS)
    low = plain.lower()
    if plain[-1:] in tuple("!?;…"):
        return GOOD
    after = following.strip(_OPENERS + _CLOSERS + ".,;:!?").lower()
    if low in _UNITS and after in _UNITS:  # somebody counts, or spells a number
        return GOOD
    if not plain or _leads_on(low) or _within_figures(plain, following) or _within_name(plain, following):
        return NEVER
    return FAIR if low in _LEAN_ON or after == "of" else GOOD


def breaks_well(word: str, following: str) -> bool:
    """Whether a chunk may end after `word` for want of punctuation: not inside "the house", "5 million", "New York"."""
    return break_between(word, following) == GOOD


def inside_brackets(words: Sequence[str]) -> bool:
    """Whether a bracket that opens in these words has not closed."""
    depth = 0
    for word in words:
        depth = max(0, depth + sum(map(word.count, "([{")) - sum(map(word.count, ")]}")))
    return depth > 0


def _leads_on(low: str) -> bool:
    """Whether a word governs the next one."""
    return (
        low in _DETERMINERS
        or low in _PREPOSITIONS
        or low in _AUXILIARIES
        or low in _TITLES
        or low in _NUMBERS
        or _CONTRACTED.fullmatch(low) is not None
    )


def _within_figures(plain: str, following: str) -> bool:
    """Whether a number, an amount or an address goes on."""
    if plain[-1] == "." or plain[-1].isdigit() or plain[-1] in "$€£#&+/@=<>*×~^":
        return True
    start = following.strip(_OPENERS)[:1]
    if start.isdigit() or start in "$€£#%&+=/@-–—" or following in ("x", "×"):
        return True
    if following.strip(_CLOSERS + ".,;:!?").lower() in _AFTER_NUMBERS:
        return True
    return start.isupper() and any(map(str.isdigit, plain))  # "221B Baker Street"


def _within_name(plain: str, following: str) -> bool:
    """Whether a name goes on; a comma inside one is "Boston, MA"."""
    if not plain[:1].isupper() or _FIRST_PERSON.fullmatch(plain):
        return False
    bare = following.strip(_OPENERS)
    if bare[:1].isupper():
        return _FIRST_PERSON.fullmatch(bare) is None
    return plain[-1].isalpha() and bare.strip(_CLOSERS + ".,;:!?").lower() in _NAME_PARTICLES

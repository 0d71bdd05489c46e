"""Does a sentence or a clause end after this word? Decided from the word and, where it takes that, the next one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["CLAUSE", "NOWHERE", "SENTENCE", "UNSURE", "boundary"]

NOWHERE, UNSURE, CLAUSE, SENTENCE = 0, 1, 2, 3

_CLOSERS: Final = "\"')]}”’»*_"
_OPENERS: Final = "\"'([{“‘«*_"
# Never end a sentence: something always follows.
_ALWAYS_FOLLOWED: Final = frozenset(
    "mr mrs ms mx dr prof st ste mt ft gen gov sen rep capt lt col sgt cmdr rev hon pres supt cpl maj adm fr msgr e.g "
    "i.e eg ie vs v cf viz approx fig figs eq eqs sec ch vol vols pp al ca ed eds nos op dept est jan feb mar apr jun "
    "jul aug sep sept oct nov dec rm temp incl excl fl cu sq tbsp tsp rs mon tue tues wed thu thur thurs fri ext tel "
    "messrs mme mlle sra dra".split()
)
# May end one: the next word tells.
_SOMETIMES: Final = frozenset(
    "etc inc ltd co corp jr sr bros ave blvd rd hwy apt assn univ govt a.m p.m am pm u.s u.k u.n u.s.a e.u d.c b.c a.d "
    "ph.d m.d b.a m.a b.s m.s no min max avg hr hrs lb lbs oz km kg cm mm yr yrs mo wk tsp tbsp sq cont misc p n s e "
    "w".split()
) | frozenset("no art para chap ex tab ref rte rt fwy bldg fl ver ct pl sq ter cir pkwy ln".split())
_NUMBERED: Final = frozenset(
    "no art para chap ex tab ref rte rt fwy bldg ver".split()
)  # end a sentence unless a figure follows
_STARTERS: Final = frozenset(
    "the a an it its this that these those he she we they i you there here what when where why how who which if in on "
    "at by for from with as and but or so yet then now also after before because although while since however but no "
    "yes my our your his her their let please do does did is are was were can could would should will have has not all "
    "some most many one two once today finally next first second third overall meanwhile instead still thanks thank "
    "sure ok okay".split()
)
_NAMED_NEXT: Final = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday est edt cst cdt mst mdt pst pdt gmt utc et ct pt "
    "jan feb mar apr may jun jul aug sep oct nov dec january february march april june july august september october "
    "november december".split()
)
_ELLIPSIS: Final = re.compile(r"(?:\.{2,}|…)$")
_DOTTED: Final = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]")


@lru_cache(maxsize=4096)
def boundary(word: str, following: str | None, *, alone: bool = False) -> int:
    """How text may be cut after `word`: NOWHERE, CLAUSE, SENTENCE, or UNSURE when that depends on a next word not
    given.

    word: visible text with its punctuation; only its end matters. following: the next visible word, None while unknown.
    alone: nothing stands before the word in its chunk ("1." is then the number of a list).
    """
    core = word.rstrip(_CLOSERS)
    if not core:
        return NOWHERE
    last = core[-1]
    if last in ",;:—–" or core == "-":
        return _clause(core, following)
    if last not in ".!?…":
        return NOWHERE
    if _ELLIPSIS.search(core) or len(core) < len(word):
        return _soft_end(following)
    if last != ".":
        return SENTENCE
    stem = core[:-1].rsplit(None, 1)[-1].rsplit("–", 1)[-1].lstrip(_OPENERS) if core[:-1].strip() else ""
    return _full_stop(stem, following, alone=alone)


def _clause(core: str, following: str | None) -> int:
    if (core[-1] in ",:" and core[-2:-1].isdigit()) or core in ("-", "–"):  # "May 5, 2024", "1, 2, 3", "2 - 3"
        if following is None:
            return UNSURE
        return NOWHERE if following.lstrip(_OPENERS)[:1].isdigit() else CLAUSE
    if core[-1] == "," and core[:1].isupper():  # "Boston, MA", "Tue, June 3"
        if following is None:
            return UNSURE
        plain = following.rstrip(".,;:!?" + _CLOSERS)
        return NOWHERE if plain.lower() in _NAMED_NEXT or (len(plain) == 2 and plain.isupper()) else CLAUSE
    return CLAUSE


def _soft_end(following: str | None) -> int:
    """After an ellipsis, or a mark inside closing quotes or brackets: a small letter goes on with the sentence."""
    if following is None:
        return UNSURE
    return CLAUSE if following.lstrip(_OPENERS)[:1].islower() else SENTENCE


def _full_stop(stem: str, following: str | None, *, alone: bool) -> int:
    low = stem.lower()
    if not stem:
        return NOWHERE
    if low in _ALWAYS_FOLLOWED:
        return NOWHERE
    single = len(stem) == 1 and stem.isalpha()
    number = stem.isdigit() and len(stem) <= 3
    if number and alone:
        return NOWHERE
    if not (single or number or low in _SOMETIMES or _DOTTED.fullmatch(stem)):
        return SENTENCE
    if following is None:
        return UNSURE
    start = following.lstrip(_OPENERS)
    plain = start.rstrip(".,;:!?" + _CLOSERS).lower()
    if low in _NUMBERED:
        return NOWHERE if start[:1].isdigit() else SENTENCE
    if number:
        return NOWHERE if plain in _NAMED_NEXT or start[:1].islower() else SENTENCE
    if not start[:1].isupper():
        # A small letter goes on; a sign or a figure after "etc." begins something new.
        return SENTENCE if low == "etc" and not start[:1].islower() else NOWHERE
    if low in ("etc", "a.m", "p.m", "am", "pm"):
        return NOWHERE if plain in _NAMED_NEXT else SENTENCE
    return SENTENCE if plain in _STARTERS else NOWHERE

"""Addresses: streets, floors and rooms, highways, states and their cities."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.normalize import number_words as N
from voiceagent.text.normalize.codes import spell_letter
from voiceagent.text.normalize.rule import Rule
from voiceagent.text.tables import read_table

__all__ = ["RULES"]

_STATES: Final = {row[0]: row[1] for row in read_table(__package__, "states.tsv")}
# Where a state's sign may be a word ("OK", "ME") or a degree ("MD"), only one of its cities or a ZIP code tells.
_CITIES: Final = {row[0]: frozenset(row[1].split(", ")) for row in read_table(__package__, "cities.tsv")}
_STREETS: Final = {
    "St": "Street", "Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road", "Dr": "Drive", "Ln": "Lane", "Ct": "Court",
    "Pl": "Place", "Pkwy": "Parkway", "Hwy": "Highway", "Sq": "Square", "Ter": "Terrace", "Cir": "Circle",
    "Fwy": "Freeway", "Expy": "Expressway",
}  # fmt: skip
_SPELLED: Final = frozenset({*_STREETS.values(), "Way"})
_POINTS: Final = {
    "N": "North", "S": "South", "E": "East", "W": "West", "NE": "Northeast", "NW": "Northwest", "SE": "Southeast", "SW": "Southwest",
}  # fmt: skip
_ROADS: Final = {
    "Hwy": "Highway",
    "Rte": "Route",
    "Rt": "Route",
    "Fwy": "Freeway",
    "Pkwy": "Parkway",
    "Expy": "Expressway",
}
_ROOMS: Final = {
    "Apt": "Apartment", "apt": "apartment", "Ste": "Suite", "ste": "suite", "Rm": "Room", "rm": "room", "Bldg": "Building",
    "bldg": "building", "Fl": "Floor", "fl": "floor",
}  # fmt: skip


def _address(match: re.Match[str]) -> str:
    point = f"{_POINTS[match['point'].rstrip('.')]} " if match["point"] else ""
    quarter = f" {_POINTS[match['quarter']]}" if match["quarter"] else ""
    street = _STREETS.get(match["street"], match["street"])
    return f"{N.house_number(match['number'])} {point}{match['name']} {street}{quarter}"


def _state(match: re.Match[str]) -> str | None:
    state, zip_code = match["state"], match["zip"]
    if not zip_code and state in _CITIES and not _in_a_city(match.string[: match.start()], state):
        return None
    said = N.digits(zip_code) if zip_code else ""
    plus = f", {N.digits(match['plus'])}" if match["plus"] else ""
    return f"{match['comma']}{_STATES[state]}{' ' + said if said else ''}{plus}"


def _in_a_city(before: str, state: str) -> bool:
    """Whether the last word before the comma is a city of the state's, or "in" goes before the name there."""
    if state == "MD" and re.search(r"\b(?:Dr\.?|Doctor|Prof\.?)[^,]*, $", before + ", "):
        return False
    words = before.split()[-3:]
    if not words or not words[-1][0].isupper():
        return False
    if words[-1] in _CITIES[state]:
        return True
    names = [word for word in words if word[0].isupper()]
    return len(words) > len(names) and words[-len(names) - 1].lower() in ("in", "near") and state not in ("OK", "MD")


def _road(match: re.Match[str]) -> str:
    return f"{_ROADS.get(match[1], match[1])} {N.house_number(match[2])}" + (
        f" {spell_letter(match[3])}" if match[3] else ""
    )


def _interstate(match: re.Match[str]) -> str:
    letters = " ".join(spell_letter(letter) for letter in match[1])
    return f"{letters} {N.house_number(match[2])}"


def _room(match: re.Match[str]) -> str:
    """Apt 4B, Ste. 300: the letter is one, and the number no amount."""
    name = _ROOMS[match["room"]]
    letter = match["letter"]
    number = match["number"]
    figures = N.count(number) if len(number) < 4 else N.house_number(number)
    head = f"{spell_letter(match['first'])} " if match["first"] else ""
    return f"{name} {head}{figures}" + (f" {spell_letter(letter)}" if letter else "")


def _street(match: re.Match[str]) -> str | None:
    """A street word behind a name: "Sunset Blvd is long"."""
    stop = "." if match["stop"] and _ends(match) else ""
    return f"{match['name']} {_STREETS[match['street']]}{stop}"


def _ends(match: re.Match[str]) -> bool:
    rest = match.string[match.end() :].lstrip("\"') ")
    return not rest


_NAME: Final = r"(?:\d{1,3}(?:st|nd|rd|th)|[A-Z][a-z]+)"
_SURE: Final = "Ave|Blvd|Rd|Ln|Pkwy|Hwy|Fwy|Expy"  # no other word is written so
RULES: Final[tuple[Rule, ...]] = (
    (
        re.compile(
            rf"\b(?P<number>\d{{1,5}}) (?:(?P<point>[NSEW]\.?|[NS][EW]) )?(?P<name>{_NAME}(?: [A-Z][a-z]+)?) "
            rf"(?P<street>{'|'.join([*_STREETS, *sorted(_SPELLED)])})\b(?:\.(?=[ ,]))?(?: (?P<quarter>[NS][EW])\b)?"
        ),
        _address,
    ),
    (
        re.compile(
            rf"(?P<comma>(?<=[a-z]), |(?<=, )(?=[A-Z]{{2}} \d))(?P<state>{'|'.join(_STATES)})(?: (?P<zip>\d{{5}})"
            rf"(?:-(?P<plus>\d{{4}}))?)?(?!\w)"
        ),
        _state,
    ),
    (re.compile(r"\b(Hwy|Rte|Rt|Fwy|Pkwy|Expy|Route|Highway)\.? (\d{1,4})([A-Z])?(?!\w|[.,]\d)"), _road),
    (
        re.compile(
            r"\b(I|US|SR|CR|FM)[- ](\d{1,4})(?![\w%-]|[.,:]\d|,? ?(?:dollars|million|billion|people))(?<!US \d)"
        ),
        _interstate,
    ),
    (
        re.compile(
            r"(?<!\d )\b(?P<room>Apt|apt|Ste|ste|Rm|rm|Bldg|bldg|Fl|fl)\.? ?#?(?P<first>[A-Z])?-?(?P<number>\d{1,5}"
            r")-?(?P<letter>[A-Z])?(?!\w|[.,]\d)"
        ),
        _room,
    ),
    (
        re.compile(r"\b(?P<room>Apt|apt|Ste|ste|Rm|rm|Bldg|bldg)\.? #?(?P<letter>[A-Z])(?![\w'])"),
        lambda m: f"{_ROOMS[m['room']]} {spell_letter(m['letter'])}",
    ),
    (re.compile(r"(?<=\d(?:st|nd|rd|th)) [Ff]l\b(?:\.(?= [a-z]|,))?(?=(\.?$)?)"), lambda m: " floor"),
    (
        re.compile(
            rf"(?<![\w.])(?P<point>[NSEW])\.? (?=\d{{1,3}}(?:st|nd|rd|th) (?:{'|'.join([*_STREETS, *sorted(_SPELLED)])}"
            rf")\b)"
        ),
        lambda m: f"{_POINTS[m['point']]} ",
    ),
    (re.compile(rf"(?P<name>\b\d{{1,3}}(?:st|nd|rd|th)) (?P<street>{'|'.join(_STREETS)})\b(?P<stop>\.)?"), _street),
    (re.compile(rf"(?P<name>\b[A-Z][a-z]+) (?P<street>{_SURE})\b(?P<stop>\.)?(?! ?\d)"), _street),
    (re.compile(rf"\b(?P<name>[Tt]he) (?P<street>{_SURE})\b(?P<stop>\.)?"), _street),
    (
        re.compile(
            r"(?P<name>\b[A-Z][a-z]+) (?P<street>St|Dr|Ct|Pl|Sq|Ter|Cir)\b(?P<stop>\.)?"
            r"(?= (?:at|is|was|and|near|by|from|to|in|on|store|shop|station|bridge|exit|between|between|for|closed|before|after)\b|[,;:!?]|\.?\s*$)"
        ),
        _street,
    ),
)

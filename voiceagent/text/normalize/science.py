"""Raised figures, isotopes, ions, formulas, coordinates: what is printed in sciences."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.normalize import number_words as N
from voiceagent.text.normalize.rule import Rule
from voiceagent.text.tables import read_table

__all__ = ["ELEMENTS", "LAST", "RULES", "say_power"]

ELEMENTS: Final[dict[str, str]] = {row[0]: row[1] for row in read_table(__package__, "elements.tsv")}
_RAISED: Final = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_LEVEL: Final = str.maketrans(_RAISED + "⁻⁺", "0123456789-+")
_COMPASS: Final = {"N": "north", "S": "south", "E": "east", "W": "west"}
_POWERS: Final = {"2": "squared", "3": "cubed"}
_SIGNS: Final = {"⁺": "plus", "⁻": "minus", "+": "plus", "-": "minus"}


def say_power(raised: str) -> str:
    """What follows the base: "squared", "to the power of minus four". raised: raised or level figures, or a letter."""
    level = raised.translate(_LEVEL).replace("ⁿ", "n")
    if level in _POWERS:
        return _POWERS[level]
    return f"to the power of {N.count(level) if level.lstrip('-').isdecimal() else level}"


def _isotope(match: re.Match[str]) -> str:
    number = N.house_number(match[1].translate(_LEVEL)) + (" M" if match[2] else "")
    symbol = match[3]
    if symbol not in ELEMENTS:
        return f"{number} {symbol}"
    if match.string[: match.start()].rstrip().lower().endswith(ELEMENTS[symbol]):
        return number  # "Potassium 40K"
    labelled = match.string[match.end() : match.end() + 1] in ("-", "]")  # 18F-FDG
    return f"{symbol} {number}" if labelled else f"{ELEMENTS[symbol]} {number}"


def _ion(match: re.Match[str]) -> str:
    charge = f" {N.count(match[1].translate(_LEVEL))}" if match[1] else ""
    return f"{charge} {_SIGNS[match[2]]}"


def _raised(match: re.Match[str]) -> str:
    """Raised figures that belong to nothing: as figures, set off from what is beside them."""
    figures = "".join(c for c in match.group().translate(_LEVEL) if c.isdecimal())
    signs = "".join(f" {_SIGNS[c]}" for c in match.group() if c in _SIGNS)
    return f"{signs} {N.count(figures) if figures else ''} "


def _angle(match: re.Match[str]) -> str:
    def many(figure: str, one: str) -> str:
        return f" {N.count(figure.lstrip('0') or '0')} {one}{'' if figure.lstrip('0') == '1' else 's'}"

    said = many(match["degrees"], "degree")
    if match["minutes"]:
        said += many(match["minutes"], "minute")
    if match["seconds"]:
        said += many(match["seconds"], "second")
    return said.strip() + (f" {_COMPASS[match['point']]}" if match["point"] else "")


def _dot(match: re.Match[str]) -> str:
    """A raised dot is a decimal point in percentages and in money, else a sign of multiplication."""
    first, second = match["first"], match["second"]
    if match["money"] or match["percent"]:
        return f"{match['money'] or ''}{first}.{second}"
    return f"{first} times {second}"


_DEGREES: Final = r"(?<![\w.,])(?P<degrees>\d{1,3}(?:\.\d{1,7})?) ?°"
RULES: Final[tuple[Rule, ...]] = (
    (
        re.compile(
            r"(?<![A-Za-z\d.,·])(?P<money>[$€£])?(?P<first>\d{1,9}(?:\.\d{1,9})?) ?· ?(?P<second>\d{1,9}(?:\.\d{1,9})?)"
            r"(?P<percent>(?= ?%))?(?![A-Za-z])"
        ),
        _dot,
    ),
    (re.compile(r"(?<=[A-Za-z\d)])·(?=\d{0,2}[A-Z])"), lambda m: ", "),  # CuSO4·5H2O
    (re.compile(r"ⁿ(?=[ᵈd])"), lambda m: "n"),
    (re.compile(rf"(?<=[a-z])-([{_RAISED}]{{1,3}})(?!\w)"), lambda m: f" {N.house_number(m[1].translate(_LEVEL))}"),
    (re.compile(rf"(?<![\w²³¹^)])([{_RAISED}]{{1,3}})(ᵐ|m)?([A-Z][a-z]?)(?![A-Za-z])"), _isotope),
    (re.compile(rf"(?<=[A-Za-z\d)\]])([{_RAISED}]{{0,2}})([⁺⁻])(?![{_RAISED}])"), _ion),
    (
        re.compile(
            rf"{_DEGREES} ?(?P<minutes>\d{{1,2}}(?:\.\d{{1,4}})?) ?'(?!')"
            r"(?: ?(?P<seconds>\d{1,2}(?:\.\d{1,4})?) ?(?:\"|''))?(?: ?(?P<point>[NSEW])(?![\w.]*\w))?"
        ),
        _angle,
    ),
    (re.compile(rf"{_DEGREES} ?(?P<minutes>)(?P<seconds>)(?P<point>[NSEW])(?![\w.]*\w)"), _angle),
)
# After figures have been read: what is left of those that are raised.
LAST: Final[tuple[Rule, ...]] = (
    (re.compile(rf"(?<=[A-Za-z\d)])([{_RAISED}]{{1,4}}|ⁿ)(?![\w{_RAISED}])"), lambda m: f" {say_power(m[1])}"),
    (re.compile(rf"[{_RAISED}⁺⁻]{{1,60}}"), _raised),
)

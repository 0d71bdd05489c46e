"""Minus, plus and direction: signs that a listener must not miss. Offsets of zones, marks, temperatures, arrows."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.normalize import number_words as N
from voiceagent.text.normalize.codes import spell_letter
from voiceagent.text.normalize.rule import LETTER_A, Rule

__all__ = ["RULES", "say_sign"]

_ZONES: Final = "UTC|GMT|CET|CEST|EET|EST|EDT|CST|CDT|MST|MDT|PST|PDT|BST|IST|JST|AEST|WET|MSK"
_SCALES: Final = {"C": "Celsius", "F": "Fahrenheit"}
# What speaks of warmth, so that a figure with C or F behind it is a temperature and not a seat.
_WARMTH: Final = re.compile(
    r"(?i)\b(?:pre-?heat\w*|heat\w*|bak\w+|roast\w*|oven|cook\w*|temps?|temperatures?|weather|freez\w+|boil\w*|melt\w*|highs?|lows?|"
    r"warm\w*|cool\w*|cold|hot|fever|simmer\w*|chill\w*|thermostat|outside|inside|it is|it's|it was|"
    r"(?:reach|hit|drop|fell|rose|climb)\w*(?: to)?)\b[^.!?]{0,30}$|\d ?[CF] ?[(/–-] ?$|\d ?[CF] (?:to|and|or) $"
)
_WARM_AFTER: Final = re.compile(
    r" ?(?:outside|inside|in the shade|today|tonight|oven|degrees|water|[(/–-] ?\d{1,3} ?[CF]\b)"
)
_FIGURE: Final = r"(?:\d{1,3}(?:,\d{3}){1,5}|\d{1,9})(?:\.\d{1,6})?"


def say_sign(sign: str | None) -> str:
    """Say "minus " for any dash, "plus " for a plus, "" for nothing."""
    return "" if not sign else "plus " if sign == "+" else "minus "


def _zone(match: re.Match[str]) -> str:
    hours, minutes = int(match["hours"]), match["minutes"]
    said = f"{match['zone']} {say_sign(match['sign'])}{N.cardinal(hours)}"
    if minutes and int(minutes):
        said += f" {'oh ' if minutes[0] == '0' else ''}{N.cardinal(int(minutes))}"
    return said


def _mark(match: re.Match[str]) -> str:
    letters = " ".join(spell_letter(letter) for letter in match[1])
    return f"{letters} {say_sign(match[2]).strip()}"


def _temperature(match: re.Match[str]) -> str | None:
    number, scale = match["number"], _SCALES[match["scale"]]
    first = f"{N.count(match['from'])} to " if match["from"] else ""
    if match["sign"]:
        one = number == "1" and not first
        return f"{say_sign(match['sign'])}{first}{N.count(number)} degree{'' if one else 's'} {scale}"
    if not _WARMTH.search(match.string, 0, match.start()) and not _WARM_AFTER.match(match.string, match.end()):
        return None
    said = (
        N.house_number(number) if match["glued"] == "" and number.isdecimal() and len(number) == 3 else N.count(number)
    )
    return f"{first}{said} {scale}"


_SCALED: Final = "scale|ratio|dilution|odds|mix|mixture|solution|split|aspect|leverage|match|exchange|map"
RULES: Final[tuple[Rule, ...]] = (
    (re.compile(r"(?<![A-Za-z\d'.-])A-(?=\d)"), lambda m: f"{LETTER_A} "),
    (re.compile(rf"(?<![\w:.,$])(\d{{1,4}}):(\d{{1,5}})(?= (?:{_SCALED})\b)"), lambda m: f"{m[1]} to {m[2]}"),
    (
        re.compile(
            rf"(?i)(\b(?:{_SCALED}|diluted?)(?: of| is| at| was|:)? )(\d{{1,4}}):(\d{{1,5}})(?::(\d{{1,4}}))?"
            rf"(?![\d:])"
        ),
        lambda m: f"{m[1]}{m[2]} to {m[3]}" + (f" to {m[4]}" if m[4] else ""),
    ),
    (
        re.compile(
            rf"\b(?P<zone>{_ZONES}) ?(?P<sign>[-+−–±])(?P<hours>\d{{1,2}})(?::?(?P<minutes>[0-5]\d))?(?![\w:]"
            rf"|\.\d)"
        ),
        _zone,
    ),
    (re.compile(r"(?<![\w-])T ?[-−–](?=\d{1,3}(?: |$|[.,;:!?]))"), lambda m: "T minus "),
    (
        re.compile(
            r"(?<![\w'’.+-])(A{1,3}|B{1,3}|C{1,3}|AB|[DFO])([-−–])(?=[\s.,;:!?)\"']|$)(?!,? (?:and|or|to) [A-Z]-)"
        ),
        _mark,
    ),
    (re.compile(r"(?<![\w'’.+-])(A)(\+)(?=[\s.,;:!?)\"']|$)"), _mark),
    (re.compile(r"[▲▼] ?(?=[$€£¥]?\.?\d)|(?<=[\d%]) ?[▲▼]"), lambda m: f" {'up' if '▲' in m.group() else 'down'} "),
    (re.compile(r"[↑↓] ?(?=[$€£¥]?\.?\d)|(?<=[\d%]) ?[↑↓]"), lambda m: f" {'up' if '↑' in m.group() else 'down'} "),
    (re.compile(r"(?:(?<=\s)|(?<=\()|^)(?<!\d )[–−](?=[$€£¥]?\.?\d)"), lambda m: "-"),
    (
        re.compile(
            rf"(?:(?<![\w.,)'-])(?P<sign>[-+−]))?(?<![\w.,$€£])(?:(?P<from>{_FIGURE}) ?(?:[-–]|to) ?)?(?P<number>\d{{1,3}}(?:\.\d)?)(?P<glued> ?)"
            r"(?P<scale>[CF])(?![\w'’-]|\.\w|[#+])"
        ),
        _temperature,
    ),
)

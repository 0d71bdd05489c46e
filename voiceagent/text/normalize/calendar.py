"""Days and months in short, and dates written with a slash: what tells them from names, words and fractions."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.normalize import number_words as N
from voiceagent.text.normalize.rule import Rule

__all__ = ["DAYS", "MONTHS", "RULES", "SHORT_MONTHS"]

MONTHS: Final = "January February March April May June July August September October November December".split()
SHORT_MONTHS: Final = {month[:3]: month for month in MONTHS} | {"Sept": "September"}
DAYS: Final = {
    "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday", "Thur": "Thursday",
    "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday",
}  # fmt: skip
_LONG: Final = frozenset({*DAYS.values(), *MONTHS})
_DAY: Final = "(?:Mon|Tues?|Wed|Thurs?|Thu|Fri|Sat|Sun)"
_ANY_DAY: Final = rf"(?:{_DAY}|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day)"
_MONTH: Final = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)"
_ANY_MONTH: Final = rf"(?:{_MONTH}|January|February|March|April|June|July|August|September|October|November|December)"
_JOINT: Final = r"(?: ?[&/,–-] ?|,? (?:and|or|to|through|thru|until|till) |, )"
_CHAIN: Final = {
    kind: re.compile(rf"(?<![\w'-])({name}\.?(?:{_JOINT}{name}(?:\.(?= [a-z\d&]))?)+)(?![\w'])")
    for kind, name in (("day", _ANY_DAY), ("month", _ANY_MONTH))
}
# Not before a name ("Jan Smith", "Sun Tzu") nor before an apostrophe.
_NO_NAME: Final = r"(?! ?[A-Z][a-z]|['’]|-[A-Za-z]|\w)"
_BEFORE: Final = r"(?:on|by|every|each|this|next|last|until|till|since|from|before|after|past|closed|open|due|starting)"
_MONTH_BEFORE: Final = (
    r"(?:in|since|until|till|early|late|mid|by|this|last|next|end of|start of|beginning of|before|after|through|every)"
)


def _full(name: str) -> str:
    """Monday for "Mon.", January for "Jan"."""
    name = name.rstrip(".")
    return DAYS.get(name) or SHORT_MONTHS.get(name) or name


def _chain(match: re.Match[str]) -> str:
    """Days or months in a row: "Tue & Thu", "Mon/Wed/Fri", "Dec to Mar"."""
    text = match[1]
    if "/" in text:
        return " ".join(_full(part.strip()) + "," for part in text.split("/")).rstrip(",")
    text = re.sub(r"(?<=[a-z.]) ?[-–] ?(?=[A-Z])", " to ", text)
    return re.sub(r"[A-Z][a-z]+\.?", lambda m: _full(m.group()), text)


def _date(month: str, day: str, year: str = "") -> str | None:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    if len(year) == 2:
        year = ("19" if int(year) > 40 else "20") + year
    return f"{MONTHS[int(month) - 1]} {N.ordinal(int(day))}" + (f", {N.year(int(year))}" if year else "")


def _slash_date(match: re.Match[str]) -> str | None:
    date = _date(match["month"], match["day"])
    if date is None:
        return None
    return f"{match.groupdict().get('before') or ''}{date}"


def _span(match: re.Match[str]) -> str | None:
    """3/4–3/9: from a day to another."""
    first, last = _date(match[1], match[2]), _date(match[3], match[4])
    if first is None or last is None:
        return None
    return f"{first} to {N.ordinal(int(match[4])) if match[1] == match[3] else last}"


def _bare(match: re.Match[str]) -> str | None:
    """12/25 with nothing around it: a date when it can be no fraction that people use."""
    month, day = int(match["month"]), int(match["day"])
    if day in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 20, 24, 32, 64, 100) and (month < day or month == 24):
        return None
    return _date(match["month"], match["day"]) if day > 12 or month == day == 1 else None


_SLASHED: Final = r"(?P<month>0?[1-9]|1[0-2])/(?P<day>0?[1-9]|[12]\d|3[01])(?![\w/]|\.\d|-\d|-[a-z])"
_NO_FIGURE: Final = r"(?<![\w/.,$€£+-])"
RULES: Final[tuple[Rule, ...]] = (
    (_CHAIN["day"], _chain),
    (_CHAIN["month"], lambda m: _chain(m) if re.search(r"[A-Z][a-z]{2,3}\b(?<!May)", m[1]) else None),
    # Days.
    (re.compile(rf"\b({_DAY})\.? (?=\d{{1,2}}(?::\d\d|[-–]| ?[ap]\.?m|/\d))"), lambda m: DAYS[m[1]] + " "),
    (
        re.compile(rf"(?<![\w'-])({_DAY})(?=:(?: |$)|,? (?:at|from) \d| (?:morning|afternoon|evening|night|noon)\b)"),
        lambda m: DAYS[m[1]],
    ),
    (
        re.compile(rf"(?i:\b{_BEFORE}) (?:the )?({_DAY})(?<!Sun){_NO_NAME}"),
        lambda m: m.group().removesuffix(m[1]) + DAYS[m[1]],
    ),
    (
        re.compile(rf"(?i:\b(?:every|each|this|next|last|until|by|closed|on)) (Sun)(?:(?=\.|$)|{_NO_NAME}(?! is\b))"),
        lambda m: m.group().removesuffix("Sun") + "Sunday",
    ),
    (
        re.compile(rf"\b([Tt]he|[Tt]his|[Mm]y|[Oo]ur|a) (Mon|Tues?|Wed|Thurs?|Thu|Fri|Sat){_NO_NAME}"),
        lambda m: f"{m[1]} {DAYS[m[2]]}",
    ),
    (
        re.compile(
            rf"(?<=[a-z,] )(Mon|Tues?|Thurs?|Thu|Wed|Fri){_NO_NAME}(?! (?:ami|amie|cher|chéri|amour|petit"
            rf"|dieu)\b)"
        ),
        lambda m: DAYS[m[1]],
    ),
    (re.compile(r"(?<=[a-z,] )(Sat)(?=[.,;!?]|\s*$)|(?<=[Ss]ee you )(Sun)(?=\W|$)"), lambda m: DAYS[m.group()]),
    (re.compile(rf"\b({_DAY})\.? ?,? (?={_ANY_MONTH}\.? \d)"), lambda m: DAYS[m[1]] + ", "),
    (re.compile(rf"\b({_DAY})(?:\.(?=,| [A-Za-z\d])|(?=,))"), lambda m: DAYS[m[1]]),
    # Months.
    (
        re.compile(rf"(?i:\b{_MONTH_BEFORE})[ -](?:the )?({_MONTH})(?<!May){_NO_NAME}(?!\.? \d)"),
        lambda m: m.group().removesuffix(m[1]) + SHORT_MONTHS[m[1]],
    ),
    (
        re.compile(rf"\b([Tt]he|[Oo]ur|[Aa]|[Mm]y) ({_MONTH})(?<!May){_NO_NAME}(?!\.? \d)"),
        lambda m: f"{m[1]} {SHORT_MONTHS[m[2]]}",
    ),
    (re.compile(rf"(?<=[a-z,] )(Feb|Aug|Sept|Oct|Nov|Dec){_NO_NAME}(?!\.? \d)"), lambda m: SHORT_MONTHS[m[1]]),
    # Dates with a slash.
    (
        re.compile(rf"\b({_DAY})\.?,? {_SLASHED}"),
        lambda m: f"{DAYS[m[1]]} {date}" if (date := _date(m["month"], m["day"])) else None,
    ),
    (
        re.compile(rf"\b((?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day),? {_SLASHED}"),
        lambda m: f"{m[1]} {date}" if (date := _date(m["month"], m["day"])) else None,
    ),
    (
        re.compile(
            r"(?<![\w/.,$€£+-])(1[0-2]|0?[1-9])/([12]\d|3[01]|0?[1-9]) ?[-–] ?(1[0-2]|0?[1-9])/([12]\d"
            r"|3[01]|0?[1-9])(?![\w/]|\.\d)"
        ),
        _span,
    ),
    (
        re.compile(
            rf"(?i)(?P<before>\b(?:on|by|until|till|since|from|before|after|due|starting|starts|begins|ends|ending|beginning|through|between"
            rf"|expires|dated|deadline|closed|effective|delivery|date|dob|born|arrives|off|meeting is|is on|to be):? ){_SLASHED}(?! (?:of|cup|inch|mile|full|tsp|tbsp|majority))"
        ),
        _slash_date,
    ),
    (re.compile(rf"{_NO_FIGURE}{_SLASHED}(?= at (?:\d|noon|midnight))"), _slash_date),
    (re.compile(rf"(?P<before>(?<=\d)(?: ?[&,]| and| or| through| to) ){_SLASHED}(?<=\d)"), lambda m: _after_date(m)),
    (
        re.compile(
            rf"{_NO_FIGURE}{_SLASHED}(?= (?:is|was) (?:a|the|my|our|his|her|your) "
            r"(?:holiday|birthday|anniversary|deadline|day|date|launch|party|wedding|party|big day)\b| works\b)"
        ),
        _slash_date,
    ),
    (re.compile(rf"{_NO_FIGURE}{_SLASHED}(?= is\b|(?:,| and| &|\.|$))"), _bare),
)


def _after_date(match: re.Match[str]) -> str | None:
    """A second date behind a first one: "12/25 & 1/1", "between 1/15 and 2/15"."""
    head = match.string[max(0, match.start() - 6) : match.start()]
    first = re.search(r"(\d{1,2})/(\d{1,2})$", head)
    dated = first is not None and (
        int(first[2]) > 12 or (_date(first[1], first[2]) is not None and int(match["day"]) > 12)
    )
    return _slash_date(match) if dated else None

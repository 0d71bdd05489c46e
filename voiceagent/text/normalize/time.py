"""Dates, years, times of day."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.normalize import number_words as N
from voiceagent.text.normalize.rule import Rule

__all__ = ["ABBREVIATED", "RULES"]

_MONTHS: Final = "January February March April May June July August September October November December".split()
_SHORT: Final = {month[:3]: month for month in _MONTHS} | {"Sept": "September"}
_MONTH: Final = (
    r"(?P<month>" + "|".join([*_MONTHS, r"(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)\b\.?", r"May\b"]) + ")"
)
_DAY: Final = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?(?![\d:%]|[.,]\d)"
_YEAR: Final = r"(?P<year>1\d{3}|20\d{2})(?![\d,]|\.\d)"
_DAYS: Final = {
    "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday", "Thur": "Thursday",
    "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday",
}  # fmt: skip
ABBREVIATED: Final = frozenset(_SHORT) | frozenset(_DAYS)
_HALF: Final = r"(?P<half>[aApP])(?:\.? ?[mM]\b(?:\.(?![\w]))?)"
_ZONES: Final = r"EST|EDT|CST|CDT|MST|MDT|PST|PDT|GMT|UTC|CET|BST"


def _name(month: str) -> str:
    month = month.rstrip(".")
    return _SHORT.get(month, month)


def _valid(day: str) -> bool:
    return 1 <= int(day) <= 31


def _numbers(year: str, month: int, day: int) -> str | None:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    if len(year) == 2:
        year = ("19" if int(year) > 40 else "20") + year
    return f"{_MONTHS[month - 1]} {N.ordinal(day)}" + (f", {N.year(int(year))}" if year else "")


def _us(match: re.Match[str]) -> str | None:
    first, second = int(match[1]), int(match[2])
    return _numbers(match[3], first, second) if first <= 12 else _numbers(match[3], second, first)


def _month_day(match: re.Match[str]) -> str | None:
    if not _valid(match["day"]):
        return None
    said = f"{_name(match['month'])} {N.ordinal(int(match['day']))}"
    if match["to"]:
        said += f" to {N.ordinal(int(match['to']))}"
    return said + (f"{match['comma'] or ''} {N.year(int(match['year']))}" if match["year"] else "")


def _day_month(match: re.Match[str]) -> str | None:
    if not _valid(match["day"]):
        return None
    year = f"{match['comma'] or ''} {N.year(int(match['year']))}" if match["year"] else ""
    the = match["the"] or "the "
    return f"{the}{N.ordinal(int(match['day']))} of {_name(match['month'])}{year}"


def _clock(match: re.Match[str]) -> str | None:
    hour, minute = int(match["hour"]), int(match["minute"])
    if hour > 24 or minute > 59:
        return None
    half = f" {match['half'].upper()}.M." if match["half"] else ""
    said = N.cardinal(hour)
    second = match["second"]
    if minute or second:
        said += f" oh {N.cardinal(minute)}" if 0 < minute < 10 else f" {N.cardinal(minute)}" if minute else " hundred"
    elif not half:
        said += " o'clock" if hour <= 12 and hour else " hundred"
    if second:
        said += f" and {N.cardinal(int(second))} second{'s' if int(second) != 1 else ''}"
    return said + half


def _hour(match: re.Match[str]) -> str | None:
    hour = int(match["hour"])
    return f"{N.cardinal(hour)} {match['half'].upper()}.M." if 0 <= hour <= 12 else None


def _duration(match: re.Match[str]) -> str:
    """00:01:23.456, as of a clip: parts that are zero are left out."""
    parts = zip(match.groups(), ("hour", "minute", "second"), strict=True)
    said = [
        f"{N.count(part.lstrip('0') or '0')} {unit}{'' if float(part) == 1 else 's'}"
        for part, unit in parts
        if float(part)
    ]
    return " ".join(said) or "zero seconds"


def _hours(match: re.Match[str]) -> str:
    return f"{match[1]} to {match[2]}"


def _decade(match: re.Match[str]) -> str | None:
    return N.decade(int(match["years"]))


def _iso(match: re.Match[str]) -> str | None:
    date = _numbers(match[1], int(match[2]), int(match[3]))
    if date is None or match[4] is None:
        return date
    return f"{date} at {match[4]}:{match[5]}"


def _years(match: re.Match[str]) -> str:
    first, second = match[1], match[2]
    return f"{N.year(int(first))} to {N.year(int(second)) if len(second) == 4 else N.cardinal(int(second)) if second[0] != '0' else 'oh ' + N.cardinal(int(second))}"


def _years_or_days(match: re.Match[str]) -> str | None:
    first, second = _full(match[1]), _full(match[2])
    return f"{first} to {second}" if first and second else None


def _full(name: str) -> str:
    """Monday for "Mon.", January for "Jan"; "" when it is neither."""
    name = name.rstrip(".")
    return _DAYS.get(name) or _SHORT.get(name) or (name if name in _MONTHS or name in _DAYS.values() else "")


_SPANNED: Final = "|".join(sorted({*_DAYS, *_DAYS.values(), *_SHORT, *_MONTHS}, key=len, reverse=True))
RULES: Final[tuple[Rule, ...]] = (
    (re.compile(r"(?<![\w:.,])(\d{1,2}):([0-5]\d):([0-5]\d\.\d{1,3})(?![\d:])"), _duration),
    (re.compile(r"\b(noon|midnight) ?[-–] ?(?=\d)|(?<=[\dmM]) ?[-–] ?(?=(?:noon|midnight)\b)"), lambda m: f"{m[1] or ''} to "),
    (re.compile(r"(?<![\w:.,$-])(\d{1,2}:\d{2})[-–](?=\d{1,2}(?![\w:%]|[.,]\d))"), lambda m: f"{m[1]} to "),
    (re.compile(r"(?i)\b((?:wait|every|within|takes?|took|lasts?|timeout of|for|after) )([2-9]0)s(?=[.,;!?)]|$| (?:or|and|then|timer|timeout)\b)"), lambda m: f"{m[1]}{N.count(m[2])} seconds"),
    (re.compile(r"\b(Mon|Tues?|Wed|Thurs?|Thu|Fri|Sat|Sun) (?=\d{1,2}(?::\d\d|[-–]| ?[ap]\.?m))"), lambda m: _DAYS[m[1]] + " "),
    (re.compile(rf"(?<=\d)((?:st|nd|rd|th)?) ?[-–] ?(?={_MONTH} \d)"), lambda m: f"{m[1]} to "),
    (re.compile(r"(?<=\d)( (?:BCE?|CE|AD)) ?[-–] ?(?=\d)"), lambda m: f"{m[1]} to "),
    (re.compile(rf"\b({_SPANNED})\.?(?:[-–]| [-–] )({_SPANNED})\b(?:\.(?= [a-z\d]))?"), _years_or_days),
    (re.compile(r"(?<![\w./-])(\d{1,2})-(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)-(\d{4})(?![\w-])"), lambda m: f"{m[1]} {_SHORT[m[2]] if m[2] != 'Sept' else 'September'} {m[3]}"),
    (re.compile(r"(?<![\w.,-])(\d{1,2})h([0-5]\d)(?![\w])"), lambda m: f"{m[1]}:{m[2]}"),
    (re.compile(r"(?<![\w.,])(\d{1,3})d (?=\d{1,2}h)"), lambda m: f"{N.count(m[1])} day{'' if m[1] == '1' else 's'} "),
    (re.compile(r"(?<![\w./,-])((?:19|20)\d\d)/(\d\d)(?![\w/]|\.\d)"), lambda m: f"{m[1]} to {m[2]}" if int(m[2]) == (int(m[1]) + 1) % 100 else None),
    (
        re.compile(r"\b(Mon|Tues?|Wed|Thurs?|Thu|Fri|Sat|Sun)\.?,? (\d{1,2})/(\d{1,2})(?![\w/])"),
        lambda m: f"{_DAYS[m[1]]} {date}" if (date := _numbers("", int(m[2]), int(m[3]))) else None,
    ),
    (re.compile(r"\b([QH][1-4])'(\d\d)(?!\w)"), lambda m: f"{m[1]} {N.count(m[2])}"),
    (re.compile(r"(?<![\w.,])(\d{1,3})h ?(\d{1,2})m(?:in)?(?!\w)"), lambda m: f"{m[1]} h {m[2]} min"),
    (re.compile(r"(?<![\w.,])(\d{1,3})m ?(\d{1,2})s(?!\w)"), lambda m: f"{m[1]} min {m[2]} sec"),
    (re.compile(r"(?<![\w.-])(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)?(?![\w-])"), _iso),
    (re.compile(r"(?<![\w./])(\d{4})/(\d{1,2})/(\d{1,2})(?![\w/])"), lambda m: _numbers(m[1], int(m[2]), int(m[3]))),
    (re.compile(r"(?<![\w./-])(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?![\w/])"), _us),
    (re.compile(r"(?<![\w./-])(\d{1,2})-(\d{1,2})-(\d{4})(?![\w-])"), _us),
    (re.compile(r"(?<![\w./-])(\d{2})\.(\d{2})\.(\d{4})(?![\w.]*\w)"), lambda m: _numbers(m[3], int(m[2]), int(m[1]))),
    (re.compile(rf"\b{_MONTH} {_DAY}(?: ?[-–] ?(?P<to>[0-3]?\d)(?:st|nd|rd|th)?(?![\d/-]))?(?:(?P<comma>,)? {_YEAR})?"), _month_day),
    (re.compile(rf"(?<![\w.,$/-])([0-3]?\d)[-–](?=[0-3]?\d (?:of )?{_MONTH}(?![a-z]))"), lambda m: f"the {N.ordinal(int(m[1]))} to " if _valid(m[1]) else None),
    (re.compile(rf"(?<![\w.,$/-])(?P<the>[Tt]he )?{_DAY} (?:of )?{_MONTH}(?![a-z])(?:(?P<comma>,)? {_YEAR})?"), _day_month),
    (re.compile(r"\b(Mon|Tues?|Wed|Thurs?|Thu|Fri|Sat|Sun)(?:\.(?=,| [A-Z\d])|(?=,))"), lambda m: _DAYS[m[1]]),
    (re.compile(r"\b(Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.? (?=\d{4}\b)"), lambda m: _SHORT[m[1]] + " "),
    (re.compile(r"\b(Jan|Feb|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\."), lambda m: _SHORT[m[1]] + ("." if m.end() == len(m.string) else "")),
    (re.compile(r"(?<![\w:.,$-])(\d{1,2}(?::\d{2})?(?: ?[aApP]\.?[mM]\.?)?) ?[-–] ?(\d{1,2}(?::\d{2}(?: ?[aApP]\.?[mM]\b\.?)?| ?[aApP]\.?[mM]\b\.?))(?!\d|:\d)"), _hours),
    (re.compile(rf"(?<![\w:.,])(?P<hour>\d{{1,2}}):(?P<minute>\d{{2}})(?::(?P<second>\d{{2}}))?(?: ?{_HALF})?(?!\d|:\d|,\d{{3}})"), _clock),
    (re.compile(rf"(?<![\w:.,$])(?P<hour>\d{{1,2}}) ?{_HALF}"), _hour),
    (re.compile(rf"(?<=\.M\.)(?= (?:{_ZONES})\b)|(?<![\w:.,])(?P<hour>\d{{1,2}}) o'clock\b"), lambda m: f"{N.cardinal(int(m['hour']))} o'clock" if m["hour"] else None),
    (re.compile(r"(?<![\w.,$-])'?(?P<years>1\d\d0|20\d0|[2-9]0)(?:s|'s)(?!\w)"), _decade),
    (re.compile(r"(?<=mid-)(?P<years>1\d\d0|20\d0|[2-9]0)s(?!\w)"), _decade),
    (re.compile(r"(?<![\w'])'(\d\d)(?![\w'])"), lambda m: N.cardinal(int(m[1])) if m[1][0] != "0" else f"oh {N.cardinal(int(m[1]))}"),
    (re.compile(r"(?<![\w.,$-])(1[1-9]\d\d|20\d\d) ?[-–] ?(1[1-9]\d\d|20\d\d|\d\d)(?![\w.,%-]*\w)"), _years),
)  # fmt: skip

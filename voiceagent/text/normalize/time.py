"""Dates, years, times of day."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.normalize import number_words as N
from voiceagent.text.normalize.calendar import DAYS, MONTHS, SHORT_MONTHS
from voiceagent.text.normalize.rule import Rule

__all__ = ["ABBREVIATED", "RULES", "say_many"]

_MONTH: Final = (
    r"(?P<month>" + "|".join([*MONTHS, r"(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)\b\.?", r"May\b"]) + ")"
)
_DAY: Final = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?(?![\d:%]|[.,]\d)"
_YEAR: Final = r"(?P<year>1\d{3}|20\d{2})(?![\d,]|\.\d)"
ABBREVIATED: Final = frozenset(SHORT_MONTHS) | frozenset(DAYS)
_HALF: Final = r"(?P<half>[aApP])(?:\.? ?[mM]\b(?:\.(?![\w]))?)"
_ZONES: Final = r"EST|EDT|CST|CDT|MST|MDT|PST|PDT|GMT|UTC|CET|BST"


def _name(month: str) -> str:
    month = month.rstrip(".")
    return SHORT_MONTHS.get(month, month)


def _valid(day: str) -> bool:
    return 1 <= int(day) <= 31


def _numbers(year: str, month: int, day: int) -> str | None:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    if len(year) == 2:
        year = ("19" if int(year) > 40 else "20") + year
    return f"{MONTHS[month - 1]} {N.ordinal(day)}" + (f", {N.year(int(year))}" if year else "")


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


# What goes before seconds, and what before a plural.
_SECONDS_BEFORE: Final = re.compile(
    r"(?i)(?:\b(?:timeout|delay|wait|waits|waited|rest|rested|hold|held|plank|pause|sleep|for|after|within|every|takes?|took|lasts?|lasted|"
    r"last|only|just|about|around|roughly|under|over|than|another|is|was|be|are|to|at|per|retry|run|ran|spend|least|most|up to|first|next|"
    r"final|\d+ ?(?:m|min|mins|minutes?)|in|and)|[<>~≈+–:=(-])(?: (?:of|is|to|at|be|about|around|a|up to|it))* ?$"
)
_PLURAL_BEFORE: Final = re.compile(
    r"(?i)\b(?:the|his|her|their|my|your|our|its|early|late|mid|low|high|lower|upper|roaring|swinging|(?:pair|set|lot|lots|bunch|pile|stack|couple|row|handful|deck) of|sizes?|wears?|wore|pocket|roll(?:s|ed)?|drew|draws?|all|both|these|"
    r"those|old|new|some|any|many|few|more|several|dozen|two|three|four|five|six|seven|eight|nine|ten|\d+ ?x|\d+|boeing|airbus|no|by|"
    r"pays? in|paid in|come in|comes in|bundles? of|stacks? of|want it in|(?:in|of) (?:the|his|her|their|my))[ -]$"
)
_SECONDS_AFTER: Final = re.compile(
    r" (?:delay|timeout|ad|ads|window|video|clip|timer|interval|pause|break|limit|mark|rule|sprint|hold|plank|cooldown|countdown|gap|lead|"
    r"penalty|later|long|ago|between|left|remaining|each|before|until|or (?:less|more)|(?:is|isn't|was) (?:enough|plenty|fine|long|short|too|not|ok|okay|about)|read|response|spot|shot)\b"
)
_LISTED: Final = re.compile(r"\d{1,4}s,? (?:and|or|to) $")
_MEASURED: Final = re.compile(r" (?:and|or|to) \d{1,4}s\b(?! (?:in|are|were|of))")


def _many_or_seconds(match: re.Match[str]) -> str | None:
    """What "30s" means: seconds, the years of a decade, or several of what is numbered so ("747s")."""
    number, string = match["number"], match.string
    if string[: match.start()].endswith(("iPhone ", "Galaxy ")):
        return f"{N.count(number)} S"
    if "." in number:
        return f"{N.count(number)} seconds"
    if string[: match.start()].endswith("-"):
        return say_many(number) if string[match.start() - 2 : match.start() - 1].isalpha() else None
    round_number = number[-1] == "0" and len(number) in (2, 4) and (len(number) == 2 or "1100" <= number < "2100")
    listed = _LISTED.search(string, 0, match.start())
    if _SECONDS_AFTER.match(string, match.end()):
        singular = re.match(
            r" (?:later|long|ago|between|left|remaining|each|before|until|or|is|isn't|was)\b",
            string[match.end() : match.end() + 12],
        )
        return f"{N.count(number)} second{'s' if singular else ''}"
    if len(number) == 4:
        return say_many(number)
    if _PLURAL_BEFORE.search(string, 0, match.start()):
        return say_many(number)
    if listed:
        earlier = re.search(r"(?i)(?:\b[a-z]+|\d+x) \d{1,4}s,? (?:and|or|to) $", string[: match.start()])
        head = string[: match.start()].rsplit(None, 2)[0].rsplit(None, 1)[0] + " " if earlier else ""
        return (
            f"{N.count(number)} seconds"
            if _SECONDS_BEFORE.search(head) and not _PLURAL_BEFORE.search(head)
            else say_many(number)
        )
    if _SECONDS_BEFORE.search(string, 0, match.start()):
        return f"{N.count(number)} second{'' if number == '1' else 's'}"
    return (
        say_many(number)
        if len(number) == 3 or round_number
        else f"{N.count(number)} second{'' if number == '1' else 's'}"
    )


def say_many(number: str) -> str:
    """Several of a number: "747" -> "seven forty sevens", "100" -> "hundreds", "90" -> "nineties"."""
    if number in ("100", "1000"):
        return "hundreds" if number == "100" else "thousands"
    head, _, last = N.house_number(number).rpartition(" ")
    last = last[:-1] + "ies" if last.endswith("y") else last + ("es" if last.endswith("x") else "s")
    return f"{head} {last}".strip()


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
    return DAYS.get(name) or SHORT_MONTHS.get(name) or (name if name in MONTHS or name in DAYS.values() else "")


_SPANNED: Final = "|".join(sorted({*DAYS, *DAYS.values(), *SHORT_MONTHS, *MONTHS}, key=len, reverse=True))
RULES: Final[tuple[Rule, ...]] = (
    (
        re.compile(
            (
                r"(?<![\w:.,$])(\d{1,2}:[0-5]\d|(?<=at )\d{1,2}|(?<=from )\d{1,2}|(?<=by )\d{1,2})([ap])(?=[\s.,;:!?)–-"
                r"]|$)(?!\.m)"
            )
        ),
        lambda m: f"{m[1]} {m[2].upper()}M",
    ),
    (re.compile(r"(?<![\w:.,$])(\d{1,2})a ?[-–] ?(\d{1,2})p(?!\w)"), lambda m: f"{m[1]} AM to {m[2]} PM"),
    (
        re.compile(
            r"(?i)(\b(?:doors|show|opens?|closes?|starts?|ends?|breakfast|lunch|dinner|brunch|noon|until|till|curtain|kickoff|check-?in|check-?out) )"
            r"(\d{1,2})([ap])(?!\w)"
        ),
        lambda m: f"{m[1]}{m[2]} {m[3].upper()}M",
    ),
    (re.compile(r"(?<![\w:.,])(\d{1,2}):([0-5]\d):([0-5]\d\.\d{1,3})(?![\d:])"), _duration),
    (
        re.compile(r"\b(noon|midnight) ?[-–] ?(?=\d)|(?<=[\dmM]) ?[-–] ?(?=(?:noon|midnight)\b)"),
        lambda m: f"{m[1] or ''} to ",
    ),
    (re.compile(r"(?<![\w:.,$-])(\d{1,2}:\d{2})[-–](?=\d{1,2}(?![\w:%]|[.,]\d))"), lambda m: f"{m[1]} to "),
    (re.compile(rf"(?<=\d)((?:st|nd|rd|th)?) ?[-–] ?(?={_MONTH} \d)"), lambda m: f"{m[1]} to "),
    (re.compile(r"(?<=\d)( (?:BCE?|CE|AD)) ?[-–] ?(?=\d)"), lambda m: f"{m[1]} to "),
    (re.compile(rf"\b({_SPANNED})\.?(?:[-–]| [-–] )({_SPANNED})\b(?:\.(?= [a-z\d]))?"), _years_or_days),
    (
        re.compile(r"(?<![\w./-])(\d{1,2})-(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)-(\d{4})(?![\w-])"),
        lambda m: f"{m[1]} {SHORT_MONTHS[m[2]] if m[2] != 'Sept' else 'September'} {m[3]}",
    ),
    (re.compile(r"(?<![\w.,-])(\d{1,2})h([0-5]\d)(?![\w])"), lambda m: f"{m[1]}:{m[2]}"),
    (re.compile(r"(?<![\w.,])(\d{1,3})d (?=\d{1,2}h)"), lambda m: f"{N.count(m[1])} day{'' if m[1] == '1' else 's'} "),
    (
        re.compile(r"(?<![\w./,-])((?:19|20)\d\d)/(\d\d)(?![\w/]|\.\d)"),
        lambda m: f"{m[1]} to {m[2]}" if int(m[2]) == (int(m[1]) + 1) % 100 else None,
    ),
    (re.compile(r"\b([QH][1-4])'(\d\d)(?!\w)"), lambda m: f"{m[1]} {N.count(m[2])}"),
    (re.compile(r"(?<![\w.,])(\d{1,3})h ?(\d{1,2})m(?:in)?(?!\w)"), lambda m: f"{m[1]} h {m[2]} min"),
    (re.compile(r"(?<![\w.,])(\d{1,3})m ?(\d{1,2})s(?!\w)"), lambda m: f"{m[1]} min {m[2]} sec"),
    (
        re.compile(
            r"(?<![\w.-])(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2"
            r"})?)?(?![\w-])"
        ),
        _iso,
    ),
    (re.compile(r"(?<![\w./])(\d{4})/(\d{1,2})/(\d{1,2})(?![\w/])"), lambda m: _numbers(m[1], int(m[2]), int(m[3]))),
    (re.compile(r"(?<![\w./-])(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?![\w/])"), _us),
    (re.compile(r"(?<![\w./-])(\d{1,2})-(\d{1,2})-(\d{4})(?![\w-])"), _us),
    (re.compile(r"(?<![\w./-])(\d{2})\.(\d{2})\.(\d{4})(?![\w.]*\w)"), lambda m: _numbers(m[3], int(m[2]), int(m[1]))),
    (
        re.compile(
            rf"\b{_MONTH} {_DAY}(?: ?[-–] ?(?P<to>[0-3]?\d)(?:st|nd|rd|th)?(?![\d/-]))?(?:(?P<comma>,)? {_YEAR})?"
        ),
        _month_day,
    ),
    (
        re.compile(rf"(?<![\w.,$/-])([0-3]?\d)[-–](?=[0-3]?\d (?:of )?{_MONTH}(?![a-z]))"),
        lambda m: f"the {N.ordinal(int(m[1]))} to " if _valid(m[1]) else None,
    ),
    (
        re.compile(rf"(?<![\w.,$/-])(?P<the>[Tt]he )?{_DAY} (?:of )?{_MONTH}(?![a-z])(?:(?P<comma>,)? {_YEAR})?"),
        _day_month,
    ),
    (
        re.compile(r"\b(Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.? (?=\d{4}\b)"),
        lambda m: SHORT_MONTHS[m[1]] + " ",
    ),
    (
        re.compile(r"\b(Jan|Feb|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\."),
        lambda m: SHORT_MONTHS[m[1]] + ("." if m.end() == len(m.string) else ""),
    ),
    (
        re.compile(
            r"(?<![\w:.,$-])(\d{1,2}(?::\d{2})?(?: ?[aApP]\.?[mM]\.?)?) ?[-–] ?(\d{1,2}(?::\d{2}(?: ?[aApP]\.?[mM]\b"
            r"\.?)?| ?[aApP]\.?[mM]\b\.?))(?!\d|:\d)"
        ),
        _hours,
    ),
    (
        re.compile(
            rf"(?<![\w:.,])(?P<hour>\d{{1,2}}):(?P<minute>\d{{2}})(?::(?P<second>\d{{2}}))?(?: ?{_HALF})?"
            rf"(?!\d|:\d|,\d{{3}})"
        ),
        _clock,
    ),
    (re.compile(rf"(?<![\w:.,$])(?P<hour>\d{{1,2}}) ?{_HALF}"), _hour),
    (
        re.compile(rf"(?<=\.M\.)(?= (?:{_ZONES})\b)|(?<![\w:.,])(?P<hour>\d{{1,2}}) o'clock\b"),
        lambda m: f"{N.cardinal(int(m['hour']))} o'clock" if m["hour"] else None,
    ),
    (re.compile(r"(?<![\w.,$-])'(?P<years>[1-9]0)'?s(?!\w)"), _decade),
    (re.compile(r"(?<![\w.,$-])(?P<years>1\d\d0|20\d0|[2-9]0)'s(?!\w)"), _decade),
    (re.compile(r"(?<![\w.,$])(?P<number>\d{1,4}(?:\.\d{1,3})?)s(?!\w|['’]\w|/)"), _many_or_seconds),
    (
        re.compile(r"(?<![\w'])'(\d\d)(?![\w'])"),
        lambda m: N.cardinal(int(m[1])) if m[1][0] != "0" else f"oh {N.cardinal(int(m[1]))}",
    ),
    (re.compile(r"(?<![\w.,$-])(1[1-9]\d\d|20\d\d) ?[-–] ?(1[1-9]\d\d|20\d\d|\d\d)(?![\w.,%-]*\w)"), _years),
)

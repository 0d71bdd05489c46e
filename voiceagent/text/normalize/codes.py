"""Figures that name something: telephone numbers, codes, seats, routes. They are read digit by digit, or as a name."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.normalize import number_words as N
from voiceagent.text.normalize.rule import LETTER_A, Rule

__all__ = ["LAST", "NAMED_PLACE", "RULES", "spell_letter"]

# What is numbered, with a letter behind the number perhaps: "seat 14B" is no number of billions.
_PLACES: Final = (
    "seat gate exit section terminal figure table locker room apartment unit platform row bay hall building question step "
    "appendix chapter form class lot stand zone level dock cabin berth suite bus line track group type phase schedule part "
    "house flat route highway road door aisle block floor ward pod slot spot space stall site pier stage lane booth desk "
    "counter box bin shelf rack slide page paragraph item rule article clause option exhibit annex plate panel "
    "diagram chart map note answer problem exercise train tram flight deck hangar runway court area sector "
    "division district precinct tower wing entrance stairwell elevator carriage coach compartment bunk crate drawer "
    "channel model stop port size grade apt ste rm bldg rte hwy fig sec ch vol no"
).split()
_PLACE: Final = "|".join(sorted(_PLACES, key=len, reverse=True))
_LINK: Final = r"(?:,? (?:is|was|are|were|number|no\.|the|at|be|called))*:?"
# Before a figure: the noun that it numbers.
NAMED_PLACE: Final = re.compile(
    rf"(?i)\b(?:{_PLACE})(?:s|es)?\.?(?:,? (?:is|was|are|were|number|the|at|be|called)){{0,3}}:? $"
)
_PLANS: Final = {"401": "four oh one", "403": "four oh three", "457": "four fifty seven", "501": "five oh one"}
_CALL: Final = (
    r"(?:call|dial|phone|ring|text|fax|sms|whatsapp|mobile|cell|tel|telephone|hotline|landline|helpline|reach (?:us|me|him|her|them)|"
    r"number|line|contact)"
)
_KIND: Final = (
    r"(?:access|area|authentication|booking|card|confirmation|conference|door|entry|gate|one-time|login|locker|meeting|pass|pin|"
    r"routing|security|session|sms|sort|tracking|two-factor|verification|zip|postal|account|reference|member|membership|policy|serial|"
    r"social security|passport|license|licence|customer|case|ticket|invoice|swift|dialing|country|promo|voucher)"
)
_CODE: Final = rf"(?:{_KIND}[ -](?:code|number|no\.|id)|code|passcode|password|pin|otp|ein|ssn|zip|postcode|cvv|cvc|verification|authentication|(?:please )?enter)"
_NUMBERED: Final = (
    r"(?:access|area|authentication|booking|card|confirmation|conference|door|entry|one-time|login|locker|meeting|pass|pin|"
    r"routing|security|session|sort|tracking|two-factor|verification|zip|postal|account|reference|member|membership|policy|serial|"
    r"passport|license|licence|customer|code|passcode|password|otp|ein|ssn|tin|cvv|cvc|postcode)"
)
_IS: Final = r"(?:(?: (?:is|was|are|will be|of|to|on file|on file is|ending in|ends in|number|code|no\.))*:? ?#? ?)"
_GROUPS: Final = r"\d{1,12}(?:[ -]\d{1,12}){0,6}"
_DATE: Final = re.compile(r"\d{1,2}[-.]\d{1,2}[-.](?:\d{4}|\d{2})|\d{4}[-.]\d{1,2}[-.]\d{1,2}")
_SAID_KEYS: Final = {"*": "star", "#": "pound", "×": "star"}


def spell_letter(letter: str) -> str:
    """A capital letter that is said as a letter: the A of a code is never the article."""
    return LETTER_A if letter in "aA" else letter.upper()


def _groups(text: str) -> str:
    """Digit by digit, a pause after each group; a long run is cut into groups of three, the last of four."""
    said: list[str] = []
    for group in re.findall(r"\+?\d+", text):
        digits = group.lstrip("+")
        parts = [digits]
        if len(digits) > 7:
            odd = (len(digits) - 4) % 3
            parts = [digits[:odd], *(digits[at : at + 3] for at in range(odd, len(digits) - 4, 3)), digits[-4:]]
            parts = [part for part in parts if part]
        said += [("plus " if group[0] == "+" and part is parts[0] else "") + N.digits(part) for part in parts]
    return ", ".join(said)


def _phone(match: re.Match[str]) -> str | None:
    """A telephone number as people write it outside the US: by its first figures, its length, or the words before it."""
    text = match.group()
    count = sum(map(str.isdecimal, text))
    called = _CALLED.search(match.string, 0, match.start()) is not None
    if not (6 if called else 7) <= count <= 15 or _DATE.fullmatch(text):
        return None
    bare = text.lstrip("(")
    grouped = " " in text or "-" in text or ")" in text
    foreign = bare[0] == "+" or (bare.startswith("00") and count >= 10)
    trunk = bare[0] == "0" and grouped and (count >= 8 or called)
    if not (foreign or trunk or called):
        return None
    if not foreign and re.search(r"\d{5,}", text) and not called and bare[0] != "0":
        return None
    return _groups(text)


def _coded(match: re.Match[str]) -> str | None:
    code = match["code"]
    if (_DATE.fullmatch(code) and len(code) > 8) or sum(map(str.isdecimal, code)) < 3:
        return None
    return match[1] + _groups_short(code)


def _groups_short(text: str) -> str:
    return ", ".join(N.digits(group) for group in re.findall(r"\d+", text))


def _keys(match: re.Match[str]) -> str | None:
    """What is pressed on a telephone: star and pound, and the digits between them."""
    text = match["keys"]
    if not (text[0] == "*" or text[-1] == "#" or match["press"]):
        return None
    words = [_SAID_KEYS[c] if c in _SAID_KEYS else N.digits(c) for c in text if c != " "]
    return (match["press"] or "") + " ".join(words)


def _numbered(match: re.Match[str]) -> str | None:
    """The number of a case or an order: groups so long, or with so many zeros, that no one counts them."""
    groups = match.group().split("-")
    long = any(len(group) > 4 for group in groups) and len(groups[0]) != len(groups[-1])
    led = any(len(group) > 2 and group[0] == "0" for group in groups)
    if sum(map(len, groups)) < 7 or _DATE.fullmatch(match.group()) or not (long or led):
        return None
    return _groups_short(match.group())


def _iban(match: re.Match[str]) -> str | None:
    parts = match.group().split()
    joined = "".join(parts)
    if len(parts) < 3 and len(joined) < 15:
        return None
    return ", ".join(N.spell(part) for part in parts)


def _placed(match: re.Match[str]) -> str:
    """Say "seat fourteen B" for "seat 14B"."""
    return match[1] + _lettered(match[2], match[3])


def _lettered(number: str, letters: str) -> str:
    said = N.house_number(number) if len(number) > 2 else N.count(number)
    return " ".join([said, *(spell_letter(letter) for letter in letters)])


def _powered(match: re.Match[str]) -> str | None:
    """2E1 names something unless it has a sign, a fraction or a small letter that no noun goes before."""
    if match[2] == "e" and not NAMED_PLACE.search(match.string, 0, match.start()):
        return None
    return f"{N.count(match[1])} {match[2].upper()} {N.count(match[3])}"


_CALLED: Final = re.compile(rf"(?i)\b{_CALL}\b[^.!?\d]{{0,24}}$")
RULES: Final[tuple[Rule, ...]] = (
    (
        re.compile(r"(?<![\w.,])[1-9]\d{0,2}(?:['’]\d{3}){1,4}(?=\.\d\d?(?!\w)|(?![\w.]|['’]\w)|\.(?!\d))"),
        lambda m: re.sub(r"\D", "", m.group()),
    ),
    (
        re.compile(r"(?<![\w.,])[1-9]\d{0,2}(?:\.\d{3}){3,4}(?<=\.000)(?![\w,]|\.\d)"),
        lambda m: m.group().replace(".", ""),
    ),
    (
        re.compile(
            r"(?i)(?<=press )(?P<press>)(?P<keys>[*#×])(?= |[.,;!?]|$)|(?<=\bhit )(?P<k2>[*#×])(?= |[.,;!?]"
            r"|$)"
        ),
        lambda m: _SAID_KEYS[m.group()],
    ),
    (
        re.compile(
            r"(?i)\b((?:call|dial|text|phone|ring|sms) )(\d{3,6}|\d{2} \d{2} \d{2})(?!\w|[.,:%-]\d|-[A-Z]"
            r"| \d| ?%| (?:[a-z]+ )?(?:[a-z]{3,}s|people)\b)"
        ),
        lambda m: m[1] + _groups_short(m[2]),
    ),
    (re.compile(r"(?i)(\b(?:ending|ends)(?: in| with)? )(?P<code>\d{3,6})(?![\w.,-]*\w)"), _coded),
    (
        re.compile(r"(?<![\w.,])[1-9]\d{0,2}(?:\.\d{3}){2}(?![\w,]|\.\d)(?<=0|\d(?= ?[€a-z]))"),
        lambda m: m.group().replace(".", ""),
    ),
    (
        re.compile(r"\b(401|403|457|501) ?\(([a-z])\)(?:\((\d)\))?"),
        lambda m: f"{_PLANS[m[1]]} {m[2].upper()}" + (f" {N.count(m[3])}" if m[3] else ""),
    ),
    (re.compile(r"(?<![\w.,$€£-])(401|403|457)([kb])(?!\w)"), lambda m: f"{_PLANS[m[1]]} {m[2].upper()}"),
    (
        re.compile(
            r"(?i)(?P<press>\b(?:dial|press|hit|enter|push|type|then) )?(?<![\w*#])(?P<keys>(?:[*#]{1,2}\d{1,4}"
            r"(?:[*×#]\d{1,12}){0,3}#?))(?![\w*])"
        ),
        _keys,
    ),
    (re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b(?<=\d)"), _iban),
    (
        re.compile(
            r"(?<![\w.,$€£+-])\d{2}-\d{7}(?![\w-])|(?<![\w.,$€£+-])\d{5}-\d{4}(?![\w-])|(?<![\w.+-])\d{4}[ -]\d{6}["
            r" -]\d{5}(?![\w-])"
        ),
        lambda m: _groups_short(m.group()),
    ),
    (
        re.compile(r"(?<![\w.,$€£+-])(?<!\+\d )(?<!\+\d\d )(?<!\+\d\d\d )\d{3} \d{4} \d{4}(?![\w-]| \d)"),
        lambda m: _groups_short(m.group()),
    ),
    (re.compile(rf"(?i)\b({_CODE}{_IS}|\b{_NUMBERED} {_CODE}?{_IS})(?P<code>{_GROUPS})(?![\w.,-]*\w)"), _coded),
    (
        re.compile(
            r"(?i)((?:type|enter|key|put|punch|use)(?: in)?(?: the)? )(?P<code>\d{3,8}(?:[ -]\d{2,6}){0,3})"
            r"(?= (?:as|for|at|when|to log|to sign|to enter|to join))"
        ),
        _coded,
    ),
    (
        re.compile(
            r"(?i)(\bdigits (?:are|is|of [a-z ]{1,20} are|:) ?)(?P<code>\d{2,8}(?:[ -]\d{2,6}){0,3})(?![\w.,-]*\w)"
        ),
        _coded,
    ),
    (re.compile(r"(?<![\w.,$€£+-])(?<!\+\d\d )[6-9]\d{4} \d{5}(?![\w,.-]*\w)"), lambda m: _groups(m.group())),
    (re.compile(r"(?<![\w.,$€£-])\(?(?:\+|00)?\(?\+?\d[\d() -]{5,24}\d(?![\w%€£]|[.,-]\d|/\d|:\d)"), _phone),
    (re.compile(rf"((?i:\b(?:{_PLACE})(?:s|es)?\.?{_LINK}) )(\d{{1,4}})([A-Z])(?!\w|[-']\w)"), _placed),
    (
        re.compile(r"(?<=[A-Z] )(and|or|to|through|&|-|–) (\d{1,3})([A-Z])(?![\w-])"),
        lambda m: f"{m[1]} {_lettered(m[2], m[3])}",
    ),
    (re.compile(r"(?<![\w.])(\d)([eE])(\d)(?!\w|\.\d)"), _powered),
)
# After telephone numbers have been read.
LAST: Final[tuple[Rule, ...]] = ((re.compile(r"(?<![\w.,$€£+-])\d{1,7}(?:-\d{1,12}){1,4}(?![\w-]|[.,]\d)"), _numbered),)

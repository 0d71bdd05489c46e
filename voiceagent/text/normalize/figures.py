"""Fractions, ordinals, ranges, signs between figures, and the figures that are left."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.normalize import number_words as N
from voiceagent.text.normalize.codes import NAMED_PLACE, spell_letter
from voiceagent.text.normalize.rule import Rule
from voiceagent.text.normalize.science import ELEMENTS, say_power
from voiceagent.text.normalize.signed import say_sign
from voiceagent.text.normalize.time import say_many

__all__ = ["RULES"]

_NUMBER: Final = r"(?:\d{1,3}(?:,\d{3}){1,5}(?!\d)|\d{1,300})(?:\.\d{1,60})?|\.\d{1,60}"
_PARTS: Final = {
    2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth", 9: "ninth", 10: "tenth", 12: "twelfth",
    16: "sixteenth", 20: "twentieth", 32: "thirty second", 64: "sixty fourth", 100: "hundredth", 1000: "thousandth",
}  # fmt: skip
_VULGAR: Final = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5), "⅘": (4, 5),
    "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8),
}  # fmt: skip
_PAIRS: Final = {
    "24/7": "twenty four seven",
    "9/11": "nine eleven",
    "50/50": "fifty fifty",
    "20/20": "twenty twenty",
    "80/20": "eighty twenty",
}
_BETWEEN: Final = {
    "+": "plus", "=": "equals", "<": "is less than", ">": "is greater than", "×": "times", "*": "times", "÷": "divided by",
    "∈": "in", "⇒": "implies", "≡": "is equivalent to", "∝": "is proportional to", "∪": "union", "∩": "intersection", "⊂": "is a subset of",
    "≈": "is about", "≠": "is not equal to", "≤": "is at most", "≥": "is at least", "±": "plus or minus", "<=": "is at most",
    ">=": "is at least", "!=": "is not equal to", "==": "equals", "->": "to", "→": "to", "/": "divided by", "-": "minus", "−": "minus",
}  # fmt: skip
_RATED: Final = re.compile(r" ?(?:stars?|points?|rating|score)\b")
_TENTHS: Final = re.compile(r" (?:of|inch|mile|cup|second)|ths?\b")
_PLURAL: Final = re.compile(
    r"\+? (?!(?:makes|sells|says|owns|has|is|was|does|plans|wants|needs|gets|uses|offers|reports|expects|goes|runs|costs|comes|opens|closes|"
    r"starts|ends|leaves|stays|works|looks|seems|this|its|his|us|as|plus|minus|times|yes|across|unless|always|perhaps)\b)"
    r"(?:(?!(?:is|was|are|were|has|had|of|in|at|on|to|and|or|for|from|with|by|makes|off|the)\b)[a-z]{2,12} )?(?:[a-z]{2,14}s|people)\b"
)
_VOWELS: Final = frozenset("AEIOU")
_ATOM: Final = re.compile(r"([A-Z][a-z]?)(\d{0,3})")
_NO_FORMULA: Final = frozenset({"B2B", "P2P", "B2C", "C2C", "PS5", "PS4", "PS3", "PS2", "PS1"})
_SCREENS: Final = frozenset({"2", "4", "5", "6", "8"})  # "4K" is a screen, "10K" ten thousand
_HOUSE: Final = re.compile(r" [A-Z][a-z]+ (?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Square|Place)\b")
_RUN: Final = re.compile(r"\b(?:ran|run|runs|running|jog\w*|raced?|walk\w*)\b[^.]{0,12}$")
_SIZED: Final = re.compile(r"[ -](?:model|parameters?|params|tokens?|LLM|weights)\b")
_AMOUNT: Final = re.compile(
    r"(?i)\b(?:over|about|around|nearly|almost|roughly|approximately|than|reach(?:ed|es)?|hit|hits|exceed(?:ed|s)?|sold|raised|earned|worth|"
    r"lost|up to|another|total(?:s|ed|ing)?(?: of)?|paid|costs?|valued at|spent|gained|added|grew to|fell to|rose to|"
    r"(?:revenues?|sales|profits?|loss|losses|budget|population|debt|income|value|cap|downloads|views)(?: is| was| are| were| of| at| to)?|"
    r"\d to|per|some)(?: about| over| nearly| almost| some| a)? $"
)
_LETTERS: Final = {
    "k": "thousand",
    "K": "thousand",
    "M": "million",
    "B": "billion",
    "T": "trillion",
    "m": "million",
    "bn": "billion",
    "MM": "million",
}


def _fraction(above: int, below: int) -> str:
    if below == 2:
        return "one half" if above == 1 else f"{N.cardinal(above)} halves"
    return f"{N.cardinal(above)} {_PARTS[below]}{'' if above == 1 else 's'}"


def _slashed(match: re.Match[str]) -> str | None:
    if match.group() in _PAIRS:
        return _PAIRS[match.group()]
    above, below = int(match["above"]), int(match["below"])
    whole = match["whole"]
    sign = "minus " if match["sign"] else ""
    if not whole and below == 10 and above > 1 and not _TENTHS.match(match.string, match.end()):
        return f"{sign}{N.cardinal(above)} out of ten"
    if not whole and below and (above == below or _RATED.match(match.string, match.end())):
        return f"{sign}{N.cardinal(above)} out of {N.cardinal(below)}"
    if not whole and below in _PARTS and above > below and below < 20:
        return f"{sign}{N.cardinal(above)} over {N.cardinal(below)}"
    if below not in _PARTS or not 0 < above < below:
        return None if whole or sign else f"{N.cardinal(above)} slash {N.cardinal(below)}"
    if whole:
        said = {(1, 2): "a half", (1, 4): "a quarter"}.get((above, below)) or _fraction(above, below)
        return f"{sign}{N.count(whole)} and {said}"
    return sign + _fraction(above, below)


def _month_slash(match: re.Match[str]) -> str | None:
    month, day = int(match[2]), int(match[3])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    names = "January February March April May June July August September October November December".split()
    return f"{match[1]}{names[month - 1]} {N.ordinal(day)}"


def _vulgar(match: re.Match[str]) -> str:
    above, below = _VULGAR[match[2]]
    if match[1]:
        said = "a half" if below == 2 else "a quarter" if (above, below) == (1, 4) else _fraction(above, below)
        said = f"{N.count(match[1])} and {said}"
    else:
        said = _fraction(above, below)
    return said + (" " if match.string[match.end() : match.end() + 1].isalpha() else "")


def _range(match: re.Match[str]) -> str:
    return f"{match[1]} to {match[2]}"


def _power(match: re.Match[str]) -> str:
    return f"{match['base']} {say_power(match['power'] or match['raised'])}"


def _scientific(match: re.Match[str]) -> str:
    return f"{N.count(match[1])} times ten to the power of {N.count(match[2])}"


def _between(match: re.Match[str]) -> str:
    if (
        match[1] in ("→", "->")
        and match.string[match.start() - 1 : match.start()].isalpha()
        and match.string[match.start() - 2 : match.start() - 1].isalpha()
    ):
        return ", "  # a path through menus
    return f" {_BETWEEN[match.group().strip()]} "


def _plain(match: re.Match[str]) -> str:
    """A figure on its own: four digits that look like a year are read as one."""
    text, sign = match["number"], match["sign"] or ""
    said = "plus " if sign == "+" else "minus " if sign else ""
    if match.string[match.start() - 1 : match.start()].isalpha():
        said = " "
    if not sign and len(text) == 4 and text.isdigit() and (1100 <= int(text) < 2100):
        return said + N.year(int(text))
    return said + N.count(text)


def _scaled(match: re.Match[str]) -> str | None:
    """A figure with a letter of size: "10k", "5M users", "2.5B". Where nothing speaks of an amount, M, B and T are letters."""
    number, scale, string = match["number"], match["scale"], match.string
    sign = "" if not match["sign"] else "plus " if match["sign"] == "+" else "minus "
    if not sign and (named := _named(number, scale, string, match.start(), match.end())) is not None:
        return named or None
    return f"{sign}{N.count(number)} {_LETTERS[scale]}"


def _named(number: str, scale: str, string: str, start: int, end: int) -> str | None:
    """What the letter behind a figure makes of it when it is no size; "" to leave it alone, None when it is one."""
    if scale == "B" and number.isdecimal() and _HOUSE.match(string, end):
        return f"{N.house_number(number)} B"
    if NAMED_PLACE.search(string, 0, start):
        return f"{N.count(number)} {scale.upper()}"
    if scale == "K" and string[:start].endswith("-"):
        return f"{N.count(number)} K"  # "i9-13900K"
    if scale == "K" and not _PLURAL.match(string, end) and number in _SCREENS:
        return ""
    if scale == "k" and number in ("5", "10") and string.startswith((" run", " race"), end):
        return f"{N.count(number)} K"
    if scale in "kK" and number in ("5", "10", "15") and _RUN.search(string, 0, start):
        return f"{N.count(number)} K"
    if scale == "m" and "." not in number and len(number) < 2:
        return ""
    if scale in ("M", "B", "T"):
        amount = (
            _PLURAL.match(string, end)
            or _SIZED.match(string, end)
            or _AMOUNT.search(string, 0, start)
            or string[end : end + 1] == "+"
        )
        if not amount and ("." not in number or scale == "T"):
            return f"{N.count(number)} {scale}"
    return None


def _ordinal(match: re.Match[str]) -> str:
    return N.ordinal(int(match[1].replace(",", "")))


def _code(match: re.Match[str]) -> str | None:
    """Letters and digits in turns: short ones as a name ("MP three"), long ones letter by letter."""
    text = match.group()
    parts = re.findall(r"[A-Za-z]+|\d+", text)
    if formula := _formula(text):
        return formula
    if len(parts) > 3 and len(text) > 4:
        return N.spell(text)
    if (
        len(parts) == 3
        and parts[1] == "2"
        and parts[0].isalpha()
        and len(text) == 3
        and text.isupper()
        and text[0] != "H"
    ):
        return f"{parts[0]} to {parts[2]}"
    said = [
        (N.count(part) if len(part) < 3 or part.endswith("00") else N.house_number(part))
        if part.isdigit()
        else _letters(part, text)
        for part in parts
    ]
    return " ".join(said)


def _codes(match: re.Match[str]) -> str:
    """Several of what a code names: "A320s" is "A three twenties"."""
    return " ".join([*(spell_letter(letter) for letter in match[1]), say_many(match[2])])


def _formula(text: str) -> str:
    """The formula C6H12O6 as "C six H twelve O six"; "" when it is none."""
    atoms = _ATOM.findall(text)
    if "".join(symbol + number for symbol, number in atoms) != text or len(atoms) < 2 or text in _NO_FORMULA:
        return ""
    if any(symbol not in ELEMENTS or number.startswith("0") for symbol, number in atoms):
        return ""
    return " ".join(
        f"{' '.join(symbol.upper())} {N.count(number) if number else ''}".strip() for symbol, number in atoms
    )


def _letters(part: str, text: str) -> str:
    if len(part) == 1:
        return spell_letter(part)
    if len(part) == 2 and part.isupper() and not _VOWELS.isdisjoint(part):
        return N.spell(part)  # AB12 is no "ob twelve", AT4000 no "at"
    return part.upper() if len(part) == 2 and part.islower() and len(text) < 5 else part


_BEFORE: Final = r"(?<![\w.,])(?<![A-Z]-)"
RULES: Final[tuple[Rule, ...]] = (
    (re.compile(r"(?<=[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])(?: ?[-–] ?| to )(?=\d)"), lambda m: " to "),
    (re.compile(r"\bCVE-(\d{4})-(\d{4,6})\b"), lambda m: f"CVE {N.year(int(m[1]))}, {N.digits(m[2])}"),
    (re.compile(r"\b(RFC|PEP|ISO|IEEE|ECMA)[ -](\d{3,5})(?![\w,]|\.\d)"), lambda m: f"{m[1]} " + N.house_number(m[2])),
    (re.compile(r"\bHTTP/(?=[123]\b)"), lambda m: "HTTP "),
    (
        re.compile(r"(?<![\w.,-])(\d{1,3}(?:\.\d{1,2})?)[-–](?=\d{1,3}(?:\.\d{1,2})?(?:[kKMBx×]|bn)(?!\w))"),
        lambda m: f"{m[1]} to ",
    ),
    (re.compile(r"(?<![\w./])(\d{2,3})/(?=\d{2,3} BP\b)"), lambda m: f"{m[1]} over "),
    (re.compile(r"(?<![\w.,])(\d{3,5})×(?=\d{3,5}(?!\w))"), lambda m: f"{m[1]} by "),
    (re.compile(r"(?<![\w.,:-])50-50(?![\w-])"), lambda m: "fifty fifty"),
    (re.compile(r"(?<![\w.:])(\d{1,4}):(?=\d{1,3}(?:,\d{3})+(?!\d)|\d{3,6}(?![\d:]))"), lambda m: f"{m[1]} to "),
    (re.compile(r"(?<![\w.:])(\d{3,4}):(?=\d{1,4}(?![\d:]))"), lambda m: f"{m[1]} to "),
    (
        re.compile(r"(?i)(\b(?:BP|blood pressure)(?: of| is| was| at)?:? (?:of |is )?\d{2,3})/(?=\d{2,3}\b)"),
        lambda m: f"{m[1]} over ",
    ),
    (re.compile(r"(?<![\w.,])(\d{1,4})([a-z])(?= [+=*/<>≤≥≈−-] ?[\w(]|[²³^])"), lambda m: f"{N.count(m[1])} {m[2]}"),
    (re.compile(r"(?i)\b((?:on|by|until|since|from|before|after|due) )(\d{1,2})/(\d{1,2})(?![\w/])"), _month_slash),
    (re.compile(r"(?<![\w./])(\d{1,2}\.\d{1,2})/(\d{1,3})(?![\w/]|\.\d)"), lambda m: f"{m[1]} out of {m[2]}"),
    (
        re.compile(
            r"(?:(?<![\w.)-])(?P<sign>[-−]))?(?<![\w./])(?:(?P<whole>\d{1,3})(?: |-))?(?P<above>\d{1,3})/"
            r"(?P<below>\d{1,4})(?:ths?|rds?)?(?![\w/]|\.\d)"
        ),
        _slashed,
    ),
    (re.compile(rf"(?:(?<![\w.,])(\d{{1,4}}) ?)?([{''.join(_VULGAR)}])"), _vulgar),
    (re.compile(r"(?<![\w.])(\d(?:\.\d{1,6})?)[eE]([+-]?\d{1,3})(?!\w)"), _scientific),
    (
        re.compile(
            r"(?P<base>\b[A-Za-z]{1,3}|\b\d{1,9}|\))(?: ?\^ ?[({]?(?P<power>-?\d{1,3}|[a-z])[)}]?|(?P<raised>⁻?[⁰¹²"
            r"³⁴⁵⁶⁷⁸⁹]{1,4}|ⁿ))(?![\w⁺⁻])"
        ),
        _power,
    ),
    (re.compile(r"(?<![\w.])(\d{1,3}(?:,\d{3}){1,4}|\d{1,9})(?:st|nd|rd|th)(?!\w)"), _ordinal),
    (
        re.compile(r"(?<![\w.,])(\d{1,3}(?: \d{3}){2,4}|\d{1,3}(?:['’]\d{3}){1,4})(?![\w]|[.,' ]?\d)"),
        lambda m: N.count(re.sub(r"\D", "", m[1])),
    ),
    (re.compile(r"(?<![\w.,])(\d{1,4})(?:\.\.\.?|…|~|—|⇒)(?=\d{1,4}(?!\w|\.\d))"), lambda m: f"{m[1]} to "),
    (re.compile(r"(?<![\w-])([A-Z]{1,3})(\d{2,4})s(?!\w)"), _codes),
    (re.compile(r"(?<![\w.,-])(7\d7)-(\d{1,3})(?![\w-])"), lambda m: f"{N.house_number(m[1])} {N.count(m[2])}"),
    (re.compile(r"(?<![\w.,-])\d(?:[-–]\d){3,9}(?![\w-])"), lambda m: N.digits(m.group())),
    (
        re.compile(r"(?<![\w.,-])(\d{1,3})[-–](\d{1,3})[-–](\d{1,3})(?![\w-])"),
        lambda m: " ".join(N.cardinal(int(part)) for part in m.groups()),
    ),
    (re.compile(r"(?<![\w'.])([A-Za-z])[-–](?=[A-Za-z](?![\w'.-]))(?<=A-|a-|A–|a–)"), lambda m: f"{m[1]} to "),
    (
        re.compile(r"(?<![\w.,/])(\d{1,2})(?:'|′)(?=[ .,;:)]|$)(?<!'..)"),
        lambda m: (
            None
            if re.search(r"(?<!\w)'", m.string[: m.start()])
            else f"{N.count(m[1])} {'foot' if m[1] == '1' else 'feet'}"
        ),
    ),
    (
        re.compile(r"(?<![\w)])(>= ?|<= ?|[<>])(?=\$?\d)"),
        lambda m: {">": "more than ", "<": "less than ", ">=": "at least ", "<=": "at most "}[m[1].strip()],
    ),
    (re.compile(r"√ ?(?=[\w(])"), lambda m: "the square root of "),
    (re.compile(r"(?<![\w.])(\d{1,2}):(\d{1,2})(?![\w:])"), _range),
    (
        re.compile(
            rf"{_BEFORE}(\d{{1,6}}(?:,\d{{3}})?(?:\.\d{{1,4}})?)(?:[-–]| [-–] )(\d{{1,6}}(?:,\d{{3}})?(?:\.\d{{1,4}}"
            rf")?)(?![\w%]|[-–]|\.\d| ?=)"
        ),
        _range,
    ),
    (re.compile(r"(?<=\d)\+(?=[ ,.;:!?)]|$)"), lambda m: " plus"),
    (re.compile(r"(?<=[\w)]) ?(<=|>=|!=|==|->|→|[≈≠≤≥±÷×∈⇒≡∝∪∩⊂]) ?(?=[\w(.$-])"), _between),
    (re.compile(r"(?<=[\w)]) (\*|/|-|−) (?=\d)"), lambda m: _between(m) if m.string[m.start() - 1].isdigit() else None),
    (re.compile(r"(?<=[\w)]) ?(=) ?(?=[\w(.$-])"), _between),
    (
        re.compile(r"(?<=[\w)]) ([+<>]) (?=[\w(.$-])"),
        lambda m: _between(m) if m[1] == "+" or m.string[m.end()].isdigit() else None,
    ),
    (re.compile(r"(?<=\d)([+*<>÷])(?=\d)|(?<=[A-Za-z)])([<>])(?=\.?\d)"), _between),
    (re.compile(r"(?<=\d)/(?=\d)"), lambda m: " slash "),
    (
        re.compile(
            r"(?:(?<![\w.,)'-])([-+−]))?(?<![\w.,])(\d{1,3}(?:\.\d{1,3})?) ?(?:x|×)(?= (?![+=*/^<>≤≥≈-])"
            r"|[.,;:!?)]|$)"
        ),
        lambda m: f"{say_sign(m[1])}{N.count(m[2])} times",
    ),
    (re.compile(r"(?<![\w.,])(\d{1,5}) ?(?:x|×) ?(?=\d)"), lambda m: f"{m[1]} by "),
    (
        re.compile(
            rf"(?:(?<![\w.,)'-])(?P<sign>[-+−])|{_BEFORE})(?P<number>{_NUMBER})(?P<scale>k|K|MM|M|m|B|bn"
            rf"|T)(?![\w-])"
        ),
        _scaled,
    ),
    (
        re.compile(r"(?<![\w.,])(\d{1,4})([pi])(?!\w)"),
        lambda m: (
            f"{N.house_number(m[1]) if len(m[1]) < 4 else ' '.join(N.cardinal(int(g)) for g in (m[1][:2], m[1][2:]))}"
            f" {m[2].upper()}"
        ),
    ),
    (re.compile(r"(?<![\w.])~ ?(?=\d|\$)"), lambda m: "about "),
    (re.compile(r"(?<![\w&])# ?(?=\d)"), lambda m: "number "),
    (
        re.compile(r"(?<![\w-])(?=[A-Z\d-]{0,24}(?:[A-Z]\d|\d[A-Z]))[A-Z\d]{1,8}(?:-[A-Z\d]{1,8}){1,4}(?![\w-])"),
        lambda m: m.group().replace("-", " "),
    ),
    (re.compile(r"(?<=[A-Za-z])-(?=\d)|(?<=\d)-(?=[A-Za-z])"), lambda m: " "),
    (re.compile(r"\b(?=[A-Za-z]{0,14}\d)(?=\d{0,14}[A-Za-z])[A-Za-z\d]{2,24}\b(?!['.]\d)"), _code),
    (re.compile(r"(?<=\d),(?=\d)(?!(?<=\D\d,)\d{3}(?!\d)|(?<=\d\d,)\d{3}(?!\d))"), lambda m: ", "),
    (re.compile(rf"(?:(?<![\w.,)'-])(?P<sign>[-+−]))?(?<![\d])(?P<number>{_NUMBER})"), _plain),
)

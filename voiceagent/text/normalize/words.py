"""Abbreviations, titles, Roman numerals, symbols between words."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.normalize import number_words as N
from voiceagent.text.normalize.rule import Rule
from voiceagent.text.tables import read_table

__all__ = ["ABBREVIATED", "AFTER", "BEFORE"]

_TITLES: Final = {row[0]: row[1] for row in read_table(__package__, "titles.tsv")}
_ABBREVIATIONS: Final = {row[0]: row[1] for row in read_table(__package__, "abbreviations.tsv")}
_AFTER_FIGURES: Final = frozenset({"min.", "mins.", "secs.", "hrs.", "yrs.", "lbs.", "tsp.", "tbsp."})  # units there
ABBREVIATED: Final = frozenset(_TITLES) | frozenset(
    key[:-1].rsplit(" ")[-1] for key in _ABBREVIATIONS if key[-1] == "."
)
_BEFORE_FIGURES: Final = {
    "no": "number",
    "rm": "room",
    "c": "circa", "nos": "numbers", "p": "page", "pp": "pages", "vol": "volume", "ch": "chapter", "chap": "chapter",
    "fig": "figure", "figs": "figures", "sec": "section", "eq": "equation", "art": "article", "para": "paragraph",
    "ver": "version", "attn": "attention", "ed": "edition", "tab": "table", "ex": "exercise", "q": "question", "ref": "reference",
}  # fmt: skip
_COUNTED: Final = (
    "World War|Amendment|Star Wars|Star Trek|Toy Story|Halo|Godfather|Terminator|Jaws|Saw|Chapter|Part|Act|Scene|Book|Volume|Section|Article|Phase|Type|Class|Level|Rocky|Rambo|Final Fantasy|Super Bowl|"
    "Episode|Grade|Stage|Title|Appendix|Figure|Table|Mark|Unit|Season|Round|Vatican|Generation|Division|Tier|Category|Step|"
    "Quake|Civilization|Diablo|Saturn|Apollo|Schedule|Lesson|Module|chapter|part|volume|section|phase|type|level|stage|appendix"
)
_KINGS: Final = (
    "Henry|Louis|Elizabeth|George|Edward|Richard|Charles|James|William|Philip|Napoleon|Nicholas|Alexander|Catherine|Peter|Paul|"
    "Pius|Benedict|Francis|Leo|Gregory|Innocent|Clement|Urban|Boniface|John|Frederick|Wilhelm|Otto|Ramses|Ramesses|Ptolemy|"
    "Mary|Margaret|Christian|Gustav|Carl|Felipe|Juan|Carlos|Ferdinand|Ivan|Thutmose|Amenhotep|Darius|Cyrus|Xerxes|Malcolm|"
    "Robert|Albert|Leopold|Umberto|Victor|Maximilian|Sixtus|Julius|Adrian|Rama|Mehmed|Murad|Selim|Haakon|Olaf|Harald|Queen|King|Pope"
)
_ROMAN: Final = r"(?=[IVXLC])(?:X{0,3}|XL|LX{0,3}|XC)(?:IX|IV|V?I{0,3})(?<=[IVXLC])"
_VALUES: Final = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
_SYMBOLS: Final = {
    "&": " and ", "@": " at ", "%": " percent", "°": " degrees ", "§": " section ", "±": " plus or minus ", "≈": " about ",
    "≠": " is not equal to ", "≤": " at most ", "≥": " at least ", "∞": " infinity ", "√": " the square root of ", "π": " pi ",
    "∑": " sum ", "µ": " micro ", "Ω": " ohm ", "№": " number ", "‰": " per thousand ", "÷": " divided by ", "¢": " cents ",
    "€": " euros ", "£": " pounds ", "$": " dollars ", "∆": " delta ", "→": ", ", "←": ", ", "↔": ", ", "×": " ", "©": " ",
    "®": " ", "™": " ", "=": " equals ", "+": " plus ", "<": " ", ">": ", ", "~": " ", "^": " ", "\\": " ", "|": ", ", "*": " ",
    "_": " ", "#": " ", "[": " ", "]": " ", "{": " ", "}": " ", "/": " slash ", "`": " ", "·": " ", "▲": " ", "▼": " ", "↑": " up ", "↓": " down ",
}  # fmt: skip


def _value(roman: str) -> int:
    values = [_VALUES[letter] for letter in roman]
    return sum(-a if b > a else a for a, b in zip(values, [*values[1:], 0], strict=True))


def _counted(match: re.Match[str]) -> str | None:
    return f"{match[1]} {N.cardinal(_value(match[2]))}" if match[2] else None


def _king(match: re.Match[str]) -> str | None:
    if (
        not match[2]
        or (match[2] in ("C", "L"))
        or (match[2] in ("I", "V", "X") and match[1] in ("John", "Mary", "Paul", "King", "Queen", "Pope"))
        or (match[1] == "Malcolm" and match[2] == "X")
    ):
        return None
    return f"{match[1]} the {N.ordinal(_value(match[2]))}"


def _abbreviation(match: re.Match[str]) -> str | None:
    """A full stop that also ends the text is kept."""
    if match.group() in _AFTER_FIGURES and (match.string[: match.start()].rstrip()[-1:] or " ") in "0123456789/":
        return None
    if match.group() in ("est.", "Est.") and not re.match(r" (?:in )?\d{4}\b", match.string[match.end() :]):
        return "estimated" if match.group()[0] == "e" else "Estimated"
    stop = "." if match.group().endswith(".") and not match.string[match.end() :].strip("\"')] ") else ""
    if match.group() == "etc." and match.string[match.end() + 1 : match.end() + 2].isupper():
        stop = "."
    return _ABBREVIATIONS[match.group()] + stop


def _drive(match: re.Match[str]) -> str | None:
    """After a name with a capital letter it is a street: "Elm Dr. near here"."""
    before = match.string[: match.start()].split()
    return "Drive" if before and before[-1][0].isupper() and before[-1].isalpha() else None


def _hashtag(match: re.Match[str]) -> str:
    return "hashtag " + re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", match[1])


def _slash(match: re.Match[str]) -> str:
    return " " if match.string[match.start() - 1].isupper() and match.string[match.end()].isupper() else " slash "


_ALL: Final = "|".join(re.escape(key) for key in sorted(_ABBREVIATIONS, key=len, reverse=True))

# Before figures are read.
BEFORE: Final[tuple[Rule, ...]] = (
    (re.compile(r"(?<!\S)(?:[:;=][\'-]?[()DPp|]|<3|\^_?\^|xD|T_T|:\'\()(?=\s|[.,!?]|$)"), lambda m: ""),
    (re.compile(r"(?<![\w$])\${2,4}(?![\w$])"), lambda m: ""),
    (
        re.compile(r"(?<![\w)])(>=|<=|[<>])(?=\$?\d)"),
        lambda m: {">": "more than ", "<": "less than ", ">=": "at least ", "<=": "at most "}[m[1]],
    ),
    (re.compile(r"\bWW(II?)\b"), lambda m: "World War " + ("two" if m[1] == "II" else "one")),
    (re.compile(rf"(?<![A-Za-z])({_ROMAN}) (?=century\b)"), lambda m: f"{N.ordinal(_value(m[1]))} " if m[1] else None),
    (re.compile(r"(?<=\()(?:i{1,3}|iv|vi{1,3}|ix)(?=\))"), lambda m: N.cardinal(_value(m.group().upper()))),
    (re.compile(r"(?<=[a-z] )Dr\.?(?= [a-z]|[,;]|\.?$)"), _drive),
    (
        re.compile(
            r"(?<=[a-z] )St\. (?=(?:Then|The|It|He|She|They|We|You|I|Turn|Go|Take|There|This|That|If|And"
            r"|But|In|On|At|After|Keep|Continue|Stop|Walk|Head)\b)"
        ),
        lambda m: "Street. ",
    ),
    (
        re.compile(r"(?<=[a-z] )St\.(?= [A-Z])(?<=[A-Z]St\.)|(?<![A-Za-z])St\.? (?P<saint>)(?=[A-Z][a-z])"),
        lambda m: "Saint ",
    ),
    (
        re.compile(rf"\b({'|'.join(key for key in _TITLES if key != 'St')})\.? (?=[A-Z][A-Za-z.])"),
        lambda m: (
            _TITLES[m[1]] + " "
            if m[1] not in ("Rep", "Hon", "Pres", "Col", "Gen", "Fr", "Maj", "Adm") or "." in m.group()
            else None
        ),
    ),
    (
        re.compile(r"(?i)(\b(?:scene|act|pages?|pp?\.|part) )(x{0,3}(?:ix|iv|v?i{0,3}))(?<=[ivx]{2})(?!\w)"),
        lambda m: m[1] + N.cardinal(_value(m[2].upper())) if m[2].islower() else None,
    ),
    (
        re.compile(
            (
                rf"\b((?:chapter|part|volume|section|book|act|phase|level|article)s) ({_ROMAN})[-–]({_ROMAN})"
                rf"(?!\w)"
            ),
            re.I,
        ),
        lambda m: (
            f"{m[1]} {N.cardinal(_value(m[2].upper()))} to {N.cardinal(_value(m[3].upper()))}"
            if m[2] and m[3]
            else None
        ),
    ),
    (
        re.compile(rf"\b([Vv]ol|[Cc]h|[Cc]hap|[Ss]ec)\. ({_ROMAN})(?!\w)"),
        lambda m: f"{_BEFORE_FIGURES[m[1].lower()]} {N.cardinal(_value(m[2]))}" if m[2] else None,
    ),
    (re.compile(r"(?<=\w)\([+-]\)(?=\s|[,.;]|$)"), lambda m: ""),
    (re.compile(r"(?<![\w.,])(\d{1,3})[x×] (?=\d)"), lambda m: f"{N.count(m[1])} times "),
    (re.compile(r"\bincl\.(?=\))"), lambda m: "included"),
    (re.compile(r"\b(dollars|euros|pounds|cents|miles|calories|times|hours)/(?=[a-z]{3})"), lambda m: f"{m[1]} per "),
    (re.compile(r"(?<=[A-Za-z.]) / (?=[A-Za-z\d])|(?<=\d) / (?=[A-Za-z])"), lambda m: ", "),
    (
        re.compile(rf"(?i)(?<![\w.])({'|'.join(_BEFORE_FIGURES)})\. ?(?=\(?\d)"),
        lambda m: (
            (_BEFORE_FIGURES[m[1].lower()].capitalize() if m[1][0].isupper() else _BEFORE_FIGURES[m[1].lower()]) + " "
        ),
    ),
    (re.compile(r"\bNo\.? (?=\d)(?<=No\. )"), lambda m: "Number "),
    (re.compile(r"\bArt\. (?=[IVX]{1,5}\b)"), lambda m: "Article "),
    (re.compile(rf"\b({_COUNTED}) ({_ROMAN})\b(?!['’](?!s\b)\w|\.\w)"), _counted),
    (re.compile(rf"\b({_KINGS}) ({_ROMAN})\b(?!['’](?!s\b)\w|\.\w)"), _king),
    (re.compile(rf"(?<![\w.])(?<!slash )(?:{_ALL})(?![\w])"), _abbreviation),
    (
        re.compile(r"(?<=\d) ?/ ?(day|week|month|year|hour|hr|person|night|month|mo|yr|unit)\b"),
        lambda m: " per " + {"hr": "hour", "mo": "month", "yr": "year"}.get(m[1], m[1]),
    ),
    (re.compile(r"(?<![\w&])#([A-Za-z]\w{1,60})"), _hashtag),
)

# After figures have been read: what is left.
AFTER: Final[tuple[Rule, ...]] = (
    (re.compile(r"(?<![\w~])~(?=\w)"), lambda m: "about "),
    (re.compile(r"\b([fgh])\(([a-z])\)"), lambda m: f"{m[1]} of {m[2]}"),
    (re.compile(r"(?<=\w)\(\)|(?<=\w)::(?=\w)"), lambda m: "" if m.group() == "()" else " "),
    (re.compile(r"(?<=[A-Za-z]{2})\.(?=[a-z]{2})"), lambda m: " dot "),
    (re.compile(r"(?<![\w.])\.(?=[a-z][\w-]{1,20}\b)"), lambda m: "dot "),
    (
        re.compile(r"\b(?:[a-z]{2,20}|[A-Z][a-z]{1,20}[A-Z][a-z]{1,20})(?:[A-Z][a-z]{1,20}){1,6}\b"),
        lambda m: re.sub(r"(?<=[a-z])(?=[A-Z])", " ", m.group()),
    ),
    (re.compile(r"(?<=[A-Za-z])/(?=[A-Za-z])"), _slash),
    (re.compile(r" - | -- |(?<=\w)--(?=\w)| – "), lambda m: " — "),
    (re.compile(r"(?<=\w)–(?=\w)"), lambda m: "-"),
    (re.compile(r"(?<![\w'\"])-{1,2}(?=[A-Za-z])"), lambda m: ""),
    (re.compile("[" + re.escape("".join(_SYMBOLS)) + "]"), lambda m: _SYMBOLS[m.group()]),
    (re.compile(r"([!?])[!?]{1,60}"), lambda m: "?" if "?" in m.group() else "!"),
    (re.compile(r"\.{4,300}|…\.*"), lambda m: "…"),
    (re.compile(r"([,;:])(?: ?[,;:]){1,60}"), lambda m: m[1]),
    (re.compile(r" {1,60}(?=[,;:!?)]|\.(?: |$))"), lambda m: ""),
    (re.compile(r"(?<=\() {1,60}|[^\S ]"), lambda m: "" if m.group()[0] == " " else " "),
)

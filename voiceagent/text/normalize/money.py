"""Money, percent, units of measure."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.normalize import number_words as N
from voiceagent.text.normalize.rule import Rule
from voiceagent.text.normalize.units import UNITS

__all__ = ["RULES"]

# sign -> (one, many, hundredth, hundredths)
_MONEY: Final = {
    "$": ("dollar", "dollars", "cent", "cents"), "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"), "¥": ("yen", "yen", "", ""), "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "", ""), "₽": ("ruble", "rubles", "kopek", "kopeks"), "₺": ("lira", "lira", "", ""),
    "₿": ("bitcoin", "bitcoin", "", ""), "₪": ("shekel", "shekels", "", ""), "₫": ("dong", "dong", "", ""),
    "฿": ("baht", "baht", "", ""), "₱": ("peso", "pesos", "", ""), "₦": ("naira", "naira", "", ""),
    "₴": ("hryvnia", "hryvnias", "", ""),
}  # fmt: skip
_CODES: Final = {
    "USD": "U.S. dollar", "EUR": "euro", "GBP": "British pound", "JPY": "Japanese yen", "CAD": "Canadian dollar",
    "AUD": "Australian dollar", "CHF": "Swiss franc", "INR": "Indian rupee", "CNY": "Chinese yuan", "MXN": "Mexican peso",
    "NZD": "New Zealand dollar", "SEK": "Swedish krona", "BTC": "bitcoin", "ETH": "ether",
}  # fmt: skip
_CENTS: Final = {"dollar": "cents", "euro": "cents"}
_LANDS: Final = {
    "US": "U.S. ",
    "C": "Canadian ",
    "CA": "Canadian ",
    "A": "Australian ",
    "AU": "Australian ",
    "NZ": "New Zealand ",
    "HK": "Hong Kong ",
    "S": "Singapore ",
    "SG": "Singapore ",
    "MX": "Mexican ",
    "TW": "Taiwan ",
}
_SCALES: Final = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million", "b": "billion", "B": "billion",
    "bn": "billion", "t": "trillion", "T": "trillion", "tn": "trillion", "MM": "million", "mm": "million",
}  # fmt: skip
_NUMBER: Final = r"(?:\d{1,3}(?:,\d{3}){1,5}(?!\d)|\d{1,15})(?:\.\d{1,10})?|\.\d{1,10}"
_SCALE: Final = (
    r"(?:[ -]?(?:hundred|thousand|million|billion|trillion|lakh|crore|lakhs|crores)\b| ?MM\b|mm\b|(?:k"
    r"|K|mn|m|M|bn|b|B|tn|t|T)\b)"
)
_SIGN: Final = "[" + re.escape("".join(_MONEY)) + "]"
_PER: Final = r"(?: ?/ ?(?:(?P<permany>\d{1,4}) ?)?(?P<per>(?![kKMBT]\b)[A-Za-z]{1,10}[²³]?)(?!\w))?"
# "$12 billion dollars" has its currency twice; "$20-off" and "$10-an-hour" go on.
_TWICE: Final = r"(?P<twice> (?:(?:US|U\.S\.) )?(?:dollars?|bucks|euros?|pounds?|yen|rupees?)\b)?"
_TAIL: Final = r"(?P<tail>(?:-[A-Za-z]{1,12}){1,3}(?!\w))?"
_SAME: Final = {"$": ("dollar", "bucks"), "€": ("euro",), "£": ("pound",), "¥": ("yen",), "₹": ("rupee",)}
_PERS: Final = {
    "hr": "hour", "h": "hour", "mo": "month", "yr": "year", "y": "year", "wk": "week", "d": "day", "min": "minute", "s": "second",
    "sec": "second", "lb": "pound", "kg": "kilogram", "oz": "ounce", "gal": "gallon", "ea": "each", "sq": "square", "mi": "mile",
    "km": "kilometer", "l": "liter", "L": "liter", "g": "gram", "m": "meter", "GB": "gigabyte", "MB": "megabyte", "kWh": "kilowatt hour", "day": "day", "night": "night", "week": "week", "month": "month", "year": "year", "hour": "hour",
}  # fmt: skip
_AFTER_MANY: Final = frozenset({"off", "plus", "a", "an", "per", "or", "and", "to"})
_ONE: Final = frozenset({"1", "-1", "−1", "1.0", "1.00"})

_ARTICLE: Final = re.compile(
    r"(?i)(?<![A-Za-z])(?:an?|the|this|that|my|your|his|her|our|their|its|each|every|another)(?: [a-z]{2,12})? $"
)
_NOUN: Final = re.compile(
    r" (?!(?:to|of|in|on|at|and|or|from|is|are|was|were|for|per|a|an|the|by|as|away|long|wide|tall"
    r"|high|deep|old|more|less|each|every|off|it|he|she|they|we|you|I)\b)[A-Za-z]{2}"
)
_LENGTHS: Final = frozenset("km m cm mm mi ft yd inch".split())
_POWERS: Final = {"²": " squared", "³": " cubed", "^2": " squared", "^3": " cubed", "2": " squared", "3": " cubed"}
_SPACED_ONLY: Final = frozenset({"B", "K", "m2"})  # "5B" is five billion, "4K" a screen
_NOUNS: Final = {"req": "requests", "people": "people", "rev": "revolutions"}
_SPANS: Final = (
    "(?:day|night|week|month|year|hour|hr|minute|min|second|sec|s|h|person|dose|serving|page|unit|user|visit)"
)
_UNIT: Final = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))


def _scale(text: str | None) -> str:
    name = (text or "").strip(" -")
    return " " + _SCALES.get(name, name) if name else ""


def _amount(sign: str, number: str, scale: str, land: str = "", *, singular: bool = False) -> str:
    one, many, cent, cents = _MONEY[sign]
    one = land + one
    many = one if singular else land + many
    number = number.replace(",", "")
    whole, _, part = number.partition(".")
    if scale:
        return f"{N.count(number)}{scale} {many}"
    if len(part) == 2 and cent and int(part or 0):
        hundredths = f"{N.cardinal(int(part))} {cent if int(part) == 1 else cents}"
        if not int(whole or 0):
            return hundredths
        return f"{N.count(whole)} {one if int(whole) == 1 else many} and {hundredths}"
    if part and not int(part):
        number = whole or "0"
    return f"{N.count(number)} {one if number == '1' else many}"


def _modifies(match: re.Match[str]) -> bool:
    """Whether the quantity stands before a noun ("a $5 bill"): its unit is then in the singular."""
    return (
        _ARTICLE.search(match.string, 0, match.start()) is not None
        and _NOUN.match(match.string, match.end()) is not None
    )


def _per(match: re.Match[str]) -> str:
    unit = match["per"]
    if not unit:
        return ""
    if unit == "ea":
        return " each"
    many = match.groupdict().get("permany")
    one, several = (_PERS[unit], _PERS[unit] + "s") if unit in _PERS else UNITS.get(unit, (unit, unit))
    if not many or many == "1":
        return f" per {one}"
    return f" per {'hundred' if many == '100' else N.count(many)} {several}"


def _money(match: re.Match[str]) -> str:
    scale, land, sign = _scale(match["scale"]), _LANDS.get(match["land"] or "", ""), match["sign"]
    said = "minus " if match["minus"] in ("-", "−") or match["minus2"] else "plus " if match["minus"] else ""
    twice, tail = match["twice"] or "", (match["tail"] or "").replace("-", " ")
    if any(name in twice for name in _SAME.get(sign, ())):
        twice = ""
    rest = f"{twice}{' plus' if match['plus'] else ''}{tail}{_per(match)}"
    if match["to"]:
        # "$5-10 million", "$5-$10": the unit is said once, at the end.
        first = N.count(match["number"]) + (_scale(match["first"]) if match["first"] else "")
        return f"{said}{first} to {_amount(sign, match['to'], scale, land)}{rest}"
    singular = tail != "" and tail.split()[0] not in _AFTER_MANY if tail else _modifies(match)
    return f"{said}{_amount(sign, match['number'], _scale(match['first']), land, singular=singular)}{rest}"


def _money_after(match: re.Match[str]) -> str:
    return _amount(match["sign"], match["number"], _scale(match["scale"])) + _per(match)


def _cents(match: re.Match[str]) -> str:
    return f"{N.count(match['number'])} cent{'' if match['number'] == '1' else 's'}{_per(match)}"


def _grouped(match: re.Match[str]) -> str | None:
    """Groups as in India: 12,50,000 is twelve lakh fifty thousand."""
    whole, _, part = match["number"].replace(",", "").partition(".")
    said, rest = "", int(whole)
    for size, name in ((10_000_000, "crore"), (100_000, "lakh")):
        if rest >= size:
            said += f" {N.cardinal(rest // size)} {name}"
            rest %= size
    said += (f" {N.cardinal(rest)}" if rest else "") + (f" point {N.digits(part)}" if part and int(part) else "")
    return said.strip() + (" rupees" if match["sign"] else "")


def _continental(match: re.Match[str]) -> str | None:
    """1.250.000,50 with the signs of the European continent, as 1250000.50."""
    whole, part = match["whole"].replace(".", ""), match.groupdict().get("part")
    return f"{whole}.{part}" if part else whole


def _ratio(match: re.Match[str]) -> str | None:
    """10 mg/5 mL, 4 g/24 h, 8 tabs/day, 5 mg/kg/day: so much of one for so much of the other."""
    unit, per, number, many = match["unit"], match["per"], match["number"], match["many"]
    if unit in UNITS:
        named = UNITS[unit][number not in _ONE]
    elif unit in _NOUNS or (len(unit) > 3 and (unit.endswith("s") or number in _ONE)):
        named = _NOUNS.get(unit, unit)
    else:
        return None
    said = f"{N.count(number)} {named}{_one_or_many(per, many)}"
    return said + (_one_or_many(match["also"], None) if match["also"] else "")


def _one_or_many(unit: str, many: str | None) -> str:
    one, several = (_PERS[unit], _PERS[unit] + "s") if unit in _PERS else UNITS.get(unit, (unit, unit + "s"))
    if many and many != "1":
        return f" per {'hundred' if many == '100' else N.count(many)} {several}"
    return f" per {one}"


def _code(match: re.Match[str]) -> str:
    number = match["after"] or match["before"]
    name = _CODES[match["name"] or match["code"]]
    many = name if name[-3:] in ("yen", "uan", "oin", "her") else name + ("s" if not name.endswith("krona") else "")
    scale = _scale(match["scale"] or match["scaled"])
    whole, _, part = number.replace(",", "").partition(".")
    if part and not int(part):
        number = whole
    if (
        len(part) == 2
        and int(part)
        and not scale
        and (cents := "pence" if "pound" in name else _CENTS.get(name[-6:], ""))
    ):
        return (
            f"{N.count(whole or '0')} {name if whole == '1' else many} and {N.cardinal(int(part))} {cents}{_per(match)}"
        )
    return f"{N.count(number)}{scale} {name if number == '1' and not scale else many}{_per(match)}"


def _percent(match: re.Match[str]) -> str:
    sign = {"+": "plus ", "": "", "±": "plus or minus "}.get(match["sign"] or "", "minus ")
    first = f"{N.count(match['from'])} to " if match["from"] else ""
    return f"{sign}{first}{N.count(match['number'])} percent"


def _unit(match: re.Match[str]) -> str | None:
    unit, number = match["unit"], match["number"]
    if unit in _SPACED_ONLY and not match["space"]:
        return None
    if unit == "B" and not (number.isdecimal() and int(number) >= 32) and "byte" not in match.string:
        return None  # "14 B and 3 C"
    one, many = UNITS[unit]
    sign = "" if not match["sign"] else "plus " if match["sign"] == "+" else "minus "
    first = f"{N.count(match['from'])} {'by' if match['by'] else 'to'} " if match["from"] else ""
    named = one if (number in _ONE and not match["from"]) or match["hyphen"] or _modifies(match) else many
    if match["per"] and match["per"] not in UNITS and match["per"] not in _PERS and not match["per"].islower():
        return None
    power = _POWERS.get(match["power"] or "", "")
    if power and unit in _LENGTHS:
        named = f"{'square' if power == ' squared' else 'cubic'} {named}"
        power = ""
    over = _POWERS.get(match["over"] or "", "")
    per = _per(match)
    if over and match["per"] in _LENGTHS:
        per, over = f" per {'square' if over == ' squared' else 'cubic'} {UNITS[match['per']][0]}", ""
    return f"{sign}{first}{N.count(number)} {named}{power}{per}{over}"


def _fraction_unit(match: re.Match[str]) -> str:
    """A fraction of a unit: "3/4 lb" is three quarters pound, "2 1/2 lb" is two and a half pounds."""
    one, many = UNITS.get(match["unit"]) or ("inch", "inches")
    mixed = match["whole"] or match.string[match.start() - 1 : match.start()].isdigit()
    return f"{match['whole'] or ''}{match['part']} {many if mixed else one}"


def _degrees(match: re.Match[str]) -> str:
    number = match["number"]
    sign = "" if not match["sign"] else "plus " if match["sign"] == "+" else "minus "
    first = f"{N.count(match['from'])} to " if match["from"] else ""
    scale = {"C": " Celsius", "F": " Fahrenheit", "K": " Kelvin"}.get(match["scale"] or "", "")
    return f"{sign}{first}{N.count(number)} degree{'' if number in _ONE and not first else 's'}{scale}"


def _height(match: re.Match[str]) -> str:
    return f"{N.cardinal(int(match[1]))} foot {N.cardinal(int(match[2]))}"


_BEFORE: Final = r"(?<![\w.,$€£-])"
_RANGE: Final = rf"(?:(?P<from>{_NUMBER}) ?[-–] ?)?"
RULES: Final[tuple[Rule, ...]] = (
    (
        re.compile(r"(?<![\w.,/])(\d{2,3})/(\d{2,3}) ?mm ?Hg\b"),
        lambda m: f"{N.cardinal(int(m[1]))} over {N.cardinal(int(m[2]))} millimeters of mercury",
    ),
    (re.compile(rf"(?<={_SIGN})(\d[\d.,]*) ?/ ?(?=\d+(?:[kKMB]\b|(?![\d,. ]*[A-Za-z])))"), lambda m: f"{m[1]} per "),
    (re.compile(r"\bRs\.? ?(?=\d)"), lambda m: "₹"),
    (
        re.compile(
            r"(?<![\w.,])(?P<sign>₹ ?)?(?P<number>\d{1,2}(?:,\d{2}){1,5},\d{3}(?:\.\d{1,4})?)(?![\w,]|\.\d)"
            r"(?! ?(?:lakh|crore))"
        ),
        _grouped,
    ),
    (
        re.compile(
            r"(?<![\w.,])(?P<whole>[1-9]\d{0,2}(?:\.\d{3}){1,4})(?:,(?P<part>\d{2}))?(?= ?(?:€|EUR\b|euros?\b))"
        ),
        _continental,
    ),
    (
        re.compile(r"(?:(?<=€)|(?<=€ ))(?P<whole>[1-9]\d{0,2}(?:\.\d{3}){1,4})(?:,(?P<part>\d{2}))?(?![\w.]*\w)"),
        _continental,
    ),
    (
        re.compile(r"(?<![\w.,])(?P<whole>[1-9]\d{0,2}(?:\.\d{3}){2})(?:,(?P<part>\d{1,2}))?(?![\w,]|\.\d)"),
        _continental,
    ),
    (
        re.compile(rf"(?<![\w.,])(\d{{1,3}}),(\d{{1,2}})(?= ?(?:[%‰°]|(?:{_UNIT})(?![\w/])))"),
        lambda m: f"{m[1]}.{m[2]}",
    ),
    (
        re.compile(
            r"(?<![\w.,])(?P<whole>[1-9]\d{0,2}(?: \d{3})+)(?= ?(?:[€£$%]|EUR\b|USD\b)| [a-z]{2,20}s\b| people\b)"
        ),
        lambda m: m["whole"].replace(" ", ""),
    ),
    (
        re.compile(r"(?<![\w.,])(\d{1,3}(?:\.\d{3}){1,4}|\d{1,6}),(\d{2})(?= ?€)"),
        lambda m: f"{m[1].replace('.', '')}.{m[2]}",
    ),
    (re.compile(r"(?<=€)(\d{1,3}(?:\.\d{3}){1,4}|\d{1,6}),(\d{2})(?!\d)"), lambda m: f"{m[1].replace('.', '')}.{m[2]}"),
    (re.compile(rf"(?<![\w.,])R\$ ?({_NUMBER})"), lambda m: f"{N.count(m[1])} {'real' if m[1] == '1' else 'reais'}"),
    (
        re.compile(rf"(?<![\w.,])({_NUMBER})[\"″] ?[x×] ?(?=\d)"),
        lambda m: f"{N.count(m[1])} inch{'' if m[1] == '1' else 'es'} by ",
    ),
    (re.compile(r"(?<=[A-Za-z\"'°]) [x×] (?=\d{1,5}(?:\.\d+)?(?: ?[A-Za-z]{1,3}\b|[\"']))"), lambda m: " by "),
    (
        re.compile(
            rf"(?<![\w.,$€£/])(?P<number>{_NUMBER}) ?(?P<unit>{_UNIT}|[a-z]{{3,12}}) ?/ ?(?:(?P<many>\d{{1,4}}) ?)"
            rf"(?P<per>{_UNIT}|[a-z]{{3,8}})(?P<also>)(?![\w/²³^])"
        ),
        _ratio,
    ),
    (
        re.compile(
            rf"(?<![\w.,$€£/])(?P<number>{_NUMBER}) ?(?P<unit>{_UNIT})/(?P<many>)(?P<per>{_UNIT})/(?P<also>{_UNIT}"
            rf"|day|dose|hour|week)(?![\w/²³^])"
        ),
        _ratio,
    ),
    (
        re.compile(
            rf"(?<![\w.,$€£/])(?P<number>{_NUMBER}) (?P<unit>[a-z]{{3,12}})/(?P<many>)(?P<per>{_UNIT}|{_SPANS})"
            rf"(?P<also>)(?![\w/²³^])"
        ),
        _ratio,
    ),
    (re.compile(rf"(?<![\w.,$€£/])(\d{{1,4}})/(?={_SPANS}\b)"), lambda m: f"{m[1]} per "),
    (
        re.compile(
            rf"(?:(?<=[⁰¹²³⁴⁵⁶⁷⁸⁹])|(?<=\^\d)|(?<=\^\d\d)|(?<=\^-\d)|(?<=\^-\d\d)) (?P<unit>{_UNIT})(?![\w²³/^])"
        ),
        lambda m: f" {UNITS[m['unit']][1]}",
    ),
    (
        re.compile(
            rf"(?:(?P<whole>(?<![\w.,])\d{{1,3}}(?:[ -]|(?=[½⅓⅔¼¾⅛⅜⅝⅞])))|(?<![\w./]))(?P<part>\d{{1,2}}/\d{{1,2}}"
            rf"|[½⅓⅔¼¾⅛⅜⅝⅞]) ?(?P<unit>{_UNIT}|in|[\"″])(?![\w²³/])(?:\.(?= [a-z]))?"
        ),
        _fraction_unit,
    ),
    (re.compile(r"(?<=\d )(sq|cu|fl)\. ?(ft|in|mi|m|km|yd|oz)\b(?:\.(?! [A-Z]|$))?"), lambda m: f"{m[1]} {m[2]}"),
    (re.compile(r"(?<=\d) c\.(?= [a-z])"), lambda m: " cups"),
    (
        re.compile(
            rf"(?<![\w.,])(?P<minus>[-−+])?(?P<land>US|CA|AU|NZ|HK|SG|MX|TW|[CAS])?(?P<sign>{_SIGN}) ?(?P<minus2>-)?(?P<number>{_NUMBER})(?P<first>{_SCALE})?"
            rf"(?: ?[-–] ?(?P=sign)?(?P<to>{_NUMBER})(?P<scale>{_SCALE})?(?!\d))?(?P<plus>\+)?(?: ?USD\b)?{_TWICE}{_TAIL}{_PER}"
        ),
        _money,
    ),
    (
        re.compile(rf"(?<![\w.,])(?P<number>{_NUMBER})(?P<scale>{_SCALE})? ?(?P<sign>[€£¥₹₩₽₺₿₪฿])(?!\w){_PER}"),
        _money_after,
    ),
    (re.compile(rf"(?<![\w.,])(?P<number>{_NUMBER}) ?¢{_PER}"), _cents),
    (
        re.compile(
            rf"(?<![\w.,/])(?:(?P<name>{'|'.join(_CODES)}) ?(?P<after>{_NUMBER})(?P<scale>{_SCALE})?|(?P<before>{_NUMBER}"
            rf")(?P<scaled>{_SCALE})? ?(?P<code>{'|'.join(_CODES)}))(?!\w){_PER}"
        ),
        _code,
    ),
    (re.compile(r"(?<=\d%)(?:[-–]| [-–] )(?=\d)"), lambda m: " to "),
    (re.compile(rf"(?:(?<![\w.,)-])(?P<sign>[-+−±]))?(?<![\w.,]){_RANGE}(?P<number>{_NUMBER}) ?%"), _percent),
    (
        re.compile(
            rf"(?:(?<![\w.,)-])(?P<sign>[-+−]))?(?<![\w.,]){_RANGE}(?P<number>{_NUMBER}) ?°(?: ?(?P<scale>[CFK]"
            rf"(?!\w)))?"
        ),
        _degrees,
    ),
    (re.compile(r"(?<![\w.,])(\d{1,2})(?:'|′| ?ft\.? ) ?(\d{1,2})(?:\"|″|''| ?in\b(?:\.(?= [a-z]))?)"), _height),
    (re.compile(r"(?<![\w.,])(\d{1,2})' ?(\d{1,2})\"?(?![\w'])"), _height),
    (
        re.compile(r"(?<![\w.,\"])(\d{1,3}(?:\.\d)?)(?:\"|″)(?=[ .,;)]|$)(?![^\"]*\")"),
        lambda m: f"{N.count(m[1])} inch{'' if m[1] == '1' or _modifies(m) else 'es'}",
    ),
    (
        re.compile(
            rf"(?:(?<![\w.,)-])(?P<sign>[-+−]))?(?<![\w.,/])(?:(?P<from>{_NUMBER}) ?(?:[-–]|(?P<by>[x×])) ?)?(?P<number>{_NUMBER})(?:(?P<space> )|(?P<hyphen>-))?(?P<unit>{_UNIT})(?P<power>\^?[23](?!\d)|[²³])?(?![\w²³^]|/\d)"
            rf"(?:\.(?=,| [a-z]))?(?: ?/ ?(?P<per>[A-Za-z]{{1,6}})(?P<over>\^?[23](?!\d)|[²³])?(?![\w/]))?"
        ),
        _unit,
    ),
    (
        re.compile(rf"{_BEFORE}(?P<number>{_NUMBER}) ?(?:in\.|in(?=[,;:)]|\.?$| by\b| x ))(?=\W|$)"),
        lambda m: f"{N.count(m['number'])} inch{'' if m['number'] == '1' else 'es'}",
    ),
)

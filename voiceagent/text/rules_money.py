"""Money, percent, units of measure."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text import number_words as N
from voiceagent.text.rule import Rule

__all__ = ["RULES", "UNITS"]

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
_LANDS: Final = {
    "US": "U.S. ",
    "C": "Canadian ",
    "CA": "Canadian ",
    "A": "Australian ",
    "AU": "Australian ",
    "NZ": "New Zealand ",
    "HK": "Hong Kong ",
}
_SCALES: Final = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million", "b": "billion", "B": "billion",
    "bn": "billion", "t": "trillion", "T": "trillion", "tn": "trillion",
}  # fmt: skip
_NUMBER: Final = r"(?:\d{1,3}(?:,\d{3}){1,5}(?!\d)|\d{1,15})(?:\.\d{1,10})?|\.\d{1,10}"
_SCALE: Final = r"(?: ?(?:hundred|thousand|million|billion|trillion)\b|(?:k|K|mn|m|M|bn|b|B|tn|t|T)\b)"
_SIGN: Final = "[" + re.escape("".join(_MONEY)) + "]"
_PER: Final = r"(?: ?/ ?(?P<per>[A-Za-z]{1,10})\b)?"
_PERS: Final = {
    "hr": "hour", "h": "hour", "mo": "month", "yr": "year", "y": "year", "wk": "week", "d": "day", "min": "minute", "s": "second",
    "sec": "second", "lb": "pound", "kg": "kilogram", "oz": "ounce", "gal": "gallon", "ea": "each", "sq": "square", "mi": "mile",
    "km": "kilometer", "l": "liter", "L": "liter", "g": "gram", "m": "meter", "GB": "gigabyte", "MB": "megabyte", "kWh": "kilowatt hour",
}  # fmt: skip
_ONE: Final = frozenset({"1", "-1", "−1", "1.0", "1.00"})

# symbol -> (one, many)
UNITS: Final = {
    symbol: (one, many)
    for symbol, one, many in (
        line.split("|")
        for line in """
km|kilometer|kilometers
m|meter|meters
cm|centimeter|centimeters
mm|millimeter|millimeters
µm|micrometer|micrometers
nm|nanometer|nanometers
mi|mile|miles
ft|foot|feet
yd|yard|yards
inch|inch|inches
kg|kilogram|kilograms
g|gram|grams
mg|milligram|milligrams
µg|microgram|micrograms
mcg|microgram|micrograms
lb|pound|pounds
lbs|pound|pounds
oz|ounce|ounces
L|liter|liters
l|liter|liters
ml|milliliter|milliliters
mL|milliliter|milliliters
dl|deciliter|deciliters
cl|centiliter|centiliters
gal|gallon|gallons
tsp|teaspoon|teaspoons
tbsp|tablespoon|tablespoons
fl oz|fluid ounce|fluid ounces
km²|square kilometer|square kilometers
m²|square meter|square meters
m2|square meter|square meters
cm²|square centimeter|square centimeters
ft²|square foot|square feet
sq ft|square foot|square feet
sqft|square foot|square feet
sq mi|square mile|square miles
sq km|square kilometer|square kilometers
sq m|square meter|square meters
m³|cubic meter|cubic meters
cm³|cubic centimeter|cubic centimeters
ft³|cubic foot|cubic feet
ha|hectare|hectares
km/h|kilometer per hour|kilometers per hour
kmh|kilometer per hour|kilometers per hour
kph|kilometer per hour|kilometers per hour
mph|mile per hour|miles per hour
m/s|meter per second|meters per second
m/s²|meter per second squared|meters per second squared
mpg|mile per gallon|miles per gallon
s|second|seconds
sec|second|seconds
secs|second|seconds
ms|millisecond|milliseconds
µs|microsecond|microseconds
ns|nanosecond|nanoseconds
min|minute|minutes
mins|minute|minutes
h|hour|hours
hr|hour|hours
hrs|hour|hours
wk|week|weeks
wks|week|weeks
mo|month|months
mos|month|months
yr|year|years
yrs|year|years
Hz|hertz|hertz
kHz|kilohertz|kilohertz
MHz|megahertz|megahertz
GHz|gigahertz|gigahertz
W|watt|watts
kW|kilowatt|kilowatts
MW|megawatt|megawatts
GW|gigawatt|gigawatts
Wh|watt hour|watt hours
kWh|kilowatt hour|kilowatt hours
MWh|megawatt hour|megawatt hours
V|volt|volts
kV|kilovolt|kilovolts
mV|millivolt|millivolts
mA|milliamp|milliamps
mAh|milliamp hour|milliamp hours
Ah|amp hour|amp hours
J|joule|joules
kJ|kilojoule|kilojoules
cal|calorie|calories
kcal|kilocalorie|kilocalories
Pa|pascal|pascals
kPa|kilopascal|kilopascals
hPa|hectopascal|hectopascals
psi|P S I|P S I
bar|bar|bar
dB|decibel|decibels
B|byte|bytes
KB|kilobyte|kilobytes
kB|kilobyte|kilobytes
MB|megabyte|megabytes
GB|gigabyte|gigabytes
TB|terabyte|terabytes
PB|petabyte|petabytes
MiB|mebibyte|mebibytes
GiB|gibibyte|gibibytes
Mb|megabit|megabits
Gb|gigabit|gigabits
kbps|kilobit per second|kilobits per second
Mbps|megabit per second|megabits per second
Gbps|gigabit per second|gigabits per second
kB/s|kilobyte per second|kilobytes per second
MB/s|megabyte per second|megabytes per second
GB/s|gigabyte per second|gigabytes per second
fps|frame per second|frames per second
rpm|revolution per minute|revolutions per minute
bpm|beat per minute|beats per minute
dpi|dot per inch|dots per inch
px|pixel|pixels
Ω|ohm|ohms
kΩ|kilohm|kilohms
mol|mole|moles
lm|lumen|lumens
K|kelvin|kelvin
""".strip().splitlines()
    )
}
_ARTICLE: Final = re.compile(r"(?<![A-Za-z])[Aa]n? $")
_NOUN: Final = re.compile(r" [a-z]{2}")
_SPACED_ONLY: Final = frozenset({"B", "K", "m2"})  # "5B" is five billion, "4K" a screen
_UNIT: Final = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))


def _scale(text: str | None) -> str:
    name = (text or "").strip()
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
        number = whole
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
    return " each" if unit == "ea" else f" per {_PERS.get(unit, unit)}"


def _money(match: re.Match[str]) -> str:
    scale, land = _scale(match["scale"]), _LANDS.get(match["land"] or "", "")
    said = "minus " if match["minus"] else ""
    if match["to"]:
        # "$5-10 million", "$5-$10": the unit is said once, at the end.
        first = N.count(match["number"]) + (_scale(match["first"]) if match["first"] else "")
        return f"{said}{first} to {_amount(match['sign'], match['to'], scale, land)}{_per(match)}"
    plus = " plus" if match["plus"] else ""
    return f"{said}{_amount(match['sign'], match['number'], _scale(match['first']), land, singular=_modifies(match))}{plus}{_per(match)}"


def _money_after(match: re.Match[str]) -> str:
    return _amount(match["sign"], match["number"], _scale(match["scale"]))


def _code(match: re.Match[str]) -> str:
    number = match["after"] or match["before"]
    name = _CODES[match["name"] or match["code"]]
    many = name if name[-3:] in ("yen", "uan", "oin", "her") else name + ("s" if not name.endswith("krona") else "")
    scale = _scale(match["scale"] or match["scaled"])
    whole, _, part = number.replace(",", "").partition(".")
    if part and not int(part):
        number = whole
    return f"{N.count(number)}{scale} {name if number == '1' and not scale else many}"


def _percent(match: re.Match[str]) -> str:
    sign = {"+": "plus ", "": ""}.get(match["sign"] or "", "minus ")
    first = f"{N.count(match['from'])} to " if match["from"] else ""
    return f"{sign}{first}{N.count(match['number'])} percent"


def _unit(match: re.Match[str]) -> str | None:
    unit, number = match["unit"], match["number"]
    if unit in _SPACED_ONLY and not match["space"]:
        return None
    if unit == "s" and not match["space"] and re.fullmatch(r"[2-9]0|1\d\d0|20\d0", number):
        return None
    one, many = UNITS[unit]
    sign = "" if not match["sign"] else "plus " if match["sign"] == "+" else "minus "
    first = f"{N.count(match['from'])} {'by' if match['by'] else 'to'} " if match["from"] else ""
    named = one if (number in _ONE and not match["from"]) or match["hyphen"] or _modifies(match) else many
    power = {"²": " squared", "³": " cubed"}.get(match["power"] or "", "")
    return f"{sign}{first}{N.count(number)} {named}{power}{_per(match) if unit not in ('h',) else ''}"


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
_END: Final = r"(?![\w²³]|/\w)"
RULES: Final[tuple[Rule, ...]] = (
    (re.compile(
        rf"(?<![\w.,])(?P<minus>[-−])?(?P<land>US|CA|AU|NZ|HK|[CA])?(?P<sign>{_SIGN}) ?(?P<minus2>-)?(?P<number>{_NUMBER})(?P<first>{_SCALE})?"
        rf"(?: ?[-–] ?(?P=sign)?(?P<to>{_NUMBER})(?P<scale>{_SCALE})?(?!\d))?(?P<plus>\+)?{_PER}"
    ), _money),
    (re.compile(rf"(?<![\w.,])(?P<number>{_NUMBER})(?P<scale>{_SCALE})? ?(?P<sign>[€£¥₹₩₽₺₿₪฿])(?!\w)"), _money_after),
    (re.compile(rf"(?<![\w.,])(?P<number>{_NUMBER}) ?¢"), lambda m: f"{N.count(m['number'])} cent{'' if m['number'] == '1' else 's'}"),
    (re.compile(
        rf"(?<![\w.,])(?:(?P<name>{'|'.join(_CODES)}) ?(?P<after>{_NUMBER})(?P<scale>{_SCALE})?|(?P<before>{_NUMBER})(?P<scaled>{_SCALE})? ?(?P<code>{'|'.join(_CODES)}))(?!\w)"
    ), _code),
    (re.compile(r"(?<=\d%) ?[-–] ?(?=\d)"), lambda m: " to "),
    (re.compile(rf"(?:(?<![\w.,)-])(?P<sign>[-+−±]))?(?<![\w.,]){_RANGE}(?P<number>{_NUMBER}) ?%"), _percent),
    (re.compile(rf"(?:(?<![\w.,)-])(?P<sign>[-+−]))?(?<![\w.,]){_RANGE}(?P<number>{_NUMBER}) ?°(?: ?(?P<scale>[CFK](?!\w)))?"), _degrees),
    (re.compile(r"(?<![\w.,])(\d{1,2})(?:'|′| ?ft\.? ) ?(\d{1,2})(?:\"|″|''| ?in\b\.?)"), _height),
    (re.compile(r"(?<![\w.,])(\d{1,2})' ?(\d{1,2})\"?(?![\w'])"), _height),
    (re.compile(r"(?<![\w.,\"])(\d{1,3}(?:\.\d)?)(?:\"|″)(?=[ .,;)]|$)(?![^\"]*\")"), lambda m: f"{N.count(m[1])} inch{'' if m[1] == '1' or _modifies(m) else 'es'}"),
    (re.compile(
        rf"(?:(?<![\w.,)-])(?P<sign>[-+−]))?(?<![\w.,/])(?:(?P<from>{_NUMBER}) ?(?:[-–]|(?P<by>[x×])) ?)?(?P<number>{_NUMBER})(?:(?P<space> )|(?P<hyphen>-))?(?P<unit>{_UNIT})(?P<power>[²³])?(?![\w²³]|/[A-Za-z]\w?\b(?<!/h)(?<!/s)(?<!/d))"
        rf"(?:\.(?=,| [a-z]))?(?: ?/ ?(?P<per>[A-Za-z]{{1,6}})\b)?"
    ), _unit),
    (re.compile(rf"{_BEFORE}(?P<number>{_NUMBER}) ?(?:in\.|in(?=\)| by\b| x ))(?=\W|$)"), lambda m: f"{N.count(m['number'])} inch{'' if m['number'] == '1' else 'es'}"),
)  # fmt: skip

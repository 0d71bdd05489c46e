"""Figures as words, the American way ("one hundred five"), words parted by spaces."""

from __future__ import annotations

from typing import Final

from voiceagent.text.normalize.rule import LETTER_A

__all__ = ["cardinal", "count", "decade", "digits", "house_number", "ordinal", "spell", "year"]

_ONES: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen"
).split()
_TENS: Final = ["", "", *"twenty thirty forty fifty sixty seventy eighty ninety".split()]
_SCALES: Final = ["", *"thousand million billion trillion quadrillion".split()]
_IRREGULAR: Final = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_COUNTED: Final = 10  # so many in a row without a comma are a quantity, more a name
_LONGEST: Final = 15  # longer figures are read digit by digit


def _below_thousand(number: int) -> list[str]:
    words = [_ONES[number // 100], "hundred"] if number >= 100 else []
    number %= 100
    if number >= 20:
        words.append(_TENS[number // 10])
        number %= 10
    if number or not words:
        words += [_ONES[number]] if number else []
    return words


def cardinal(number: int) -> str:
    """1,234 -> "one thousand two hundred thirty four". number: 0 to below 10**18."""
    if number == 0:
        return "zero"
    words: list[str] = []
    for scale in range(len(_SCALES) - 1, -1, -1):
        group = number // 1000**scale % 1000
        if group:
            words += _below_thousand(group)
            if scale:
                words.append(_SCALES[scale])
    return " ".join(words)


def ordinal(number: int) -> str:
    """23 -> "twenty third"."""
    head, _, last = cardinal(number).rpartition(" ")
    last = _IRREGULAR.get(last, last[:-1] + "ieth" if last.endswith("y") else last + "th")
    return f"{head} {last}" if head else last


def year(number: int) -> str:
    """1905 -> "nineteen oh five", 2005 -> "two thousand five", 2024 -> "twenty twenty four"."""
    high, low = divmod(number, 100)
    if number < 1000 or number > 9999 or (high % 10 == 0 and low < 10):
        return cardinal(number)
    if low == 0:
        return f"{cardinal(high)} hundred"
    return f"{cardinal(high)} {'oh ' if low < 10 else ''}{cardinal(low)}"


def decade(number: int) -> str:
    """1990 -> "nineteen nineties", 80 -> "eighties", 2000 -> "two thousands"."""
    head, _, last = (year(number) if number >= 100 else cardinal(number)).rpartition(" ")
    last = last[:-1] + "ies" if last.endswith("y") else last + "s"
    return f"{head} {last}" if head else last


def digits(text: str, zero: str = "zero") -> str:
    """Digit by digit: "555" -> "five five five"; what is no digit is left out."""
    return " ".join(zero if c == "0" else _ONES[int(c)] for c in text if c.isdigit() and c.isascii())


def count(text: str) -> str:
    """A written figure as a quantity: "1,234.50", "0.5", ".5", "007", "-3"."""
    grouped = "," in text
    text = text.replace(",", "")
    if text[:1] in ("-", "−", "+"):
        return f"{'plus' if text[0] == '+' else 'minus'} {count(text[1:])}"
    whole, point, fraction = text.partition(".")
    if len(whole) > (_LONGEST if grouped or whole.endswith("000") else _COUNTED) or (
        len(whole) > 1 and whole[0] == "0"
    ):
        words = digits(whole)
    else:
        words = cardinal(int(whole)) if whole else "zero" if not point else ""
    if point and fraction:
        words = f"{words} point {digits(fraction)}".strip()
    return words


def house_number(text: str) -> str:
    """123 -> "one twenty three", 1600 -> "sixteen hundred", 12345 -> digit by digit."""
    number = int(text)
    if len(text) == 3 and text[0] != "0" and number % 100:
        low = number % 100
        return f"{_ONES[number // 100]} {'oh ' if low < 10 else ''}{cardinal(low)}"
    if len(text) == 4 and text[0] != "0":
        return year(number) if number % 1000 else cardinal(number)
    return digits(text) if len(text) > 4 or text[0] == "0" else cardinal(number)


def spell(text: str) -> str:
    """Letters and digits one by one: "A4" -> "A four"."""
    return " ".join(
        _ONES[int(c)] if c.isdigit() and c.isascii() else LETTER_A if c in "aA" else c.upper()
        for c in text
        if c.isalnum()
    )

"""Every digit that is written is spoken, in order: phone numbers, codes, versions, prices, times and dates of all shapes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceagent.text import Chunker

SMALL = dict(
    zip(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen".split(),
        range(20),
        strict=True,
    )
) | {"oh": 0, "o": 0}
ORDINALS = dict(
    zip(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
        "sixteenth seventeenth eighteenth nineteenth".split(),
        range(1, 20),
        strict=True,
    )
)
TENS = dict(zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True))
TENTHS = {word[:-1] + "ieth": value for word, value in TENS.items()}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
MONTHS = "January February March April May June July August September October November December".split()


def spoken(text: str) -> str:
    chunker = Chunker()
    return " ".join(chunk.spoken for chunk in chunker.feed(text) + chunker.end() if chunk.spoken)


def value_of(words: tuple[str, ...]) -> int | None:
    """The number that all of these words make together, or None."""
    total = group = 0
    last = 10**15  # what the next word must be smaller than
    for word in words:
        if word in SCALES or word == "hundred":
            scale = SCALES.get(word, 100)
            if not group or (word == "hundred" and group >= 100):
                return None
            if word == "hundred":
                group, last = group * 100, 100
            else:
                total, group, last = total + group * scale, 0, 10**15
            continue
        value = next((table[word] for table in (SMALL, ORDINALS, TENS, TENTHS) if word in table), None)
        if value is None or value >= last or (value == 0 and len(words) > 1):
            return None
        group, last = group + value, 10 if word in TENS else 0
    return total + group


def says(said: str, digits: str, *, strict: bool = True) -> bool:
    """Whether number words spell these digits in order, one by one or as numbers; not strict: but for zeros that begin a number."""
    words = tuple(word for word in re.findall(r"[a-z]+", re.sub(r"\band\b", " ", said.lower())))
    numbers = {*SMALL, *ORDINALS, *TENS, *TENTHS, *SCALES, "hundred", "double", "triple"} - {"o"}
    words = tuple(word for word in words if word in numbers)

    @cache
    def fits(at: int, done: int) -> bool:
        if at == len(words):
            return done == len(digits) or (not strict and not digits[done:].strip("0"))
        if words[at] in ("double", "triple") and at + 1 < len(words) and words[at + 1] in SMALL:
            again = str(SMALL[words[at + 1]]) * (2 if words[at] == "double" else 3)
            return digits.startswith(again, done) and fits(at + 2, done + len(again))
        for stop in range(at + 1, min(len(words), at + 24) + 1):
            value = value_of(words[at:stop])
            if value is not None and digits.startswith(str(value), done) and fits(stop, done + len(str(value))):
                return True
        return not strict and done < len(digits) and digits[done] == "0" and fits(at, done + 1)

    return fits(0, 0)


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=count, max_size=count)


LETTERS = st.text("ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=1, max_size=3)
AREA = st.integers(200, 999)


def shaped(shape: str) -> st.SearchStrategy[str]:
    """d a digit, n one that is not 0, L a letter; the rest stands for itself."""
    kinds = {"d": digits(1), "n": st.sampled_from("123456789"), "L": st.sampled_from("ABCDEFGHJKLMNPRSTUVWXYZ")}
    return st.tuples(*[kinds.get(sign, st.just(sign)) for sign in shape]).map("".join)


SPELLED = [
    "(ndd) ddd-dddd", "ndd-ddd-dddd", "ndd.ddd.dddd", "1-800-ddd-dddd", "+1 ndd ddd dddd", "+44 dddd dddddd", "0ddd ddd dddd",
    "+49 ddd ddddddd", "+91 ddddd ddddd", "0n dd dd dd dd", "+1nddddddddd", "ndd-ddd-dddd ext. ddd", "dddddd", "ddd ddd",
    "ddd-ddd", "dddd dddd dddd dddd", "ddddddddd", "dddddddddddd", "ddddd-dddd", "ddd-dd-dddd", "LLdd-dLL", "LdddLdd", "#ddddddd",
    "LLndd", "vn.d.d", "n.d.d.d", "n.d.d-rc.n", "978-d-dddd-dddd-d", "LLdd dddd dddd dddd dddd dd", "LL-dddd-LL",
]  # fmt: skip
AMOUNTS = [
    "$n.dd", "$ndd.dd", "$n,ddd", "$n,ddd.dd", "€ndd", "£n.dd", "n.dd%", "nd%", "n,ddd", "n,ddd,ddd", "nd.d kg", "n.dd m", "-nd°C",
    "n/n cup" , "ndd:n", "n:3n pm", "1n:0n", "at n am",
]  # fmt: skip
CARRIERS = ["{}", "Use {} then.", "It is {}, thanks.", "Call ({}) now."]


@pytest.mark.parametrize("carrier", CARRIERS[:3])
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SPELLED).flatmap(shaped))
def test_codes_are_spoken_digit_for_digit(carrier: str, code: str) -> None:
    text = carrier.format(code)
    said = spoken(text)
    assert says(said, re.sub(r"\D", "", code)), f"{text!r} -> {said!r}"


@pytest.mark.parametrize("carrier", CARRIERS)
@settings(max_examples=100, deadline=None)
@given(st.sampled_from(AMOUNTS).flatmap(shaped))
def test_amounts_keep_their_digits(carrier: str, amount: str) -> None:
    text = carrier.format(amount)
    said = re.sub(r"(?i)\bhal(?:f|ves)\b", "two", re.sub(r"(?i)\bquarters?\b", "four", spoken(text)))
    said = re.sub(r"(?i)\b(third|fourth|fifth|sixth|seventh|eighth|ninth)s\b", r"\1", said)
    assert says(said, re.sub(r"\D", "", amount), strict=False), f"{text!r} -> {said!r}"


WRITTEN: list[Callable[[int, int, int], str]] = [
    lambda y, m, d: f"{MONTHS[m - 1]} {d}, {y}",
    lambda y, m, d: f"{d} {MONTHS[m - 1]} {y}",
    lambda y, m, d: f"{MONTHS[m - 1][:3]}. {d}, {y}",
    lambda y, m, d: f"{y}-{m:02}-{d:02}",
    lambda y, m, d: f"{m}/{d}/{y}",
]


@settings(max_examples=150, deadline=None)
@given(st.integers(1100, 2099), st.integers(1, 12), st.integers(13, 28), st.sampled_from(WRITTEN))
def test_a_date_has_its_day_month_and_year(
    year: int, month: int, day: int, write: Callable[[int, int, int], str]
) -> None:
    """The month may be said as a name; the order is that of speech."""
    text = f"It began on {write(year, month, day)}."
    said = spoken(text)
    named = MONTHS[month - 1] in said
    orders = [f"{day}{year}", f"{year}{day}"] if named else [f"{year}{month}{day}", f"{month}{day}{year}"]
    assert any(says(said, order, strict=False) for order in orders), f"{text!r} -> {said!r}"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([*SPELLED, *AMOUNTS[:13]]).flatmap(shaped), min_size=2, max_size=4),
    st.sampled_from([", ", "; ", " and then "]),
)
def test_beside_each_other_none_is_lost(codes: list[str], joint: str) -> None:
    text = f"We have {joint.join(codes)}."
    said = spoken(text)
    assert says(said, re.sub(r"\D", "", "".join(codes)), strict=False), f"{text!r} -> {said!r}"


def test_the_judge_notices_what_is_missing() -> None:
    assert says("five five five, oh one two", "555012")
    assert says("double five, twenty one", "5521")
    assert not says("five five, oh one two", "555012")
    assert not says("twelve", "21")
    assert not says("one hundred and five", "1050")
    assert says("twelve thousand and five", "12005")

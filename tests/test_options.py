"""Voices and blends of them, as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceagent.errors import InputError, UnknownVoice
from voiceagent.options import BLEND_PARTS_MAX, check_voice, parse_blend

names = st.from_regex(r"[a-z]{2}_[a-z0-9]{1,8}", fullmatch=True)


@given(
    st.lists(st.tuples(names, st.integers(1, 100)), min_size=1, max_size=BLEND_PARTS_MAX), st.sampled_from(["", " "])
)
def test_shares_of_a_blend_add_up_to_one(parts: list[tuple[str, int]], space: str) -> None:
    total = sum(share for _, share in parts)
    text = f"{space}+{space}".join(f"{share / total:.6f}{space}*{space}{name}" for name, share in parts)
    shares = parse_blend(text)
    assert sum(shares.values()) == pytest.approx(1)
    for name in {name for name, _ in parts}:
        assert shares[name] == pytest.approx(sum(s for n, s in parts if n == name) / total, abs=1e-4)


@given(st.text(max_size=40))
def test_any_text_is_a_blend_or_an_error_of_one_line(text: str) -> None:
    try:
        shares = parse_blend(text)
    except InputError as error:
        message = str(error)
    else:
        message = ""
        assert all(name.strip() == name and 0 < share <= 1.0001 for name, share in shares.items())
    assert len(message.splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "lacks a name"),
        ("0.5*heart +", "lacks a name"),
        ("0.5*heart + 0.6*joe", "add up to 1.1"),
        ("heart + joe", "add up to 2"),
        ("-0.5*heart + 1.5*joe", "share -0.5"),
        ("1e9*heart", "share 1e9"),
        ("nan*heart", "share nan"),
        ("inf*heart", "share inf"),
        ("a bit*heart + 0.5*joe", "'a bit' is not a share"),
        (" + ".join(["0.1*heart"] * 10), "at most 8"),
    ],
)
def test_what_is_wrong_is_said(text: str, why: str) -> None:
    with pytest.raises(InputError, match=why.replace("*", r"\*")):
        parse_blend(text)


def test_every_part_must_be_known() -> None:
    check_voice("heart", ("heart", "joe"))
    check_voice("0.5*heart + 0.5*joe", ("heart", "joe"))
    for voice in ("nobody", "0.5*heart + 0.5*nobody", "Heart"):
        with pytest.raises(UnknownVoice, match="heart, joe"):
            check_voice(voice, ("heart", "joe"))

"""What a key may do, over all that is open with it, and tokens in its place."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceagent.errors import NoCapacity, RateLimited
from voiceagent.service.keys import TOKENS_MAX, Key, KeyRing
from voiceagent.settings.keys import KeyConfig, hash_of, new_key
from voiceagent.settings.serve import ServeConfig


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def ring(*keys: str, clock: Clock | None = None, **settings: float) -> KeyRing:
    configs = tuple(KeyConfig(f"client {n}", hash_of(key)) for n, key in enumerate(keys))
    return KeyRing(ServeConfig(keys=configs, token_s=settings.get("token_s", 60.0)), clock=clock or Clock())


def test_a_key_is_known_by_its_hash_alone() -> None:
    first, second = new_key(), new_key()
    keys = ring(first, second)
    assert [key.config.name for shown in (first, second) if (key := keys.find([shown]))] == ["client 0", "client 1"]
    for wrong in ("", first[:-1], first + "x", first.upper(), hash_of(first), "\ud800", "é" * 5):
        assert keys.find([wrong]) is None
        found = keys.find([wrong, second])
        assert found is not None
        assert found.config.name == "client 1"
    assert first not in repr(keys.__dict__)


def test_every_made_key_is_another() -> None:
    assert len({new_key() for _ in range(100)}) == 100


def test_keys_as_they_are_still_open_the_door() -> None:
    keys = KeyRing(ServeConfig(auth_tokens=("plain",), keys=(KeyConfig("hashed", hash_of("other")),)))
    assert keys.find(["plain"])
    assert keys.find(["other"])
    assert keys.find(["neither"]) is None


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"name": "a\nb"}, {"name": "x" * 65}, {"hash": "secret"}, {"hash": "sha256:12"},
     {"max_utterances": -1}, {"chars_per_minute": -1}],
)  # fmt: skip
def test_what_is_wrong_with_a_key_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"key"):
        dataclasses.replace(KeyConfig("a", hash_of("a")), **wrong)


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two of the same"):
        ServeConfig(keys=(KeyConfig("a", hash_of("a")), KeyConfig("a", hash_of("b"))))


def test_a_token_opens_one_door_once_and_not_for_long() -> None:
    clock = Clock()
    keys = ring("key", clock=clock)
    (key,) = [key for key in [keys.find(["key"])] if key]
    token, lasts_s = keys.new_token(key)
    assert lasts_s == 60
    assert keys.find([token]) is key
    assert keys.find([token]) is None
    late, _ = keys.new_token(key, 5)
    clock.now = 5
    assert keys.find([late]) is None


def test_tokens_of_a_key_are_bounded_and_come_free_again() -> None:
    clock = Clock()
    keys = ring("key", "other", clock=clock)
    key, other = keys.find(["key"]), keys.find(["other"])
    assert key
    assert other
    for _ in range(TOKENS_MAX):
        keys.new_token(key)
    with pytest.raises(NoCapacity):
        keys.new_token(key)
    keys.new_token(other)
    clock.now = 60
    keys.new_token(key)


def refused(key: Key, chars: int, now: float) -> RateLimited | None:
    try:
        key.check_text(chars, now)
    except RateLimited as error:
        return error
    return None


steps = st.lists(st.tuples(st.floats(0, 90), st.integers(0, 1_500)), max_size=60)


@given(steps)
def test_no_more_is_taken_than_the_minutes_allow_and_what_was_promised_is_kept(steps: list[tuple[float, int]]) -> None:
    key, now, taken = Key(KeyConfig("a", hash_of("a"), chars_per_minute=1_000)), 0.0, 0
    for waited_s, chars in steps:
        now += waited_s
        refusal = refused(key, chars, now)
        if refusal is not None:
            assert refusal.retryable == (chars <= 1_000)
            if refusal.retry_after_s is None:
                continue
            now += refusal.retry_after_s + 1e-6
            assert refused(key, chars, now) is None
        key.spend(chars)
        taken += chars
        assert taken <= 1_000 * (1 + now / 60) + 1e-3


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    key = Key(KeyConfig("a", hash_of("a"), chars_per_minute=60))
    key.check_text(60, 1_000.0)
    key.spend(60)
    with pytest.raises(RateLimited):
        key.check_text(1, 0.0)
    with pytest.raises(RateLimited):
        key.check_text(2, 1.0)
    key.check_text(1, 1.1)

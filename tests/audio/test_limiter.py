"""The limiter: nothing clips, what is quiet enough is untouched, and a stream may be cut anywhere."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceagent.audio.formats import Samples
from voiceagent.audio.limiter import CEILING, HOP, LimiterState, limit


def made(seed: int, length: int, loudest: float) -> Samples:
    generator = np.random.default_rng(seed)
    swell = np.interp(np.arange(length), np.linspace(0, length, 9), generator.uniform(0, loudest, 9))
    noise: Samples = (generator.standard_normal(length) * swell).astype(np.float32)
    return noise


def streamed(samples: Samples, cuts: list[int]) -> Samples:
    state, out = LimiterState(), []
    edges = [0, *sorted(min(cut, len(samples)) for cut in cuts), len(samples)]
    for begin, end in pairwise(edges):
        piece, state = limit(samples[begin:end], state)
        out.append(piece)
    out.append(limit(samples[:0], state, final=True)[0])
    return np.concatenate(out)


@settings(deadline=None)
@given(st.integers(0, 99), st.integers(0, 5_000), st.floats(0.01, 9.0), st.lists(st.integers(0, 5_000), max_size=6))
def test_any_stream_keeps_its_length_and_stays_below_the_ceiling(
    seed: int, length: int, loudest: float, cuts: list[int]
) -> None:
    samples = made(seed, length, loudest)
    whole, _ = limit(samples, LimiterState(), final=True)
    assert len(whole) == length
    assert np.abs(whole).max(initial=0.0) <= CEILING + 1e-6
    np.testing.assert_array_equal(streamed(samples, cuts), whole)


def test_what_is_quiet_enough_is_left_bit_for_bit() -> None:
    samples = np.clip(made(1, 4_800, 0.5), -CEILING, CEILING)
    np.testing.assert_array_equal(limit(samples, LimiterState(), final=True)[0], samples)


def test_a_peak_turns_down_what_is_near_it_and_not_what_is_far() -> None:
    samples = np.full(24_000, 0.5, np.float32)
    samples[12_000] = 2.0
    out, _ = limit(samples, LimiterState(), final=True)
    np.testing.assert_array_equal(out[: 12_000 - 2 * HOP], samples[: 12_000 - 2 * HOP])
    assert out[12_000 - 1] < 0.3
    assert out[-1] > 0.49

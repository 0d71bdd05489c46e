"""Frames that are delivered otherwise than their tokens say: streamed equals whole, and what is not changed stays."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny_voice import tiny_voices

from voiceagent.audio.formats import Samples
from voiceagent.model.codec.codec import Codec, StreamPart
from voiceagent.model.codec.constants import FRAMES_PER_TOKEN, SAMPLES_PER_TOKEN
from voiceagent.model.codec.delivery import DURATION, GAIN, PITCH, DeliveryState, Floats, deliver, plain_rows

TOKENS = 20


def digits() -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.stack([torch.randint(0, n, (TOKENS,), generator=generator) for n in (8, 8, 8, 5, 5, 5)], 1)


def decode(codec: Codec, rows: Floats | None, cuts: list[int], liveliness: float = 1.0, first_row: int = 0) -> Samples:
    """Decode in pieces; rows come from the token `first_row` on."""
    state, out = None, []
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < TOKENS}), TOKENS]
    for begin, end in pairwise(edges):
        given_rows = None
        if rows is not None and begin >= first_row:
            given_rows = rows[begin * FRAMES_PER_TOKEN : end * FRAMES_PER_TOKEN]
        part = StreamPart(digits()[begin:end], "heart", state, end == TOKENS, given_rows, liveliness)
        ((samples, state),) = codec.decode_streams([part])
        out.append(samples.numpy())
    return np.concatenate(out)


@pytest.fixture(scope="module")
def codec() -> Codec:
    return tiny_voices().codec


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 50),
    cuts=st.lists(st.integers(1, TOKENS - 1), max_size=5),
    lively=st.sampled_from([0.0, 1.0, 1.7]),
)
def test_streamed_equals_whole(codec: Codec, seed: int, cuts: list[int], lively: float) -> None:
    generator = np.random.default_rng(seed)
    rows = plain_rows(TOKENS * FRAMES_PER_TOKEN)
    rows[:, DURATION] = generator.choice([1.0, 1.3], len(rows))
    rows[:, PITCH] = generator.uniform(0.7, 1.4, len(rows))
    rows[:, GAIN] = generator.uniform(-1.0, 0.5, len(rows))
    whole = decode(codec, rows, [], lively)
    np.testing.assert_allclose(decode(codec, rows, cuts, lively), whole, atol=2e-4)
    assert abs(len(whole) - 240 * rows[:, DURATION].sum()) <= 240


def test_rows_that_change_nothing_change_nothing(codec: Codec) -> None:
    plain = decode(codec, None, [8])
    np.testing.assert_array_equal(decode(codec, plain_rows(TOKENS * FRAMES_PER_TOKEN), [8]), plain)


def test_rows_that_begin_in_the_middle_meet_their_own_frames(codec: Codec) -> None:
    rows = plain_rows(TOKENS * FRAMES_PER_TOKEN)
    rows[12 * FRAMES_PER_TOKEN :, GAIN] = np.log(0.5)
    plain, softer = decode(codec, None, [8]), decode(codec, rows, [8], first_row=8)
    assert len(softer) == len(plain)
    edge = 12 * SAMPLES_PER_TOKEN
    np.testing.assert_array_equal(softer[: edge - 480], plain[: edge - 480])
    np.testing.assert_allclose(softer[edge + 480 :], plain[edge + 480 :] / 2, atol=1e-5)


def test_f0_is_raised_where_it_is_voiced_and_only_there() -> None:
    f0 = np.array([0, 100, 200, 0, 150], np.float32)
    rows = plain_rows(5)
    rows[:, PITCH] = 1.1
    made, _ = deliver(f0, rows, DeliveryState(plain_rows(0)))
    np.testing.assert_allclose(made.f0_hz, f0 * 1.1, atol=1 / 64)


def test_monotone_is_the_mean_and_livelier_is_further_from_it() -> None:
    f0 = (200 * 2 ** (0.3 * np.sin(np.arange(400) / 20))).astype(np.float32)
    spread = {}
    for liveliness in (0.0, 0.5, 1.0, 1.5):
        made, _ = deliver(f0, plain_rows(400), DeliveryState(plain_rows(0)), liveliness)
        spread[liveliness] = float(np.std(np.log2(made.f0_hz[100:])))
    assert spread[0.0] < 0.3 * spread[1.0]
    assert spread[0.5] < spread[1.0] < spread[1.5]

"""Sound in ONNX Runtime and NumPy: that of torch, and bit for bit the same however a stream is cut and whoever else speaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny_folder import tiny_onnx, tiny_torch

from voiceagent.audio.formats import Samples
from voiceagent.model.codec import vocoder as torch_vocoder
from voiceagent.model.interface import StreamTokens
from voiceagent.model.onnx import vocoder
from voiceagent.model.onnx.codec import Part

LEVELS = (8, 8, 8, 5, 5, 5)


def tokens(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, LEVELS, (count, 6))


def in_pieces(digits: np.ndarray, sizes: list[int], precision: str, company: Any = ()) -> Samples:
    """The samples of a stream that comes in pieces; the last one may bring no tokens."""
    model, state, heard, at = tiny_onnx(precision), None, [], 0
    for number, size in enumerate(sizes):
        part: Part = StreamTokens(digits[at : at + size] if size else None, "joe", state, number == len(sizes) - 1)
        (samples, state), *_ = model.render([part, *company])
        heard.append(samples)
        at += size
    return np.concatenate(heard)


@pytest.mark.parametrize("precision", ["float32", "int8"])
@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(1, 20), min_size=1, max_size=8), ends_empty=st.booleans())
def test_a_stream_is_the_whole(precision: str, sizes: list[int], ends_empty: bool) -> None:
    digits = tokens(sum(sizes))
    whole = in_pieces(digits, [len(digits)], precision)
    assert len(whole) == 960 * len(digits)
    assert np.array_equal(in_pieces(digits, [*sizes, *([0] if ends_empty else [])], precision), whole)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_stream_alone_is_a_stream_in_company(precision: str) -> None:
    digits = tokens(24)
    others: list[Part] = [StreamTokens(tokens(8, seed), "heart", None, False) for seed in range(1, 4)]
    assert np.array_equal(in_pieces(digits, [8, 8, 8], precision, others), in_pieces(digits, [24], precision))


def test_no_tokens_are_no_sound() -> None:
    assert len(in_pieces(tokens(0), [0], "int8")) == 0


def test_it_sounds_as_in_torch() -> None:
    digits = tokens(40)
    ours = in_pieces(digits, [40], "float32")
    ((reference, _),) = tiny_torch().render([StreamTokens(torch.from_numpy(digits), "joe", None, True)])
    assert ours.shape == reference.shape
    assert np.corrcoef(ours, reference)[0, 1] > 0.99


def test_the_noise_is_torchs() -> None:
    assert np.allclose(vocoder.noise_table(), torch_vocoder.noise_table(torch.device("cpu")).numpy(), atol=1e-5)


def test_an_hour_of_pulses_keeps_its_phase() -> None:
    """The phase is a whole number of parts of a turn, so that nothing adds up."""
    rate = np.full((1, 24_000), 123.0, np.float32)
    _, once = vocoder.pulse_train(rate, np.zeros(1, np.int64))
    _, again = vocoder.pulse_train(rate, once)
    assert (2 * once - again) % vocoder.TURN == 0


def test_a_delivery_sounds_as_in_torch_however_it_is_cut() -> None:
    """Longer, higher, louder and livelier frames, in one piece and in several."""
    digits, draw = tokens(30), np.random.default_rng(1)
    rows = np.stack((draw.uniform(0.8, 1.6, 120), draw.uniform(0.8, 1.2, 120), draw.uniform(-1, 1, 120)), axis=1)

    def speak(model: Any, sizes: list[int], convert: Any) -> Samples:
        state, heard, at = None, [], 0
        for size in sizes:
            last, delivered = at + size, rows[4 * at : 4 * (at + size)]
            part: StreamTokens[Any, Any] = StreamTokens(
                convert(digits[at:last]), "joe", state, last == len(digits), delivered, 1.4
            )
            ((samples, state),) = model.render([part])
            heard.append(samples)
            at = last
        return np.concatenate(heard)

    whole = speak(tiny_onnx("float32"), [30], np.asarray)
    assert np.array_equal(speak(tiny_onnx("float32"), [8, 1, 16, 5], np.asarray), whole)
    reference = speak(tiny_torch(), [30], torch.from_numpy)
    assert reference.shape == whole.shape
    assert np.corrcoef(whole, reference)[0, 1] > 0.99

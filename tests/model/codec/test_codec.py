"""The codec: digits there and back, and a stream that equals the whole."""

from __future__ import annotations

import pytest
import torch
from support.tiny_voice import tiny_codec

from voiceagent.model.codec import vocoder as source
from voiceagent.model.codec.constants import SAMPLES_PER_TOKEN
from voiceagent.model.codec.quantizer import FiniteScalarQuantizer
from voiceagent.model.torch_model import prepare_decoder


def test_digits_and_values_are_inverse() -> None:
    quantizer = FiniteScalarQuantizer((8, 8, 8, 5, 5, 5))
    quantised = quantizer(torch.randn(4000, 6) * 4)
    digits = quantizer.digits(quantised)
    assert digits.min(0).values.tolist() == [0] * 6
    assert digits.max(0).values.tolist() == [7, 7, 7, 4, 4, 4]
    assert torch.allclose(quantizer.values(digits), quantised, atol=1e-6)


@pytest.mark.parametrize("cuts", [[1] * 30, [3, 0, 7, 20], [2, 28], [30, 0]])
@pytest.mark.parametrize("dtype", [None, torch.float32, torch.bfloat16], ids=["reference", "float32", "bfloat16"])
def test_streamed_speech_is_the_whole_speech(cuts: list[int], dtype: torch.dtype | None) -> None:
    torch.manual_seed(0)
    codec = tiny_codec()
    if dtype is not None:
        prepare_decoder(codec.decoder, dtype)
    digits = torch.stack([torch.randint(level, (1, 30)) for level in codec.config.levels], dim=-1)
    whole = codec.decode(digits, "heart")
    state, parts, at = None, [], 0
    for index, count in enumerate(cuts):
        samples, state = codec.decode_stream(digits[:, at : at + count], "heart", state, final=index == len(cuts) - 1)
        parts.append(samples)
        at += count
    streamed = torch.cat(parts, dim=1)
    assert streamed.shape == whole.shape == (1, 30 * SAMPLES_PER_TOKEN)
    assert (streamed - whole).abs().max() < 1e-5
    assert whole.abs().max() > 1e-3


def test_decoder_looks_at_most_three_tokens_ahead() -> None:
    torch.manual_seed(0)
    codec = tiny_codec()
    digits = torch.zeros(1, 20, 6, dtype=torch.long)
    samples, _ = codec.decode_stream(digits, "heart", None, final=False)
    assert samples.shape[1] >= (20 - 3) * SAMPLES_PER_TOKEN
    other = digits.clone()
    other[:, 10:] = 4
    changed = (codec.decode(digits, "heart") != codec.decode(other, "heart")).nonzero()
    assert changed[0, 1] >= (10 - 3) * SAMPLES_PER_TOKEN


def test_encoding_pads_the_end_and_ignores_nothing() -> None:
    codec = tiny_codec()
    digits = codec.encode(torch.randn(1, SAMPLES_PER_TOKEN * 5 + 1) * 0.1)
    assert digits.shape == (1, 6, 6)


def test_noise_does_not_depend_on_how_a_stream_is_cut() -> None:
    first, second = source.noise_table(torch.device("cpu")), source.noise_table(torch.device("cpu"))
    assert torch.equal(torch.view_as_real(first), torch.view_as_real(second))


def test_pulses_sit_one_period_apart() -> None:
    train, _ = source.pulse_train(torch.full((1, 24_000), 100.0), torch.zeros(1, dtype=torch.float64))
    peaks = (train[0] > 0.9 * train.max()).nonzero().flatten()
    assert torch.diff(peaks[torch.diff(peaks, prepend=torch.tensor([-10])) > 5]).float().mean() == pytest.approx(
        240, abs=1
    )

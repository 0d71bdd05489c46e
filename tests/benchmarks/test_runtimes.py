"""Other runtimes compute what ours does, and a codec on a thread of its own says the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("psutil")

import precision
import threads
from instruments.runtimes import Int8, onnx_runtime
from instruments.ticking import SpeakingRig, chunks_of
from support.tiny_voice import tiny_model, tiny_voices

from voiceagent.audio.formats import Samples
from voiceagent.engine.synthesizer import DecodedBlock, SynthesisState, Synthesizer
from voiceagent.model.decode.packed import PackedModel, Row
from voiceagent.model.torch_model import TorchModel
from voiceagent.text.chunk import Chunk, Word
from voiceagent.text.phonemes.phonemizer import PhonemeText


def fake_phonemizer(chunk: Chunk) -> PhonemeText:
    """Letters are phonemes."""
    words = (Word(word, chunk.start, chunk.start + 1, word) for word in chunk.spoken.split())
    return PhonemeText(tuple(words), tuple(chunk.lookahead.split()), chunk.warnings)


@pytest.mark.parametrize("gelu", [False, True])
def test_eight_bits_are_near(gelu: bool) -> None:
    torch.manual_seed(0)
    weight, bias, x = torch.randn(64, 48), torch.randn(64), torch.randn(3, 5, 48)
    expected = torch.nn.functional.linear(x, weight, bias)
    expected = torch.nn.functional.gelu(expected, approximate="tanh") if gelu else expected
    error = (Int8(weight, bias, gelu=gelu)(x) - expected).abs().max()
    assert 0 < error < 0.03 * expected.abs().max()


@pytest.mark.parametrize("runtime", ["the shape itself", "onnxruntime"])
@pytest.mark.parametrize(("stored", "pending", "own"), [(0, 0, 8), (11, 16, 8), (320, 0, 16)])
def test_a_pass_of_one_shape_equals_ours(runtime: str, stored: int, pending: int, own: int) -> None:
    torch.manual_seed(0)
    model = tiny_model()
    ours = PackedModel(model, torch.float32)
    past = ours.empty_cache()
    if stored:
        _, keys, values = ours(torch.randn(stored, 32), [Row(past, 0, 0, stored)])
        past = past.append(keys, values, keep=320)
    row, slots = Row(past, stored, pending, own), torch.randn(pending + own, 32)
    expected = ours(slots, [row])
    if runtime == "onnxruntime":
        pytest.importorskip("onnxruntime")
        shaped = precision.ShapedModel(model, onnx_runtime(eight_bits=False))
    else:
        shaped = precision.ShapedModel(model, lambda whole, _: whole)
    for made, right in zip(shaped(slots, [row]), expected, strict=True):
        assert made.shape == right.shape
        assert torch.allclose(made, right, atol=1e-4)


def test_tokens_that_differ_are_counted() -> None:
    a, b = torch.zeros(4, 6), torch.zeros(4, 6)
    b[1:3, 2] = 1
    assert precision.differing([a, a], [a, b]) == (2, 8)
    assert precision.differing([a[:3]], [b]) == (4, 4)


class Recorded(threads.Listened):
    """Keeps what is heard."""

    def __init__(self, speaker: Synthesizer) -> None:
        super().__init__(speaker)
        self.samples: list[Samples] = []

    def render(self, said: list[DecodedBlock]) -> list[tuple[Samples, SynthesisState]]:  # type: ignore[override]
        made = super().render(said)
        self.samples += [samples for samples, _ in made]
        return made


class RecordedApart(threads.Apart):
    """The same, behind the thread."""

    def __init__(self, speaker: Synthesizer) -> None:
        self.samples: list[Samples] = []
        super().__init__(speaker)

    def _work(self) -> None:
        inner, self._speaker = self._speaker, Recorded(self._speaker)  # type: ignore[assignment]
        super()._work()
        self.samples, self._speaker = self._speaker.samples, inner  # type: ignore[attr-defined]


def test_a_codec_apart_says_the_same() -> None:
    def speak(speaker: Recorded | RecordedApart) -> np.ndarray:
        rig = SpeakingRig(speaker, fake_phonemizer)  # type: ignore[arg-type]
        stream = rig.stream(chunks_of("One two three four five. Six seven eight nine."), "heart")
        while not stream.over:
            rig.tick([stream])
        speaker.drain()
        if isinstance(speaker, RecordedApart):
            speaker.stop()
        return np.concatenate(speaker.samples)

    voices = Synthesizer(TorchModel(tiny_voices()))
    inline, apart = speak(Recorded(voices)), speak(RecordedApart(voices))
    assert len(inline) > 24_000
    assert np.array_equal(inline, apart)

"""The beginning of an utterance: silence is left out, sound is not."""

from __future__ import annotations

import numpy as np
import pytest
from support.tiny_voice import tiny_voices

from voiceagent.engine.synthesizer import BLOCK, LEAD, TRIM, Synthesizer, leading_silence
from voiceagent.model.torch_model import TorchModel
from voiceagent.options import SpeakOptions


@pytest.mark.parametrize(
    ("silent", "cut"), [(0, 0), (LEAD, 0), (LEAD + 100, 100), (LEAD + TRIM, TRIM), (LEAD + TRIM + 5_000, TRIM)]
)
def test_only_silence_is_left_out_and_never_much(silent: int, cut: int) -> None:
    samples = np.concatenate((np.full(silent, 0.001), np.full(800, 0.2))).astype(np.float32)
    assert leading_silence(samples) == cut


def test_nothing_has_no_silence() -> None:
    assert leading_silence(np.zeros(0, np.float32)) == 0


def test_a_short_block_takes_fewer_steps_of_as_many_tokens() -> None:
    speaker = Synthesizer(TorchModel(tiny_voices()))
    four = SpeakOptions("heart", steps=4)
    assert [speaker.decoding_options(four, tokens).steps for tokens in (1, 4, 8, 9, BLOCK, BLOCK + 2)] == [
        1,
        1,
        2,
        3,
        4,
        4,
    ]
    assert speaker.decoding_options(SpeakOptions("heart", steps=1), 3).steps == 1
    assert speaker.decoding_options(SpeakOptions("heart")).steps == tiny_voices().decoding["heart"].steps

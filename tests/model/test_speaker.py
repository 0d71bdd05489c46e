"""The beginning of an utterance: silence is left out, sound is not."""

from __future__ import annotations

import numpy as np
import pytest

from voiceagent.model.speaker import LEAD, TRIM, leading_silence


@pytest.mark.parametrize(
    ("silent", "cut"), [(0, 0), (LEAD, 0), (LEAD + 100, 100), (LEAD + TRIM, TRIM), (LEAD + TRIM + 5_000, TRIM)]
)
def test_only_silence_is_left_out_and_never_much(silent: int, cut: int) -> None:
    samples = np.concatenate((np.full(silent, 0.001), np.full(800, 0.2))).astype(np.float32)
    assert leading_silence(samples) == cut


def test_nothing_has_no_silence() -> None:
    assert leading_silence(np.zeros(0, np.float32)) == 0

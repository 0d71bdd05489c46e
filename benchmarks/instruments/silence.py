"""Pauses in a clip: silence that is neither before its first sound nor after its last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FRAME_S = 0.01
SHORTEST_S = 0.12  # closures of stops are shorter
BELOW_DB = 40.0  # under the loud parts of the clip


@dataclass(frozen=True, slots=True)
class Pauses:
    """How many pauses, and their length together."""

    count: int = 0
    seconds: float = 0.0

    def __add__(self, other: Pauses) -> Pauses:
        return Pauses(self.count + other.count, self.seconds + other.seconds)


def pauses_of(samples: npt.NDArray[np.float32], sample_rate: int) -> Pauses:
    """The pauses inside `samples` (n,)."""
    hop = round(FRAME_S * sample_rate)
    frames = samples[: len(samples) // hop * hop].reshape(-1, hop).astype(np.float64)
    if not len(frames):
        return Pauses()
    level = np.sqrt((frames**2).mean(1))
    loud = level > np.percentile(level, 95) * 10 ** (-BELOW_DB / 20)
    sounding = np.flatnonzero(loud)
    if not len(sounding):
        return Pauses()
    silent = (np.diff(sounding) - 1) * FRAME_S  # between one sounding frame and the next
    long = silent[silent >= SHORTEST_S - FRAME_S / 2]
    return Pauses(len(long), float(long.sum()))

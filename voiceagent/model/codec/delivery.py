"""How frames are delivered: longer, at another pitch, louder, livelier. Between the decoder and the source-filter
synthesis.

A row for each feature frame (10 ms) says what is changed: how many frames become of it, a factor on F0, and a gain in
nepers. The tokens stay what they are, so that frames without a change sound as they would have without it. Plain numpy,
for any runtime.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DURATION, PITCH, GAIN = 0, 1, 2
ROW = 3
LOWEST_F0_HZ, HIGHEST_F0_HZ = 40.0, 900.0
# Frames until the running mean of log F0 moves slowly: 3 s of voiced speech.
SETTLED_FRAMES = 300


def plain_rows(frames: int) -> Floats:
    """Rows (frames, ROW) that change nothing."""
    return np.tile(np.array([1.0, 1.0, 0.0]), (frames, 1))


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """What a stream carries from call to call.

    waiting: (m, ROW) rows of frames that the decoder has not given yet; it looks a few tokens ahead.
    due: the part of an output frame that is owed, in [0, 1).
    mean: mean of log F0 so far. voiced: frames that it is of.
    """

    waiting: Floats
    due: float = 0.0
    mean: float = 0.0
    voiced: int = 0


class Delivered(NamedTuple):
    """What becomes of frames.

    copies: (F,) int64, how often each sounds. f0_hz: (F,) float32 its F0, 0 where unvoiced. gain: (F,) float32, nepers.
    """

    copies: npt.NDArray[np.int64]
    f0_hz: npt.NDArray[np.float32]
    gain: npt.NDArray[np.float32]


def deliver(
    f0_hz: npt.NDArray[np.float32], rows: Floats, state: DeliveryState, liveliness: float = 1.0
) -> tuple[Delivered, DeliveryState]:
    """The next frames of one stream, whose F0 is (F,), as they are to sound.

    rows: (n, ROW) of the frames whose tokens came with this call. Joined over calls it does not matter how a stream was
    cut.
    """
    rows = np.concatenate((state.waiting, rows))
    now, state = rows[: len(f0_hz)], replace(state, waiting=rows[len(f0_hz) :])
    lively, state = enliven(f0_hz.astype(np.float64), state, liveliness)
    pitched = np.clip(lively * now[:, PITCH], LOWEST_F0_HZ, HIGHEST_F0_HZ)
    pitched = np.where(lively > 0, np.round(pitched * 64) / 64, 0.0)  # on the decoder's own grid of F0
    clock = state.due + np.cumsum(now[:, DURATION])
    whole = np.floor(clock + 1e-6)
    if len(clock):
        state = replace(state, due=max(0.0, float(clock[-1] - whole[-1])))
    copies = np.diff(whole, prepend=0.0).astype(np.int64)
    return Delivered(copies, pitched.astype(np.float32), now[:, GAIN].astype(np.float32)), state


def enliven(f0_hz: Floats, state: DeliveryState, liveliness: float) -> tuple[Floats, DeliveryState]:
    """F0 (n,) with its distance from the running mean, in octaves, times `liveliness`; 0 is unvoiced and stays so."""
    if liveliness == 1.0:
        return f0_hz, state
    mean, voiced = state.mean, state.voiced
    moved = f0_hz.copy()
    for index in np.flatnonzero(f0_hz > 0):
        log_f0 = math.log(f0_hz[index])
        voiced += 1
        mean += (log_f0 - mean) / min(voiced, SETTLED_FRAMES)
        moved[index] = math.exp(mean + (log_f0 - mean) * liveliness)
    return moved, replace(state, mean=mean, voiced=voiced)

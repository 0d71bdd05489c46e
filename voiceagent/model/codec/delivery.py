"""How frames are delivered: longer, at another pitch, louder, livelier. Between the decoder's features and the source-filter synthesis.

A row for each feature frame (10 ms) says what is changed: how many frames become of it, a factor on F0, and a gain in nepers on
both branches. The tokens stay what they are, so that frames without a change sound as they would have without it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

DURATION, PITCH, GAIN = 0, 1, 2
ROW = 3
LOWEST_F0_HZ, HIGHEST_F0_HZ = 40.0, 900.0
# Frames until the running mean of log F0 moves slowly: 3 s of voiced speech.
SETTLED_FRAMES = 300


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """What a stream carries from call to call.

    waiting: (m, ROW) rows of frames that the decoder has not given yet; it looks a few tokens ahead.
    due: the part of an output frame that is owed, in [0, 1).
    mean: mean of log F0 so far. voiced: frames that it is of.
    """

    waiting: Tensor
    due: float = 0.0
    mean: float = 0.0
    voiced: int = 0


def plain_rows(frames: int, like: Tensor) -> Tensor:
    """Rows (frames, ROW) that change nothing."""
    return like.new_tensor([1.0, 1.0, 0.0], dtype=torch.float32).expand(frames, ROW)


def copies(durations: Tensor, due: float) -> tuple[Tensor, float]:
    """How often each frame (n,) sounds, int64, and what is owed after the last; the sum is that of the durations, rounded down."""
    clock = due + durations.double().cumsum(0)
    whole = torch.floor(clock + 1e-6)
    counts = torch.diff(whole, prepend=whole.new_zeros(1)).long()
    return counts, max(0.0, float(clock[-1] - whole[-1])) if len(durations) else due


def enliven(f0_hz: Tensor, state: DeliveryState, liveliness: float) -> tuple[Tensor, DeliveryState]:
    """F0 (n,) with its distance from the running mean, in octaves, times `liveliness`; 0 is unvoiced and stays so."""
    if liveliness == 1.0:
        return f0_hz, state
    mean, voiced = state.mean, state.voiced
    moved = f0_hz.tolist()
    for index, log_f0 in enumerate(f0_hz.clamp_min(1.0).log().tolist()):
        if moved[index] > 0:
            voiced += 1
            mean += (log_f0 - mean) / min(voiced, SETTLED_FRAMES)
            moved[index] = math.exp(mean + (log_f0 - mean) * liveliness)
    return f0_hz.new_tensor(moved), replace(state, mean=mean, voiced=voiced)


def deliver(
    filters: Tensor, f0_hz: Tensor, rows: Tensor, state: DeliveryState, liveliness: float = 1.0
) -> tuple[Tensor, Tensor, DeliveryState]:
    """The next frames of one stream as they are to sound.

    filters (1, F, BRANCHES, BINS), f0_hz (1, F), rows (n, ROW) of the frames whose tokens came with this call -> filters (1, G, ...),
    f0_hz (1, G) and the next state. Joined over calls it does not matter how a stream was cut.
    """
    rows = torch.cat((state.waiting, rows))
    count = f0_hz.shape[1]
    now, state = rows[:count], replace(state, waiting=rows[count:])
    lively, state = enliven(f0_hz[0], state, liveliness)
    pitched = (lively * now[:, PITCH]).clamp(LOWEST_F0_HZ, HIGHEST_F0_HZ)
    pitched = torch.where(lively > 0, torch.round(pitched * 64) / 64, 0.0)  # on the decoder's own grid of F0
    gained = filters[0].clone()
    gained[:, :2] += now[:, GAIN, None, None]  # harmonics and noise; the third branch is a phase
    counts, due = copies(now[:, DURATION], state.due)
    state = replace(state, due=due)
    return gained.repeat_interleave(counts, 0)[None], pitched.repeat_interleave(counts)[None], state

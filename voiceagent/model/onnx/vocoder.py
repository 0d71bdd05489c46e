"""Source-filter synthesis in NumPy: model/codec/vocoder.py, which has the formula, with every sum in an order that
streaming keeps.

The phase is counted in whole numbers, and frames are added up oldest first, so the samples of a stream are bit for bit
those of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.model.codec import source_stream
from voiceagent.model.codec.constants import (
    BINS,
    BRANCHES,
    HOP,
    LEAD,
    MAX_HARMONIC_HZ,
    MAX_LOG_MAGNITUDE,
    N_FFT,
    NOISE_FRAMES,
)

Floats = npt.NDArray[np.float32]

TURN = 2**40  # parts of a turn that the phase is counted in
_OLA_GAIN = 1.0 / 1.125  # squared Hann windows a third of their length apart add up to 9/8
_OVERLAPS = N_FFT // HOP


SourceState: TypeAlias = source_stream.SourceState[npt.NDArray[Any]]


class Synthesis:
    """`source_stream.Synthesis` in NumPy."""

    def __init__(self) -> None:
        self._noise = noise_table()

    def start(self) -> SourceState:
        """The state of one stream before its first frame."""
        nothing, lead, overlap = (self.zeros(1, samples) for samples in (0, LEAD, N_FFT - HOP))
        filters = np.zeros((1, 0, BRANCHES, BINS), np.float32)
        return source_stream.SourceState((0,), np.zeros(1, np.int64), nothing, lead, overlap, filters)

    def joined(self, *parts: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.concatenate(parts, axis=1)

    def zeros(self, streams: int, samples: int) -> npt.NDArray[Any]:
        return np.zeros((streams, samples), np.float32)

    def pulse_train(
        self, f0_hz: npt.NDArray[Any], phase: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        return pulse_train(interpolate(f0_hz), phase)

    def overlap_add(
        self,
        filters: npt.NDArray[Any],
        pulses: npt.NDArray[Any],
        frames_done: Sequence[int],
        overlap: npt.NDArray[Any],
    ) -> npt.NDArray[Any]:
        index = (np.arange(filters.shape[1]) + np.array(frames_done)[:, None]) % NOISE_FRAMES
        return overlap_add(shape(filters, pulses, self._noise[index]), overlap)

    def kept(self, part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return part.copy()


def join(states: Sequence[SourceState]) -> SourceState:
    """States whose arrays have equal shapes as one state of a batch."""
    if len(states) == 1:
        return states[0]
    done = tuple(frames for state in states for frames in state.frames_done)
    return source_stream.SourceState(
        done, *(np.concatenate(parts) for parts in zip(*(s.arrays() for s in states), strict=True))
    )


def split(state: SourceState) -> list[SourceState]:
    """The inverse of `join`; each holds its own part alone, not the batch."""
    if len(state.frames_done) == 1:
        return [state]
    return [
        source_stream.SourceState((done,), *(array[i : i + 1].copy() for array in state.arrays()))
        for i, done in enumerate(state.frames_done)
    ]


@cache
def window() -> Floats:
    """Periodic Hann, (N_FFT,)."""
    made: Floats = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)
    return made


def interpolate(f0_hz: Floats) -> Floats:
    """F0 a frame (B, m + 1) -> F0 a sample (B, m * HOP), linear between frame centres; unvoiced (0) is not blended."""
    left, right = f0_hz[:, :-1, None], f0_hz[:, 1:, None]
    u = (np.arange(HOP, dtype=np.float32) + np.float32(0.5)) / np.float32(HOP)
    blended = left + (right - left) * u
    mixed = np.where((left > 0) & (right > 0), blended, np.where(u < 0.5, left, right))
    return mixed.reshape(len(f0_hz), -1)


def pulse_train(f0_hz: Floats, phase: npt.NDArray[np.int64]) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Band-limited pulses with every harmonic below 11 kHz at unit amplitude, silent where F0 is 0.

    f0_hz (B, n) a sample, phase (B,) -> pulses (B, n) and the phase after the last sample.
    """
    steps = np.rint(f0_hz * (TURN / SAMPLE_RATE_HZ)).astype(np.int64)
    turns = (phase[:, None] + np.cumsum(steps, axis=1)) & (TURN - 1)
    theta = (turns * (2 * np.pi / TURN)).astype(np.float32)
    half_orders = np.floor(np.float32(MAX_HARMONIC_HZ) / np.maximum(f0_hz, np.float32(40))) + np.float32(0.5)
    sine = 2 * np.sin(theta / 2)
    near_zero = np.abs(sine) < 2e-3
    sine[near_zero] = 1
    ratio = np.sin(half_orders * theta) / sine
    train = np.where(near_zero, half_orders, ratio) - np.float32(0.5)
    train *= f0_hz > 0
    return train, turns[:, -1]


def shape(filters: Floats, pulses: Floats, noise: npt.NDArray[np.complex64]) -> Floats:
    """One windowed output frame each.

    filters (B, T, BRANCHES, BINS), pulses (B, LEAD + T * HOP + LEAD), noise (B, T, BINS) -> (B, T, N_FFT).
    """
    frames = np.lib.stride_tricks.sliding_window_view(pulses, N_FFT, axis=1)[:, ::HOP]
    spectrum = np.fft.rfft(frames * (window() * np.float32(4 / N_FFT)))
    loudness = np.exp(np.minimum(filters[:, :, :2], np.float32(MAX_LOG_MAGNITUDE)))
    turn = np.empty(spectrum.shape, np.complex64)
    turn.real, turn.imag = np.cos(filters[:, :, 2]), np.sin(filters[:, :, 2])
    turn *= loudness[:, :, 0]
    spectrum *= turn
    spectrum += noise * loudness[:, :, 1]
    made: Floats = np.fft.irfft(spectrum, N_FFT).astype(np.float32, copy=False)
    made *= window() * np.float32(_OLA_GAIN)
    return made


def overlap_add(frames: Floats, overlap: Floats) -> Floats:
    """(B, T, N_FFT) onto (B, N_FFT - HOP) of the frames before -> (B, (T - 1) * HOP + N_FFT)."""
    batch, count, _ = frames.shape
    hops = frames.reshape(batch, count, _OVERLAPS, HOP)
    summed = np.zeros((batch, count + _OVERLAPS - 1, HOP), np.float32)
    summed[:, : _OVERLAPS - 1] = overlap.reshape(batch, _OVERLAPS - 1, HOP)
    for late in reversed(range(_OVERLAPS)):
        summed[:, late : late + count] += hops[:, :, late]
    return summed.reshape(batch, -1)


def noise_table() -> npt.NDArray[np.complex64]:
    """The noise of model/codec/vocoder.py, (NOISE_FRAMES, BINS): its generator's numbers, sixteen a time to eight
    normal pairs.
    """
    twister = np.random.MT19937()
    twister._legacy_seeding(SAMPLE_RATE_HZ)
    drawn = twister.random_raw(NOISE_FRAMES * BINS * 2) & np.uint64(2**24 - 1)
    uniform = (drawn.astype(np.float32) * np.float32(2**-24)).reshape(-1, 2, 8)
    radius = np.sqrt(-2 * np.log(1 - uniform[:, 0]))
    angle = uniform[:, 1] * np.float32(2 * np.pi)
    normal = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1)
    return normal.reshape(NOISE_FRAMES, BINS, 2).view(np.complex64)[..., 0]

"""Source-filter synthesis in NumPy: model/codec/vocoder.py, which has the formula, with every sum in an order that streaming keeps.

The phase is counted in whole numbers, and frames are added up oldest first, so the samples of a stream are bit for bit those of the
whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceagent.audio.formats import SAMPLE_RATE_HZ
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


@dataclass(frozen=True, slots=True)
class SourceState:
    """What streams of equal standing carry from call to call; every field is a value."""

    frames_done: tuple[int, ...]  # (B,)
    phase: npt.NDArray[np.int64]  # (B,) parts of a turn
    f0_hz: Floats  # (B, m) F0 frames not yet turned into pulses, the last used one first
    pulses: Floats  # (B, p) pulses not yet covered by a whole frame
    overlap: Floats  # (B, N_FFT - HOP) partial sums of the samples to come
    filters: Floats  # (B, m, BRANCHES, BINS) frames that wait for their pulses

    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """The fields that are arrays, in the order of the class."""
        return self.phase, self.f0_hz, self.pulses, self.overlap, self.filters


def start() -> SourceState:
    """The state of one stream before its first frame."""

    def zeros(*shape: int) -> Floats:
        return np.zeros(shape, np.float32)

    overlap, filters = zeros(1, N_FFT - HOP), zeros(1, 0, BRANCHES, BINS)
    return SourceState((0,), np.zeros(1, np.int64), zeros(1, 0), zeros(1, LEAD), overlap, filters)


def join(states: Sequence[SourceState]) -> SourceState:
    """States whose arrays have equal shapes as one state of a batch."""
    if len(states) == 1:
        return states[0]
    done = tuple(frames for state in states for frames in state.frames_done)
    return SourceState(done, *(np.concatenate(parts) for parts in zip(*(s.arrays() for s in states), strict=True)))


def split(state: SourceState) -> list[SourceState]:
    """The inverse of `join`; each holds its own part alone, not the batch."""
    if len(state.frames_done) == 1:
        return [state]
    return [
        SourceState((done,), *(array[i : i + 1].copy() for array in state.arrays()))
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


def stream(
    state: SourceState, filters: Floats, f0_hz: Floats, table: npt.NDArray[np.complex64], *, final: bool
) -> tuple[Floats, SourceState]:
    """The next frames of streams that stand alike, (B, T, BRANCHES, BINS), (B, T) -> complete samples and the next state."""
    first = state.f0_hz.shape[1] == 0
    f0 = np.concatenate((state.f0_hz, f0_hz), axis=1)
    filters = np.concatenate((state.filters, filters), axis=1)
    if f0.shape[1] == 0:
        return np.zeros((len(filters), 0), np.float32), state
    known = np.concatenate((f0[:, :1], f0), axis=1) if first else f0
    if final:
        known = np.concatenate((known, f0[:, -1:]), axis=1)
    pulses, phase = state.pulses, state.phase
    if known.shape[1] > 1:
        train, phase = pulse_train(interpolate(known), phase)
        train = train[:, HOP // 2 :] if first else train
        train = train[:, : train.shape[1] - HOP // 2] if final else train
        pulses = np.concatenate((pulses, train), axis=1)
    if final:
        pulses = np.pad(pulses, ((0, 0), (0, LEAD)))
    count = max(0, min(filters.shape[1], (pulses.shape[1] - N_FFT) // HOP + 1))
    if count == 0:
        after = SourceState(state.frames_done, phase, known[:, -1:], pulses, state.overlap, filters)
        return np.zeros((len(filters), 0), np.float32), after
    index = (np.arange(count) + np.array(state.frames_done)[:, None]) % NOISE_FRAMES
    covered = pulses[:, : (count - 1) * HOP + N_FFT]
    summed = overlap_add(shape(filters[:, :count], covered, table[index]), state.overlap)
    done = summed.shape[1] if final else count * HOP
    skip = LEAD if state.frames_done[0] == 0 else 0  # streams are only batched where they stand alike
    stop = done - LEAD if final else done
    after = SourceState(
        tuple(frames + count for frames in state.frames_done),
        phase,
        known[:, -1:].copy(),
        pulses[:, count * HOP :].copy(),
        summed[:, count * HOP :].copy(),
        filters[:, count:].copy(),
    )
    return summed[:, skip:stop], after


def noise_table() -> npt.NDArray[np.complex64]:
    """The noise of model/codec/vocoder.py, (NOISE_FRAMES, BINS): its generator's numbers, sixteen a time to eight normal pairs."""
    twister = np.random.MT19937()
    twister._legacy_seeding(SAMPLE_RATE_HZ)
    drawn = twister.random_raw(NOISE_FRAMES * BINS * 2) & np.uint64(2**24 - 1)
    uniform = (drawn.astype(np.float32) * np.float32(2**-24)).reshape(-1, 2, 8)
    radius = np.sqrt(-2 * np.log(1 - uniform[:, 0]))
    angle = uniform[:, 1] * np.float32(2 * np.pi)
    normal = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1)
    return normal.reshape(NOISE_FRAMES, BINS, 2).view(np.complex64)[..., 0]

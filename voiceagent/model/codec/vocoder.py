"""Source-filter synthesis: pulses at F0 and noise, shaped a frame at a time, added up by inverse STFT.

    S_k = exp(h_k + i * theta_k) * STFT(pulses(F0))_k + exp(n_k) * Z_k

Frames are 30 ms long and 10 ms apart (24 kHz). h and n are log magnitudes of the harmonic and the noise branch; theta
turns the harmonics, because pulses of zero phase buzz, in a deep voice above all. Z is white noise from a table that
the absolute frame index addresses, so that a stream and a whole utterance hear the same noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

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

SourceState: TypeAlias = source_stream.SourceState[Tensor]


def window(like: Tensor) -> Tensor:
    """Periodic Hann, (N_FFT,)."""
    return torch.hann_window(N_FFT, dtype=torch.float32, device=like.device)


_OLA_GAIN = 1.0 / 1.125  # squared Hann windows a third of their length apart add up to 9/8


def noise_table(device: torch.device) -> Tensor:
    """White noise in the STFT domain, (NOISE_FRAMES, BINS) complex64, the same in every process."""
    generator = torch.Generator().manual_seed(24_000)
    pair = torch.randn(NOISE_FRAMES, BINS, 2, generator=generator)
    return torch.view_as_complex(pair).to(device)


def interpolate(f0_hz: Tensor) -> Tensor:
    """F0 a frame (B, m + 1) -> F0 a sample (B, m * HOP), linear between frame centres; unvoiced (0) is not blended."""
    left, right = f0_hz[:, :-1, None], f0_hz[:, 1:, None]
    u = ((torch.arange(HOP, device=f0_hz.device) + 0.5) / HOP).to(f0_hz.dtype)
    both = (left > 0) & (right > 0)
    blended = left + (right - left) * u
    nearest = torch.where(u < 0.5, left, right)
    return torch.where(both, blended, nearest).flatten(1)


def pulse_train(f0_hz: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
    """Band-limited pulses with every harmonic below 11 kHz at unit amplitude, silent where F0 is 0.

    f0_hz (B, n) a sample, phase (B,) in turns -> pulses (B, n) float32 and the phase after the last sample.
    """
    turns = phase[:, None] + torch.cumsum(f0_hz.double() / SAMPLE_RATE_HZ, dim=1)
    theta = ((turns % 1.0) * (2 * torch.pi)).float()
    half_orders = torch.floor(MAX_HARMONIC_HZ / f0_hz.clamp_min(40.0)) + 0.5
    sine = 2 * torch.sin(theta / 2)
    near_zero = sine.abs() < 2e-3
    train = (
        torch.where(near_zero, half_orders, torch.sin(half_orders * theta) / torch.where(near_zero, 1.0, sine)) - 0.5
    )
    return train * (f0_hz > 0), turns[:, -1] % 1.0


def shape(filters: Tensor, pulses: Tensor, noise: Tensor) -> Tensor:
    """One windowed output frame each.

    filters (B, T, BRANCHES, BINS), pulses (B, LEAD + T * HOP + LEAD), noise (T, BINS) or (B, T, BINS) -> (B, T, N_FFT).
    """
    w = window(filters)
    frames = pulses.unfold(1, N_FFT, HOP) * (w / (N_FFT / 4))
    source = torch.fft.rfft(frames)
    harmonic, hiss, turn = filters.float().unbind(2)
    harmonic, hiss = harmonic.clamp_max(MAX_LOG_MAGNITUDE).exp(), hiss.clamp_max(MAX_LOG_MAGNITUDE).exp()
    along, across = harmonic * torch.cos(turn), harmonic * torch.sin(turn)
    real = source.real * along - source.imag * across + noise.real * hiss
    imag = source.imag * along + source.real * across + noise.imag * hiss
    made: Tensor = torch.fft.irfft(torch.complex(real, imag), N_FFT)
    return made * (w * _OLA_GAIN)


def overlap_add(frames: Tensor) -> Tensor:
    """(B, T, N_FFT) -> (B, (T - 1) * HOP + N_FFT)."""
    batch, count, _ = frames.shape
    length = (count - 1) * HOP + N_FFT
    folded = F.fold(frames.transpose(1, 2), (1, length), (1, N_FFT), stride=(1, HOP))
    return folded.reshape(batch, length)


def synthesize(filters: Tensor, f0_hz: Tensor, noise: Tensor, *, phase: Tensor | None = None) -> Tensor:
    """A whole utterance (or a training crop) at once.

    filters (B, T, BRANCHES, BINS), f0_hz (B, T), noise (T, BINS) -> samples (B, T * HOP).
    """
    phase = f0_hz.new_zeros(f0_hz.shape[0], dtype=torch.float64) if phase is None else phase
    padded = torch.cat((f0_hz[:, :1], f0_hz, f0_hz[:, -1:]), dim=1)
    # (T + 1) hops, from the centre before the first to after the last
    train, _ = pulse_train(interpolate(padded), phase)
    train = train[:, HOP // 2 : HOP // 2 + f0_hz.shape[1] * HOP]
    frames = shape(filters, F.pad(train, (LEAD, LEAD)), noise)
    return overlap_add(frames)[:, LEAD : LEAD + f0_hz.shape[1] * HOP]


@dataclass(frozen=True, slots=True)
class Synthesis:
    """`source_stream.Synthesis` in torch, with the noise (NOISE_FRAMES, BINS) of `noise_table`."""

    noise: Tensor

    def start(self, batch: int) -> SourceState:
        """The state before the first frame."""
        phase = torch.zeros(batch, dtype=torch.float64, device=self.noise.device)  # in turns
        filters = torch.zeros(batch, 0, BRANCHES, BINS, device=self.noise.device)
        nothing, lead, overlap = (self.zeros(batch, samples) for samples in (0, LEAD, N_FFT - HOP))
        return source_stream.SourceState((0,) * batch, phase, nothing, lead, overlap, filters)

    def joined(self, *parts: Tensor) -> Tensor:
        return torch.cat(parts, dim=1)

    def zeros(self, streams: int, samples: int) -> Tensor:
        return torch.zeros(streams, samples, device=self.noise.device)

    def pulse_train(self, f0_hz: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        return pulse_train(interpolate(f0_hz), phase)

    def overlap_add(self, filters: Tensor, pulses: Tensor, frames_done: Sequence[int], overlap: Tensor) -> Tensor:
        began = torch.tensor(frames_done, device=self.noise.device)
        index = (torch.arange(filters.shape[1], device=self.noise.device) + began[:, None]) % NOISE_FRAMES
        summed = overlap_add(shape(filters, pulses, self.noise[index]))
        return torch.cat((summed[:, : N_FFT - HOP] + overlap, summed[:, N_FFT - HOP :]), dim=1)

    def kept(self, part: Tensor) -> Tensor:
        return part


def join(states: Sequence[SourceState]) -> SourceState:
    """States whose tensors have equal shapes as one state of a batch."""
    done = tuple(frames for state in states for frames in state.frames_done)
    parts = zip(*(state.arrays() for state in states), strict=True)
    return source_stream.SourceState(done, *(torch.cat(part) for part in parts))


def split(state: SourceState) -> list[SourceState]:
    """The inverse of `join`."""
    return [
        source_stream.SourceState((done,), *(tensor[i : i + 1] for tensor in state.arrays()))
        for i, done in enumerate(state.frames_done)
    ]

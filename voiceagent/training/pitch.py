"""F0 by normalised cross-correlation and dynamic programming (after RAPT, Talkin 1995), 100 values a second.

DIO doubled the octave of a deep voice in 64% of its voiced frames (docs/lab.md); this does not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RATE_HZ = 6_000  # enough for F0, and a quarter of ours
HOP = RATE_HZ // 100
WINDOW = 240  # 40 ms
CANDIDATES = 4
UNVOICED_COST, ONSET_COST, OCTAVE_COST, LAG_COST = 0.5, 0.25, 0.9, 0.15

FloatArray = npt.NDArray[np.float64]


def correlation(samples: npt.NDArray[np.float32], max_lag: int) -> tuple[FloatArray, FloatArray]:
    """24 kHz samples -> normalised cross-correlation (frames, max_lag + 1) and RMS (frames,)."""
    from scipy.signal import decimate

    low = decimate(samples.astype(np.float64), 4, ftype="fir")
    count = len(samples) // 240
    padded = np.pad(low, (WINDOW // 2 - HOP // 2, WINDOW + max_lag + HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW + max_lag)[::HOP][:count]
    size = 1 << (WINDOW + max_lag).bit_length()
    spectrum = np.conj(np.fft.rfft(frames[:, :WINDOW], size)) * np.fft.rfft(frames, size)
    product = np.fft.irfft(spectrum, size)[:, : max_lag + 1]
    energy = np.cumsum(np.pad(frames**2, ((0, 0), (1, 0))), axis=1)
    energy = energy[:, WINDOW:] - energy[:, :-WINDOW]  # (frames, max_lag + 1)
    rms = np.sqrt(energy[:, 0] / WINDOW)
    return product / np.sqrt(energy[:, :1] * energy + 1e-7), rms


def track(
    samples: npt.NDArray[np.float32], *, floor_hz: float = 60.0, ceiling_hz: float = 400.0
) -> npt.NDArray[np.float32]:
    """Samples (n,) at 24 kHz in [-1, 1] -> F0 (n // 240,) in Hz, 0 where unvoiced."""
    longest, shortest = int(RATE_HZ / floor_hz), int(RATE_HZ / ceiling_hz)
    scores, rms = correlation(samples, longest + 1)
    if not len(scores):
        return np.zeros(0, np.float32)
    inner = scores[:, 1:-1]
    peaks = (inner >= scores[:, :-2]) & (inner > scores[:, 2:])
    lags = np.arange(1, longest + 1)
    peaks &= lags >= shortest
    value = np.where(peaks, inner - LAG_COST * lags / longest, -1.0)
    best = np.argsort(-value, axis=1)[:, :CANDIDATES]  # (frames, CANDIDATES)
    rows = np.arange(len(best))[:, None]
    curve = scores[rows, best] + scores[rows, best + 2] - 2 * scores[rows, best + 1]
    shift = 0.5 * (scores[rows, best] - scores[rows, best + 2]) / np.where(np.abs(curve) < 1e-9, 1.0, curve)
    f0 = RATE_HZ / (lags[best] + np.clip(shift, -0.5, 0.5))
    cost = 1.0 - np.take_along_axis(value, best, 1)
    cost = np.where(np.take_along_axis(peaks, best, 1), cost, 9.0) + np.where(rms < 2e-3, 9.0, 0.0)[:, None]
    return _smooth(f0, cost)


def _smooth(f0: FloatArray, cost: FloatArray) -> npt.NDArray[np.float32]:
    """The cheapest path through candidates (frames, C) and an unvoiced state."""
    frames = len(f0)
    octave = np.log2(f0)
    local = np.concatenate((cost, np.full((frames, 1), UNVOICED_COST)), axis=1)
    total, back = local[0], np.zeros((frames, local.shape[1]), np.int64)
    change = np.zeros((local.shape[1], local.shape[1]))
    change[:-1, -1] = change[-1, :-1] = ONSET_COST
    for t in range(1, frames):
        change[:-1, :-1] = OCTAVE_COST * np.minimum(np.abs(octave[t - 1][:, None] - octave[t][None, :]) * 2, 1.5)
        through = total[:, None] + change
        back[t] = through.argmin(0)
        total = through[back[t], np.arange(len(total))] + local[t]
    path = np.empty(frames, np.int64)
    path[-1] = int(total.argmin())
    for t in range(frames - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    voiced = path < f0.shape[1]
    chosen = f0[np.arange(frames), np.minimum(path, f0.shape[1] - 1)]
    return np.where(voiced, chosen, 0.0).astype(np.float32)

"""Figures of the codec that both its implementations share."""

from __future__ import annotations

TOKEN_RATE_HZ = 25
FRAMES_PER_TOKEN = 4
HOP, N_FFT = 240, 720
BINS = N_FFT // 2 + 1
LEAD = (N_FFT - HOP) // 2  # a frame's window starts this many samples before its own hop
SAMPLES_PER_TOKEN = FRAMES_PER_TOKEN * HOP
NOISE_FRAMES = 1024
BRANCHES = 3  # h, n, theta
MAX_HARMONIC_HZ = 11_000.0
MAX_LOG_MAGNITUDE = 5.0

"""Samples to uncompressed bytes: 16-bit and float PCM, and the 8-bit companding of telephony (ITU-T G.711)."""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from voiceagent.audio.formats import Samples

FULL_SCALE = 32767.0
# What a header says of a stream whose length nobody knows yet; players then read to the end.
UNKNOWN_LENGTH = 0xFFFFFFFF


def to_s16le(samples: Samples) -> bytes:
    """Rounds to 16-bit little-endian integers; what is beyond full scale or not a number is clipped or silent."""
    return to_int16(samples).astype("<i2", copy=False).tobytes()


def to_f32le(samples: Samples) -> bytes:
    """32-bit little-endian floats; what is not a number is silent."""
    return finite(samples).astype("<f4").tobytes()


def to_mulaw(samples: Samples) -> bytes:
    """One byte a sample, mu-law."""
    return _nearest_codes(to_int16(samples), mulaw_values())


def to_alaw(samples: Samples) -> bytes:
    """One byte a sample, A-law."""
    return _nearest_codes(to_int16(samples), alaw_values())


def to_int16(samples: Samples) -> NDArray[np.int16]:
    """16-bit integers of the same shape."""
    integers: NDArray[np.int16] = np.rint(np.clip(finite(samples), -1.0, 1.0) * FULL_SCALE).astype(np.int16)
    return integers


def finite(samples: Samples) -> Samples:
    """The same samples; what is not a number is silent, what is infinite at full scale."""
    return np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)


@cache
def mulaw_values() -> NDArray[np.int16]:
    """What each of the 256 mu-law codes stands for, as 16-bit values."""
    code = np.arange(256) ^ 0xFF  # all bits are inverted on the line
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    values: NDArray[np.int16] = np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)
    return values


@cache
def alaw_values() -> NDArray[np.int16]:
    """What each of the 256 A-law codes stands for, as 16-bit values."""
    code = np.arange(256) ^ 0x55  # every other bit is inverted on the line
    exponent, mantissa = (code >> 4) & 7, code & 15
    linear = (mantissa << 4) + 8
    magnitude = np.where(exponent == 0, linear, (linear + 0x100) << np.maximum(exponent - 1, 0))
    values: NDArray[np.int16] = np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)
    return values


def wav_header(sample_rate: int, samples: int | None = None) -> bytes:
    """The 44 bytes before 16-bit mono samples; without their number, or beyond 4 GiB, it says that the length is not
    known.
    """
    data_bytes = UNKNOWN_LENGTH if samples is None else 2 * samples
    known = data_bytes + 36 < UNKNOWN_LENGTH
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", data_bytes + 36 if known else UNKNOWN_LENGTH, b"WAVE"),
        *(b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16),
        *(b"data", data_bytes if known else UNKNOWN_LENGTH),
    )


def _nearest_codes(integers: NDArray[np.int16], values: NDArray[np.int16]) -> bytes:
    """For each integer the code whose value is nearest to it."""
    order = np.argsort(values, kind="stable")
    ascending = values[order].astype(np.int32)
    midpoints = (ascending[1:] + ascending[:-1]) / 2
    return order[np.searchsorted(midpoints, integers)].astype(np.uint8).tobytes()

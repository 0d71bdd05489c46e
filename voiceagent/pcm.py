"""Samples to bytes: integer or float PCM at any of our rates, one stateful resampler a stream.

Resampling frame by frame with fresh state would click at every seam; `soxr.ResampleStream` gives exactly
what it would give for the whole stream at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from voiceagent.events import SAMPLE_RATE_HZ, AudioFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from voiceagent.events import Samples


def to_s16le(samples: Samples) -> bytes:
    """Rounds to 16-bit little-endian integers; what is beyond full scale or not a number is clipped or silent."""
    finite = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    integers: NDArray[np.int16] = np.rint(np.clip(finite, -1.0, 1.0) * 32767.0).astype("<i2")
    return integers.tobytes()


def to_f32le(samples: Samples) -> bytes:
    """32-bit little-endian floats; what is not a number is silent."""
    return np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0).astype("<f4").tobytes()


class StreamEncoder:
    """Encodes the frames of one stream, in order."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._to_bytes = to_s16le if audio_format.encoding == "pcm_s16le" else to_f32le
        self._resampler = None
        self._samples_out = 0
        if audio_format.sample_rate != SAMPLE_RATE_HZ:
            import soxr

            self._resampler = soxr.ResampleStream(SAMPLE_RATE_HZ, audio_format.sample_rate, 1, dtype="float32")

    @property
    def samples_out(self) -> int:
        """Samples encoded so far, at the format's rate: where the next payload begins."""
        return self._samples_out

    def encode(self, samples: Samples, *, last: bool = False) -> bytes:
        """The payload of the next frame; `last` also empties the resampler."""
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=last)
        self._samples_out += len(samples)
        return self._to_bytes(samples)

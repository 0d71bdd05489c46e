"""What the bytes of an audio stream are: encoding, rate and bit rate. `voiceagent.audio.encoders` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples: TypeAlias = NDArray[np.float32]
else:
    Samples = "NDArray[np.float32]"  # who names samples need not load NumPy

SAMPLE_RATE_HZ = 24_000
"""The rate of the voices; everything else is resampled from it."""
SAMPLE_RATES_HZ = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
OPUS_RATES_HZ = (8_000, 16_000, 24_000, 48_000)
COMPRESSED = ("mp3", "opus", "aac", "flac")
"""Encodings whose payloads make sense only joined; they need PyAV."""
ENCODINGS = ("pcm_s16le", "pcm_f32le", "mulaw", "alaw", "wav", *COMPRESSED)
# Bits a second that a codec takes; within its range it uses the nearest that it has at the rate.
BIT_RATES = {"mp3": (8_000, 320_000), "opus": (6_000, 256_000), "aac": (8_000, 256_000)}


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What the payload of an audio frame is. All encodings are mono.

    Raises:
        ValueError: an encoding or a rate that we do not make, or a bit rate that the encoding does not have.
    """

    encoding: str = "pcm_s16le"
    sample_rate: int = SAMPLE_RATE_HZ
    bit_rate: int | None = None
    """Bits a second, for mp3, opus and aac; None is enough for a voice."""

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ValueError(f"unknown encoding {self.encoding!r}; encodings here: {', '.join(ENCODINGS)}")
        rates = OPUS_RATES_HZ if self.encoding == "opus" else SAMPLE_RATES_HZ
        if self.sample_rate not in rates:
            listed = ", ".join(map(str, rates))
            raise ValueError(f"unknown sample_rate {self.sample_rate} for {self.encoding}; rates here: {listed}")
        if self.bit_rate is not None:
            self._check_bit_rate(self.bit_rate)

    def _check_bit_rate(self, bit_rate: int) -> None:
        if self.encoding not in BIT_RATES:
            raise ValueError(f"{self.encoding} has no bit_rate; leave it out, or choose among {', '.join(BIT_RATES)}")
        low, high = BIT_RATES[self.encoding]
        if not low <= bit_rate <= high:
            raise ValueError(f"bit_rate {bit_rate} is not within {low} and {high}, as {self.encoding} needs it")

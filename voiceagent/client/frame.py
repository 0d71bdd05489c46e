"""A piece of audio as a client gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from voiceagent.audio.formats import AudioFormat
from voiceagent.errors import InputError
from voiceagent.protocol import outputs

if TYPE_CHECKING:
    from voiceagent.audio.formats import Samples


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A piece of audio, and the words that begin in it."""

    payload: bytes
    """As the server sent it, in `format`."""
    format: AudioFormat
    words: tuple[outputs.WordTime, ...]
    """Words whose audio starts inside this frame; times from the start of the utterance."""
    seq: int
    """Number of the frame within its utterance, from 0, without gaps."""
    pts_samples: int
    """Where the frame begins, counted in samples of `format` from the start of the utterance."""
    last: bool = False

    @property
    def sample_rate(self) -> int:
        """Hertz."""
        return self.format.sample_rate

    @property
    def samples(self) -> Samples:
        """The payload as (n,) float32 in [-1, 1].

        Raises:
            InputError: the encoding is neither pcm_s16le nor pcm_f32le.
        """
        import numpy as np

        if self.format.encoding == "pcm_s16le":
            return np.frombuffer(self.payload, "<i2").astype(np.float32) / np.float32(32767)
        if self.format.encoding == "pcm_f32le":
            return np.frombuffer(self.payload, "<f4").astype(np.float32)
        raise InputError(f"frames of {self.format.encoding} have no samples: ask for pcm_s16le, or use the payload")

    @property
    def pcm(self) -> bytes:
        """The samples as 16-bit little-endian integers."""
        if self.format.encoding == "pcm_s16le":
            return self.payload
        from voiceagent.audio.pcm import to_s16le

        return to_s16le(self.samples)

"""Samples to mp3, Ogg Opus, AAC and FLAC by PyAV, whose bytes leave while the speech goes on.

PyAV is of the extra `files`; this module is imported only where a stream asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import av
import numpy as np

from voiceagent.audio.pcm import finite, to_int16

if TYPE_CHECKING:
    from voiceagent.audio.formats import AudioFormat, Samples


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How FFmpeg is asked for a format."""

    container: str
    codec: str
    sample_format: str
    bit_rate: int | None
    """Used where the client names none; enough for a voice."""
    container_options: dict[str, str] = field(default_factory=dict)


_RECIPES = {
    # The header that counts the frames can only be written at the end, by going back: a stream has none.
    "mp3": _Recipe("mp3", "libmp3lame", "s16p", 64_000, {"write_xing": "0", "id3v2_version": "0"}),
    # Pages as short as half of one of our frames, so that no speech waits in an open page; no number by chance in them.
    "opus": _Recipe("ogg", "libopus", "s16", 48_000, {"page_duration": "40000", "fflags": "+bitexact"}),
    "aac": _Recipe("adts", "aac", "fltp", 64_000),
    # Without the 8 KB that FFmpeg leaves free for tags.
    "flac": _Recipe("flac", "flac", "s16", None, {"metadata_header_padding": "0", "fflags": "+bitexact"}),
}


class Compressor:
    """One compressed stream: samples in, the bytes that are ready out.

    A codec works on blocks of its own (13 to 128 ms), so a call may give nothing and the next one more.
    """

    def __init__(self, audio_format: AudioFormat) -> None:
        recipe = _RECIPES[audio_format.encoding]
        self._rate = audio_format.sample_rate
        self._sample_format = recipe.sample_format
        self._written = _Written()
        self._container = av.open(
            self._written, "w", format=recipe.container, container_options=recipe.container_options
        )
        stream = self._container.add_stream(recipe.codec, rate=self._rate, layout="mono")
        self._stream = cast("av.AudioStream", stream)
        self._stream.codec_context.format = av.AudioFormat(recipe.sample_format)
        bit_rate = audio_format.bit_rate or recipe.bit_rate
        if bit_rate is not None:
            self._stream.bit_rate = bit_rate
        self._samples_in = 0

    def encode(self, samples: Samples, last: bool) -> bytes:
        """The bytes that are ready after these samples, which are at the format's rate; `last` closes the stream."""
        if len(samples):
            self._mux(self._stream.encode(self._frame(samples)))
        if last:
            self._mux(self._stream.encode(None))
            self._container.close()
        return self._written.take()

    def _frame(self, samples: Samples) -> av.AudioFrame:
        floats = self._sample_format == "fltp"
        plane = finite(samples).clip(-1.0, 1.0).astype(np.float32) if floats else to_int16(samples)
        frame = av.AudioFrame.from_ndarray(plane[np.newaxis], format=self._sample_format, layout="mono")
        frame.sample_rate = self._rate
        frame.pts = self._samples_in
        self._samples_in += len(samples)
        return frame

    def _mux(self, packets: Iterable[av.Packet[Any]]) -> None:
        for packet in packets:
            self._container.mux(packet)


class _Written:
    """The file that FFmpeg writes to: it can be written and nothing else, so nothing is ever corrected afterwards."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken

"""Frames of 24 kHz samples to the bytes of a client's format: one stateful encoder a stream.

    encoder = StreamEncoder(AudioFormat("mp3", 24_000))
    for frame in frames:
        send(encoder.encode(frame.samples, last=frame.last))

Resampling or compressing frame by frame with fresh state would click at every seam. The payloads of a stream,
joined, are one file of its format; for raw encodings each payload is also good by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from voiceagent.audio.formats import COMPRESSED, ENCODINGS, SAMPLE_RATE_HZ, AudioFormat
from voiceagent.audio.pcm import to_alaw, to_f32le, to_mulaw, to_s16le, wav_header
from voiceagent.errors import InputError
from voiceagent.errors.extras import install_hint

if TYPE_CHECKING:
    from voiceagent.audio.formats import Samples

MEDIA_TYPES = {
    "pcm_s16le": "audio/pcm",
    "pcm_f32le": "audio/pcm",
    "mulaw": "audio/mulaw",
    "alaw": "audio/alaw",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
}
_TO_BYTES: dict[str, Callable[[Samples], bytes]] = {
    "pcm_s16le": to_s16le,
    "pcm_f32le": to_f32le,
    "mulaw": to_mulaw,
    "alaw": to_alaw,
    "wav": to_s16le,
}


def media_type(audio_format: AudioFormat) -> str:
    """What an HTTP answer calls this format."""
    return MEDIA_TYPES[audio_format.encoding]


def available_encodings() -> tuple[str, ...]:
    """The encodings that this installation can make."""
    return ENCODINGS if _have_pyav() else tuple(name for name in ENCODINGS if name not in COMPRESSED)


def require(audio_format: AudioFormat) -> None:
    """Makes sure that this installation can make the format, before anything is promised.

    Raises:
        InputError: it needs PyAV, which is not installed.
    """
    if audio_format.encoding in COMPRESSED and not _have_pyav():
        raise InputError(f"{audio_format.encoding} needs PyAV on the server: {install_hint('files')}")


class StreamEncoder:
    """Encodes the frames of one stream, in order.

    Raises:
        InputError: the format needs PyAV, which is not installed.
    """

    def __init__(self, audio_format: AudioFormat) -> None:
        require(audio_format)
        self._resampler = None
        self._samples_out = 0
        self._encode = _codec_of(audio_format)
        if audio_format.sample_rate != SAMPLE_RATE_HZ:
            import soxr

            self._resampler = soxr.ResampleStream(SAMPLE_RATE_HZ, audio_format.sample_rate, 1, dtype="float32")

    @property
    def samples_out(self) -> int:
        """Samples handed to the encoding so far, at the format's rate: where the next frame begins."""
        return self._samples_out

    def encode(self, samples: Samples, last: bool = False) -> bytes:
        """The payload of the next frame: what is ready of it. `last` also empties the resampler and the codec.

        Args:
            samples: (n,) at 24 kHz; may be empty.
            last: nothing will follow.
        """
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=last)
        self._samples_out += len(samples)
        return self._encode(samples, last)


def _codec_of(audio_format: AudioFormat) -> Callable[[Samples, bool], bytes]:
    """Turns samples at the format's rate into bytes."""
    if audio_format.encoding in COMPRESSED:
        from voiceagent.audio.compression import Compressor

        return Compressor(audio_format).encode
    to_bytes = _TO_BYTES[audio_format.encoding]
    header = wav_header(audio_format.sample_rate) if audio_format.encoding == "wav" else b""

    def encode(samples: Samples, last: bool) -> bytes:
        nonlocal header
        begin, header = header, b""
        return begin + to_bytes(samples)

    return encode


def _have_pyav() -> bool:
    return find_spec("av") is not None

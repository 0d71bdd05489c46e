"""Speech into a file of the kind that its name asks for: WAV, and with PyAV mp3, opus, aac and flac.

with open_speech(Path("speech.mp3")) as file:
file.write(samples)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voiceagent.audio.destination import Destination, check_writable, passes_on
from voiceagent.audio.encoders import StreamEncoder, require
from voiceagent.audio.formats import SAMPLE_RATE_HZ, AudioFormat
from voiceagent.audio.pcm import to_s16le
from voiceagent.audio.wav import open_wav
from voiceagent.errors import InputError

if TYPE_CHECKING:
    from voiceagent.audio.formats import Samples

ENCODING_OF = {
    "": "wav",
    ".wav": "wav",
    ".mp3": "mp3",
    ".opus": "opus",
    ".ogg": "opus",
    ".aac": "aac",
    ".flac": "flac",
}


class SpeechFile:
    """A file of one encoding that grows while speech arrives.

    Args:
        write: takes bytes of 16-bit samples where there is no encoder, else those of the encoder.
    """

    def __init__(self, write: Callable[[bytes], None], encoder: StreamEncoder | None = None) -> None:
        self._write = write
        self._encoder = encoder

    def write(self, samples: Samples) -> None:
        """Appends samples, float32 (n,).

        Raises:
            InputError: they cannot be written.
        """
        self._write(to_s16le(samples) if self._encoder is None else self._encoder.encode(samples))

    def finish(self) -> None:
        """Writes what the encoder still holds."""
        if self._encoder is not None:
            self._write(self._encoder.encode(np.zeros(0, np.float32), last=True))


def check_speech_file(path: Path) -> None:
    """Finds out early what can be found out early.

    Raises:
        InputError: a file could not be written there, or its name asks for a kind that is not made here.
    """
    require(AudioFormat(encoding_of(path)))
    check_writable(path)


def encoding_of(path: Path) -> str:
    """The encoding that a name asks for. What only passes bytes on gets WAV where its name asks for nothing.

    Raises:
        InputError: it asks for a kind that is not made here.
    """
    suffix = path.suffix.lower()
    if suffix in ENCODING_OF:
        return ENCODING_OF[suffix]
    if passes_on(path):
        return "wav"
    kinds = ", ".join(name for name in ENCODING_OF if name)
    raise InputError(f"cannot write {path}: no speech is made as {suffix!r}; choose one of {kinds}")


@contextmanager
def open_speech(path: Path, sample_rate: int = SAMPLE_RATE_HZ) -> Iterator[SpeechFile]:
    """A file of speech to write; it is there when the block ends without an exception.

    Raises:
        InputError: it cannot be written; on entering already, where that can be known.
    """
    encoding = encoding_of(path)
    if encoding == "wav":
        with open_wav(path, sample_rate) as wav:
            yield SpeechFile(wav.write)
        return
    if sample_rate != SAMPLE_RATE_HZ:
        raise InputError(
            f"cannot write {path}: {encoding} is made of samples at {SAMPLE_RATE_HZ} Hz, not {sample_rate}"
        )
    encoder = StreamEncoder(AudioFormat(encoding))
    with Destination(path) as to:
        file = SpeechFile(to.write, encoder)
        yield file
        file.finish()

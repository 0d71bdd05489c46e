"""WAV files that are whole or not there, and WAV streams where the destination only passes bytes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voiceagent.audio.destination import Destination
from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.audio.pcm import wav_header

SAMPLE_BYTES = 2


class WavFile:
    """A 16-bit mono WAV file that grows while speech arrives. A stream says in its header that its length is not
    known.
    """

    def __init__(self, to: Destination, sample_rate: int) -> None:
        self._to = to
        self._sample_rate = sample_rate
        self._samples = 0
        to.write(wav_header(sample_rate))

    def write(self, pcm: bytes) -> None:
        """Appends 16-bit little-endian samples.

        Raises:
            InputError: they cannot be written.
        """
        self._to.write(pcm)
        self._samples += len(pcm) // SAMPLE_BYTES

    def finish(self) -> None:
        """Puts the length into the header, where that can still be done."""
        if not self._to.passes_on:
            self._to.rewrite(wav_header(self._sample_rate, self._samples))


@contextmanager
def open_wav(path: Path, sample_rate: int = SAMPLE_RATE_HZ) -> Iterator[WavFile]:
    """A WAV file to write; it is there when the block ends without an exception.

    Raises:
        InputError: it cannot be written; on entering already, where that can be known.
    """
    with Destination(path) as to:
        file = WavFile(to, sample_rate)
        yield file
        file.finish()

"""WAV files that are whole or not there: written beside their name and renamed when complete."""

from __future__ import annotations

import os
import wave
from pathlib import Path
from types import TracebackType

from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.errors import InputError


class WavFile:
    """A 16-bit mono WAV file that grows while speech arrives.

    Raises:
        InputError: it cannot be written; on entering already, where that can be known.
    """

    def __init__(self, path: Path, sample_rate: int = SAMPLE_RATE_HZ) -> None:
        self.path = path
        self._part = path.with_name(f".{path.name}.part")
        self._sample_rate = sample_rate

    def __enter__(self) -> WavFile:
        check_writable(self.path)
        try:
            self._file = self._part.open("wb")
            self._wave = wave.open(self._file, "wb")
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror}") from error
        self._wave.setnchannels(1)
        self._wave.setsampwidth(2)
        self._wave.setframerate(self._sample_rate)
        return self

    def write(self, pcm: bytes) -> None:
        """Appends 16-bit little-endian samples."""
        try:
            self._wave.writeframesraw(pcm)
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._wave.writeframes(b"")  # corrects the length in the header
            self._wave.close()
            self._file.close()
            if kind is None:
                os.replace(self._part, self.path)
        except OSError as cause:
            raise InputError(f"cannot write {self.path}: {cause.strerror}") from cause
        finally:
            self._file.close()
            self._part.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Finds out early what can be found out early.

    Raises:
        InputError: a file could not be written there.
    """
    try:
        if path.is_dir():
            raise InputError(f"cannot write {path}: it is a folder")
        if not path.parent.is_dir():
            raise InputError(f"cannot write {path}: there is no folder {path.parent}")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"cannot write {path}: {path.parent} may not be written to")

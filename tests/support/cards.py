"""Sound cards for tests: PortAudio and ALSA are real, what is behind them is a file.

ALSA's `file` and `null` devices take samples as fast as they are given; `Paced` makes them as slow as a card.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from support.required import skip_or_fail

Samples = NDArray[np.float32]

CONFIG = """
pcm.null {{ type null }}
pcm.nowhere {{ type null }}
pcm.speaker {{ type file  slave.pcm "null"  file "{folder}/played.raw"  format "raw" }}
pcm.microphone {{ type file  slave.pcm "null"  file "/dev/null"  infile "{folder}/recorded.raw"  format "raw" }}
pcm.!default {{ type plug  slave.pcm "null" }}
"""


def require_portaudio() -> None:
    """Skips a module of tests where there is none."""
    try:
        importlib.import_module("sounddevice")
    except OSError:
        skip_or_fail("no PortAudio: make portaudio", whole_module=True)


@contextmanager
def alsa(folder: Path) -> Iterator[Any]:
    """The sounddevice module, seeing only the devices `speaker`, `microphone`, `nowhere` and the default."""
    path = folder / "alsa.conf"
    path.write_text(CONFIG.format(folder=folder))
    before = os.environ.get("ALSA_CONFIG_PATH")
    os.environ["ALSA_CONFIG_PATH"] = str(path)
    sounddevice = importlib.import_module("sounddevice")
    sounddevice._terminate()
    sounddevice._initialize()
    try:
        yield sounddevice
    finally:
        if before is None:
            del os.environ["ALSA_CONFIG_PATH"]
        else:
            os.environ["ALSA_CONFIG_PATH"] = before


def played(folder: Path) -> Samples:
    """What has come out of `speaker`, silence included."""
    return np.fromfile(folder / "played.raw", np.float32)


def record(folder: Path, samples: Samples) -> None:
    """What `microphone` will hear; silence after."""
    np.concatenate([samples, np.zeros(1_000_000, np.float32)]).astype(np.float32).tofile(folder / "recorded.raw")


class Paced:
    """Stands for the sounddevice module: as that, but no faster than real time.

    Args:
        refused_hz: sample rates that the card does not take.
        owned_hz: the rate that the card says is its own.
    """

    def __init__(self, sounddevice: Any, *, refused_hz: tuple[int, ...] = (), owned_hz: int | None = None) -> None:
        self.PortAudioError = sounddevice.PortAudioError
        self.frames = 0
        """How far the last stream has come."""
        self._sounddevice = sounddevice
        self._refused_hz = refused_hz
        self._owned_hz = owned_hz

    def query_devices(self, device: Any = None, kind: str | None = None) -> Any:
        found = self._sounddevice.query_devices(device, kind)
        if isinstance(found, dict) and self._owned_hz is not None:
            return {**found, "default_samplerate": float(self._owned_hz)}
        return found

    def OutputStream(self, **options: Any) -> Any:  # noqa: N802  its name
        return self._open(self._sounddevice.OutputStream, **options)

    def InputStream(self, **options: Any) -> Any:  # noqa: N802  its name
        return self._open(self._sounddevice.InputStream, **options)

    def _open(self, stream: Any, *, samplerate: int, callback: Callable[..., None], **options: Any) -> Any:
        if samplerate in self._refused_hz:
            raise self.PortAudioError("Invalid sample rate", -9997)
        begin_s: float | None = None

        def paced(block: Any, frames: int, at: object, status: object) -> None:
            nonlocal begin_s
            begin_s = begin_s or time.monotonic()
            callback(block, frames, at, status)
            self.frames += frames
            time.sleep(max(0.0, begin_s + self.frames / samplerate - time.monotonic()))

        self.frames = 0
        return stream(samplerate=samplerate, callback=paced, **options)

"""The loudspeaker of this machine, by PortAudio."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any

from voiceagent.errors import AudioDeviceError
from voiceagent.events import SAMPLE_RATE_HZ
from voiceagent.player import PlayBuffer

if TYPE_CHECKING:
    from voiceagent.events import Samples

AHEAD_S = 1.0
OTHERWISE = "or write a file instead: -o out.wav"


def load_sounddevice() -> Any:
    """The sounddevice module.

    Raises:
        AudioDeviceError: it, or the PortAudio library below it, is not installed.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise AudioDeviceError(f"no sounddevice package: pip install 'voiceagent[local]', {OTHERWISE}") from error
    except OSError as error:
        raise AudioDeviceError(f"no PortAudio library: apt-get install libportaudio2, {OTHERWISE}") from error
    return sounddevice


def default_output(sounddevice: Any) -> str:
    """Name of the device that would play.

    Raises:
        AudioDeviceError: there is none.
    """
    try:
        return str(sounddevice.query_devices(kind="output")["name"])
    except (ValueError, sounddevice.PortAudioError) as error:
        raise AudioDeviceError(f"no sound card that can play: connect one, {OTHERWISE}") from error


class Loudspeaker:
    """Plays samples as they come; leave it to wait for the end, or by an error to stop at once.

    Args:
        sounddevice: stands for the module in tests.

    Raises:
        AudioDeviceError: nothing here can play.
    """

    def __init__(self, sounddevice: Any = None) -> None:
        self._sounddevice = sounddevice or load_sounddevice()
        default_output(self._sounddevice)
        self._buffer = PlayBuffer()

    @property
    def underruns(self) -> int:
        """How often the card found nothing to play in the middle of speech."""
        return self._buffer.underruns

    async def __aenter__(self) -> Loudspeaker:
        try:
            self._stream = self._sounddevice.OutputStream(
                samplerate=SAMPLE_RATE_HZ, channels=1, dtype="float32", latency="low", callback=self._fill
            )
            self._stream.start()
        except self._sounddevice.PortAudioError as error:
            raise AudioDeviceError(f"the sound card does not play: {error}; {OTHERWISE}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._buffer.finish()
            else:
                self._buffer.drop()
            # The card still holds a little of what was pulled.
            await asyncio.sleep(self._buffer.buffered_s + float(self._stream.latency))
        finally:
            self._stream.close()

    async def play(self, samples: Samples) -> None:
        """Queues samples, (n,) float32; waits while a second waits to be played."""
        self._buffer.put(samples)
        await asyncio.sleep(max(0.0, self._buffer.buffered_s - AHEAD_S))

    def _fill(self, out: Any, frames: int, time: object, status: object) -> None:
        out[:, 0] = self._buffer.pull(frames)

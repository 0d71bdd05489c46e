"""The loudspeaker and the microphone of this machine, by PortAudio.

    async with Loudspeaker() as loudspeaker:
        await loudspeaker.play(samples)

A card that refuses 24 kHz is opened at its own rate, and one stateful resampler a stream of speech stands between.
Both ends hand samples over in the card's own callback, which never waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from voiceagent.adapters.sound import sound_cards
from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.audio.play_buffer import PlayBuffer
from voiceagent.errors import AudioDeviceError
from voiceagent.talk.turns import HEARING_RATE_HZ

if TYPE_CHECKING:
    from voiceagent.audio.formats import Samples

# Blocks of a microphone that may wait for the event loop: ten seconds or more, for a machine that is busy elsewhere.
WAITING_BLOCKS = 3_000
POLL_S = 0.02
# A microphone that gives nothing for so long is asked whether it is still there.
SILENCE_S = 1.0


class Loudspeaker:
    """Plays samples as they come; leave it to wait for the end, or by an error to stop at once.

    Args:
        sounddevice: stands for the module in tests.
        device: number of a device or a part of its name; None is the system's default.
        listen: is called, on the sound card's thread, with every block that is played and its rate.

    Raises:
        AudioDeviceError: nothing here can play, or no such device is here.
    """

    def __init__(
        self,
        sounddevice: Any = None,
        *,
        device: str | None = None,
        listen: Callable[[Samples, int], None] | None = None,
    ) -> None:
        self._sounddevice = sounddevice or sound_cards.load_sounddevice()
        self.device = sound_cards.choose(self._sounddevice, "output", device)
        self._buffer = PlayBuffer()
        self._listen = listen
        self._latency_s = 0.0
        self._resampler: Any = None

    @property
    def underruns(self) -> int:
        """How often the card found nothing to play in the middle of speech."""
        return self._buffer.underruns

    @property
    def played_s(self) -> float:
        """Seconds of speech that have left the loudspeaker since it was opened; what was dropped is not in it."""
        in_the_card_s = self._latency_s if self._buffer.buffered_s else 0.0
        return max(0.0, self._buffer.pulled_s - in_the_card_s)

    @property
    def sounding(self) -> bool:
        """Whether speech is being played."""
        return self._buffer.buffered_s > 0

    @property
    def sample_rate(self) -> int:
        """The rate that the card was opened at."""
        return self._buffer.sample_rate

    async def __aenter__(self) -> Loudspeaker:
        self._stream = sound_cards.open_stream(self._sounddevice, "output", self.device, SAMPLE_RATE_HZ, self._fill)
        self._buffer = PlayBuffer(round(self._stream.samplerate))
        self._latency_s = float(self._stream.latency)
        sound_cards.start(self._sounddevice, "output", self.device, self._stream)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self.drain()
            else:
                self.stop()
                await self._until_empty()
        finally:
            sound_cards.end(self._stream)

    async def play(self, samples: Samples) -> None:
        """Queues samples, (n,) float32 at 24 kHz; waits while two seconds wait to be played.

        Raises:
            AudioDeviceError: the loudspeaker has gone.
        """
        await self._put(self._at_card_rate(samples))

    async def drain(self) -> None:
        """The speech is complete: waits until all of it has been heard."""
        if self._resampler is not None:
            rest = self._at_card_rate(np.zeros(0, np.float32), last=True)
            self._resampler = None
            await self._put(rest)
        self._buffer.finish()
        await self._until_empty()

    def stop(self) -> None:
        """Falls silent: what waits is dropped but for a fade-out of 5 ms."""
        self._buffer.drop()
        self._resampler = None

    async def _put(self, samples: Samples) -> None:
        await asyncio.sleep(0)  # whoever writes the text gets a turn, also while there is room
        while True:
            samples = samples[self._buffer.put(samples) :]
            if not len(samples):
                return
            if not self._stream.active:
                raise AudioDeviceError(f"{self.device.name!r} has stopped playing: connect it again")
            await asyncio.sleep(POLL_S)

    async def _until_empty(self) -> None:
        while left_s := self._buffer.buffered_s:
            await asyncio.sleep(max(POLL_S, left_s / 2))
            if not self._stream.active:
                break  # the device is gone, and would never be empty
        await asyncio.sleep(self._latency_s)  # the card still holds a little of what was pulled

    def _at_card_rate(self, samples: Samples, *, last: bool = False) -> Samples:
        if self.sample_rate == SAMPLE_RATE_HZ:
            return samples
        if self._resampler is None:
            import soxr

            self._resampler = soxr.ResampleStream(SAMPLE_RATE_HZ, self.sample_rate, 1, dtype="float32")
        resampled: Samples = self._resampler.resample_chunk(samples, last=last)
        return resampled

    def _fill(self, out: Any, frames: int, time: object, status: object) -> None:
        out[:, 0] = self._buffer.pull(frames)
        if self._listen is not None:
            self._listen(out[:, 0].copy(), self.sample_rate)


class Microphone:
    """What the microphone hears, as blocks of (n,) float32 at 16 kHz: `async for block in microphone`.

    Blocks that nobody takes for ten seconds are dropped, the oldest first, and counted in `overruns`.

    Args:
        sounddevice: stands for the module in tests.
        device: number of a device or a part of its name; None is the system's default.

    Raises:
        AudioDeviceError: nothing here can record, or no such device is here.
    """

    def __init__(self, sounddevice: Any = None, *, device: str | None = None) -> None:
        self._sounddevice = sounddevice or sound_cards.load_sounddevice()
        self.device = sound_cards.choose(self._sounddevice, "input", device)
        self.overruns = 0

    async def __aenter__(self) -> Microphone:
        self._loop = asyncio.get_running_loop()
        self._blocks: asyncio.Queue[Samples] = asyncio.Queue(WAITING_BLOCKS)
        self._stream = sound_cards.open_stream(self._sounddevice, "input", self.device, HEARING_RATE_HZ, self._take)
        self._resampler = None
        if (rate_hz := round(self._stream.samplerate)) != HEARING_RATE_HZ:
            import soxr

            self._resampler = soxr.ResampleStream(rate_hz, HEARING_RATE_HZ, 1, dtype="float32")
        sound_cards.start(self._sounddevice, "input", self.device, self._stream)
        return self

    async def __aexit__(self, *_: object) -> None:
        sound_cards.end(self._stream)

    async def __aiter__(self) -> AsyncIterator[Samples]:
        """Blocks as they are recorded.

        Raises:
            AudioDeviceError: the microphone has gone.
        """
        while True:
            try:
                # Not wait_for: that of Python 3.11 loses a cancellation that comes together with a block.
                async with asyncio.timeout(SILENCE_S):
                    block = await self._blocks.get()
            except TimeoutError:
                if self._stream.active:
                    continue
                raise AudioDeviceError(f"{self.device.name!r} has stopped recording: connect it again") from None
            yield block

    def _take(self, block: Any, frames: int, time: object, status: object) -> None:
        """On the sound card's thread."""
        samples = block[:, 0].copy()
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples)
        try:
            self._loop.call_soon_threadsafe(self._keep, samples)
        except RuntimeError:
            return  # the loop is closed, so nobody listens

    def _keep(self, samples: Samples) -> None:
        if self._blocks.full():
            self._blocks.get_nowait()
            self.overruns += 1
        self._blocks.put_nowait(samples)

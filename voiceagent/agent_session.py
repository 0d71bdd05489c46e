"""One conversation's speech in your own process: what `VoiceAgent.session` gives.

Knows the live session, not the engine behind it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.errors import InputError, NoCapacity
from voiceagent.options import SpeakOptions
from voiceagent.protocol import commands, events, outputs
from voiceagent.protocol.writing import exception_of, writing
from voiceagent.session.async_session import AsyncSession
from voiceagent.settings.policy import Setting

if TYPE_CHECKING:
    from voiceagent.audio.formats import Samples


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A piece of audio as it leaves the session."""

    samples: Samples  # (n,) float32 in [-1, 1]
    words: tuple[outputs.WordTime, ...] = ()
    """Words whose audio starts inside this frame; times from the start of the utterance."""
    sample_rate: int = SAMPLE_RATE_HZ

    @property
    def pcm(self) -> bytes:
        """The samples as 16-bit little-endian integers."""
        from voiceagent.audio.pcm import to_s16le

        return to_s16le(self.samples)


class AgentSession:
    """A conversation's speech, one utterance after the other: send, end, iterate; then send the next.

    `send`, `flush`, `end` and `cancel` may be called while another task iterates, which is how text that
    is still being written gets spoken.
    """

    def __init__(self, live: AsyncSession, options: SpeakOptions, speech: Mapping[str, Setting] | None = None) -> None:
        self.warnings: list[str] = []
        """What was worth knowing about the utterance under way."""
        self._live = live
        self._options = options
        self._speech = speech
        self._count = 0
        self._id: str | None = None
        self._ended = False
        self._iterating = False

    async def send(self, text: str) -> None:
        """Adds text; the first call opens an utterance. Waits while 20,000 characters wait to be spoken.

        Raises:
            InputError: the utterance has been ended and not been iterated over.
            NoCapacity: that many characters wait and nobody iterates, so that waiting would never end.
        """
        utterance = self._writable()
        if not self._iterating and not self._live.has_room(commands.Text(utterance, text)):
            raise NoCapacity("the text buffer is full: iterate over the session while you send")
        await self._live.write(utterance, text)

    async def flush(self) -> None:
        """Speaks what waits for the rest of its sentence; the utterance stays open."""
        self._live.handle(commands.Flush(self._writable()))

    async def end(self) -> None:
        """No more text for this utterance: the iteration ends after its last frame."""
        self._live.handle(commands.End(self._writable()))
        self._ended = True

    async def cancel(self, played_s: float | None = None) -> None:
        """Stops the utterance under way; the iteration ends at once.

        Args:
            played_s: how much of it the listener has heard; left out, it is told by the clock.
        """
        if self._id is not None:
            self._cancel(self._id, None if played_s is None else round(played_s * 1000))

    async def __aiter__(self) -> AsyncGenerator[Frame, None]:
        """The frames of the utterance under way; leaving the loop early cancels it.

        Raises:
            UnknownVoice, NoCapacity, SynthesisError: it could not be spoken, or not to its end.
        """
        utterance = self._opened()
        words: tuple[outputs.WordTime, ...] = ()
        self._iterating = True
        over = False
        try:
            while not over and (event := await self._live.next_event()) is not None:
                if getattr(event, "id", None) != utterance:
                    continue
                match event:
                    case events.Words():
                        words += event.words
                    case events.Audio() if len(event.samples):
                        yield Frame(event.samples, words)
                        words = ()
                    case events.Warning_():
                        self.warnings.append(event.message)
                    case events.Error():
                        raise exception_of(event, self._options.voice)
                    case events.Done() | events.Cancelled():
                        over = True
                    case _:
                        pass
        finally:
            self._iterating = False
            if not over:
                self._cancel(utterance)
            if self._id == utterance:
                self._id = None

    def stop(self) -> None:
        """As `cancel`, for callbacks."""
        if self._id is not None:
            self._cancel(self._id)

    def _cancel(self, utterance: str, played_ms: int | None = None) -> None:
        self._live.handle(commands.Cancel(utterance, played_ms))

    def _writable(self) -> str:
        utterance = self._opened()
        if self._ended:
            raise InputError("this utterance has been ended: iterate over it before you send the next")
        return utterance

    def _opened(self) -> str:
        if self._live.closed:
            raise InputError("the session is closed")
        if self._id is None:
            self._count += 1
            self._id = str(self._count)
            self._ended = False
            self.warnings = []
            self._live.handle(commands.Start(self._id, **asdict(self._options), speech=self._speech))
        return self._id


async def speak(session: AgentSession, text: str | AsyncIterable[str]) -> AsyncGenerator[Frame, None]:
    """Sends a text, or pieces of one as they come, and yields the frames meanwhile; stopping early cancels."""
    async with aclosing(session.__aiter__()) as frames, writing(session, text):
        async for frame in frames:
            yield frame

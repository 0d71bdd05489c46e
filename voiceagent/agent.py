"""Speech inside your own process: `async with VoiceAgent() as agent`.

    async with VoiceAgent() as agent:
        async with agent.session(voice="heart") as session:
            await session.send("Hello ")
            await session.send("there.")
            await session.end()
            async for frame in session:
                play(frame.samples)

Knows no transport. The engine, and with it torch, is loaded when the agent is entered, unless one is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from voiceagent import events
from voiceagent.config import Limits
from voiceagent.errors import InputError, NoCapacity, SynthesisError, UnknownVoice, VoiceAgentError
from voiceagent.live import LiveSession, default_chunker
from voiceagent.session import SpeechEngine
from voiceagent.utterance import Chunker

if TYPE_CHECKING:
    from voiceagent.events import Samples

DEFAULT_VOICE = "heart"
PIECE_CHARS = 2_000


class Engine(SpeechEngine, Protocol):
    """An engine that can be brought up and down."""

    def start(self) -> None:
        """Brings its thread up."""
        ...

    def close(self) -> None:
        """Brings its thread down."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A piece of audio as it leaves the session."""

    samples: Samples  # (n,) float32 in [-1, 1]
    words: tuple[events.WordTime, ...] = ()
    """Words whose audio starts inside this frame; times from the start of the utterance."""
    sample_rate: int = events.SAMPLE_RATE_HZ

    @property
    def pcm(self) -> bytes:
        """The samples as 16-bit little-endian integers."""
        from voiceagent.pcm import to_s16le

        return to_s16le(self.samples)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A whole utterance."""

    samples: Samples  # (n,) float32 in [-1, 1]
    words: tuple[events.WordTime, ...]
    warnings: tuple[str, ...] = ()
    sample_rate: int = events.SAMPLE_RATE_HZ

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    def save(self, path: str | Path) -> None:
        """Writes a 16-bit WAV file.

        Raises:
            InputError: the file cannot be written.
        """
        from voiceagent.pcm import to_s16le
        from voiceagent.wav import WavFile

        with WavFile(Path(path), self.sample_rate) as file:
            file.write(to_s16le(self.samples))


class AgentSession:
    """A conversation's speech, one utterance after the other: send, end, iterate; then send the next.

    `send`, `flush`, `end` and `cancel` may be called while another task iterates, which is how text that
    is still being written gets spoken.
    """

    def __init__(self, live: LiveSession, options: events.SpeakOptions) -> None:
        self.warnings: list[str] = []
        """What was worth knowing about the utterance under way."""
        self._live = live
        self._options = options
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
        for begin in range(0, len(text), PIECE_CHARS):
            piece = events.Text(utterance, text[begin : begin + PIECE_CHARS])
            if not self._live.has_room(piece):
                if not self._iterating:
                    raise NoCapacity("the text buffer is full: iterate over the session while you send")
                await self._live.wait_for_room(piece)
            self._live.feed(piece)
            await asyncio.sleep(0)

    async def flush(self) -> None:
        """Speaks what waits for the rest of its sentence; the utterance stays open."""
        self._live.feed(events.Flush(self._writable()))

    async def end(self) -> None:
        """No more text for this utterance: the iteration ends after its last frame."""
        self._live.feed(events.End(self._writable()))
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
        words: tuple[events.WordTime, ...] = ()
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
                        raise _raised(event, self._options)
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
        self._live.feed(events.Cancel(utterance, played_ms))

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
            options = self._options
            start = events.Start(
                self._id, voice=options.voice, speed=options.speed, seed=options.seed, steps=options.steps
            )
            self._live.feed(start)
        return self._id


class VoiceAgent:
    """Makes speech; enter it with `async with`, then open sessions, as many at once as the engine has streams.

    Args:
        engine: speaks; left out, the voices that ship are loaded.
        weights: folder of other voices.
        limits: what one session may keep waiting.
        make_chunker: makes the object that cuts the text of an utterance.
    """

    def __init__(
        self,
        engine: Engine | None = None,
        *,
        weights: Path | None = None,
        limits: Limits | None = None,
        make_chunker: Callable[[], Chunker] = default_chunker,
    ) -> None:
        self._given = engine
        self._engine: Engine | None = None
        self._weights = weights
        self._limits = limits
        self._make_chunker = make_chunker

    async def __aenter__(self) -> VoiceAgent:
        self._engine = await asyncio.to_thread(self._start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        engine, self._engine = self._running, None
        await asyncio.to_thread(engine.close)

    def _start(self) -> Engine:
        engine = self._given or load_engine(self._weights)
        engine.start()
        return engine

    @property
    def _running(self) -> Engine:
        if self._engine is None:
            raise InputError("enter the agent first: async with VoiceAgent() as agent")
        return self._engine

    @property
    def voices(self) -> tuple[str, ...]:
        """Names of the voices."""
        return self._running.voices

    @asynccontextmanager
    async def session(
        self, voice: str = DEFAULT_VOICE, *, speed: float = 1.0, seed: int = 0, steps: int | None = None
    ) -> AsyncIterator[AgentSession]:
        """Opens a session; leaving it cancels what is still being spoken.

        Raises:
            InputError: a value is out of range.
            UnknownVoice: no voice of that name is here.
        """
        engine = self._running
        options = _checked(voice, speed, seed, steps)
        if voice not in engine.voices:
            raise UnknownVoice(voice, engine.voices)
        live = LiveSession(engine, limits=self._limits, paced=False, make_chunker=self._make_chunker)
        try:
            yield AgentSession(live, options)
        finally:
            live.close()

    async def say(
        self,
        text: str | AsyncIterable[str],
        voice: str = DEFAULT_VOICE,
        *,
        speed: float = 1.0,
        seed: int = 0,
        steps: int | None = None,
    ) -> Clip:
        """Speaks a whole text and returns it in one piece; the same text and seed give the same samples."""
        import numpy as np

        frames = []
        async with self.session(voice, speed=speed, seed=seed, steps=steps) as session:
            async for frame in speak(session, text):
                frames.append(frame)
            warnings = tuple(session.warnings)
        samples = np.concatenate([frame.samples for frame in frames]) if frames else np.zeros(0, np.float32)
        return Clip(samples, tuple(word for frame in frames for word in frame.words), warnings)


async def speak(session: AgentSession, text: str | AsyncIterable[str]) -> AsyncIterator[Frame]:
    """Sends a text, or pieces of one as they come, and yields the frames meanwhile; stopping early cancels."""

    async def write() -> None:
        if isinstance(text, str):
            await session.send(text)
        else:
            async for piece in text:
                await session.send(piece)
        await session.end()

    def stop_if_failed(task: asyncio.Task[None]) -> None:
        # Without an end of the text nothing would end the iteration.
        if task.cancelled() or task.exception() is not None:
            session.stop()

    writer = asyncio.create_task(write(), name="speak.write")
    writer.add_done_callback(stop_if_failed)
    frames = session.__aiter__()
    try:
        async for frame in frames:
            yield frame
        await writer
    finally:
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
        await frames.aclose()


def load_engine(weights: Path | None = None, max_streams: int = 16) -> Engine:
    """Builds the engine; this imports torch and reads the weights, which takes seconds.

    Raises:
        ModelError: the weights are missing, cut short or not ours.
    """
    from voiceagent.engine import Engine as TorchEngine

    return TorchEngine(weights=weights, max_streams=max_streams)


def _checked(voice: str, speed: float, seed: int, steps: int | None) -> events.SpeakOptions:
    try:
        return events.SpeakOptions(voice=voice, speed=speed, seed=seed, steps=steps)
    except ValueError as error:
        raise InputError(str(error)) from error


def _raised(event: events.Error, options: events.SpeakOptions) -> VoiceAgentError:
    match event.code:
        case "unknown_voice":
            return UnknownVoice(options.voice)
        case "no_capacity":
            return NoCapacity(event.message)
        case "synthesis_failed":
            return SynthesisError(event.message)
        case _:
            return InputError(event.message)

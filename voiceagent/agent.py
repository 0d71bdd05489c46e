"""Speech inside your own process: `async with VoiceAgent() as agent`.

    async with VoiceAgent() as agent:
        async with agent.session(voice="heart") as session:
            await session.send("Hello ")
            await session.send("there.")
            await session.end()
            async for frame in session:
                play(frame.samples)

Knows no transport. The engine is loaded when the agent is entered, unless one is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from voiceagent.agent_session import AgentSession, Frame, speak
from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.errors import InputError
from voiceagent.options import AUTO, DEFAULT_VOICE, SpeakOptions
from voiceagent.options.resolve import resolve
from voiceagent.protocol import outputs
from voiceagent.session.async_session import AsyncSession
from voiceagent.session.chunkers import chunker_with, warm_up
from voiceagent.session.interface import MakeChunker, SpeechEngine
from voiceagent.settings.engine import EngineConfig
from voiceagent.settings.policy import Setting, SpeechPolicy
from voiceagent.settings.serve import Limits

if TYPE_CHECKING:
    from voiceagent.audio.formats import Samples
    from voiceagent.editing.editor import Editor

__all__ = ["AgentEngine", "AgentSession", "Clip", "Frame", "VoiceAgent", "load_engine", "speak"]


class AgentEngine(SpeechEngine, Protocol):
    """An engine that can be brought up and down."""

    def start(self) -> None:
        """Brings its thread up."""
        ...

    def close(self) -> None:
        """Brings its thread down."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A whole utterance."""

    samples: Samples  # (n,) float32 in [-1, 1]
    words: tuple[outputs.WordTime, ...]
    warnings: tuple[str, ...] = ()
    sample_rate: int = SAMPLE_RATE_HZ

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    def save(self, path: str | Path) -> None:
        """Writes a file of the kind that its name asks for: .wav, .mp3, .opus, .aac or .flac.

        Raises:
            InputError: the file cannot be written, or its name asks for another kind.
        """
        from voiceagent.audio.speech_file import open_speech

        with open_speech(Path(path), self.sample_rate) as file:
            file.write(self.samples)


class VoiceAgent:
    """Makes speech; enter it with `async with`, then open sessions, as many at once as the engine has streams.

    Args:
        engine: speaks; left out, the voices that ship are loaded.
        weights: folder of other voices.
        config: where the engine computes and for how many streams.
        limits: what one session may keep waiting.
        policy: what is spoken of markup, as code, tables and links.
        lexicon: TOML file that says how words are spoken.
        lexicons: further ones by name; `speech={"lexicon": name}` has one in place of `lexicon`.
        make_chunker: makes the object that cuts the text of an utterance, in place of the one that uses policy and
            lexicon.

    Raises:
        InputError: the lexicon cannot be used.
    """

    def __init__(
        self,
        engine: AgentEngine | None = None,
        *,
        weights: Path | None = None,
        config: EngineConfig | None = None,
        limits: Limits | None = None,
        policy: SpeechPolicy | None = None,
        lexicon: Path | None = None,
        lexicons: Mapping[str, Path] | None = None,
        make_chunker: MakeChunker | None = None,
    ) -> None:
        self._given = engine
        self._engine: AgentEngine | None = None
        self._editor: Editor | None = None
        self._weights = weights
        self._config = config
        self._limits = limits
        self._make_chunker = make_chunker or chunker_with(lexicon, policy, lexicons)

    async def __aenter__(self) -> VoiceAgent:
        self._engine = await asyncio.to_thread(self._start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        engine, self._engine = self._running, None
        await asyncio.to_thread(engine.close)

    def _start(self) -> AgentEngine:
        engine = self._given or load_engine(self._weights, self._config)
        engine.start()
        warm_up(self._make_chunker)
        return engine

    @property
    def _running(self) -> AgentEngine:
        if self._engine is None:
            raise InputError("enter the agent first: async with VoiceAgent() as agent")
        return self._engine

    @property
    def voices(self) -> tuple[str, ...]:
        """Names of the voices."""
        return self._running.voices

    @asynccontextmanager
    async def session(
        self,
        voice: str = DEFAULT_VOICE,
        *,
        speed: float = 1.0,
        seed: int = 0,
        steps: int | None = None,
        pitch: float = 1.0,
        volume_db: float = 0.0,
        liveliness: float = 1.0,
        language: str = AUTO,
        speech: Mapping[str, Setting] | None = None,
    ) -> AsyncIterator[AgentSession]:
        """Opens a session; leaving it cancels what is still being spoken. `speech` changes keys of the agent's policy.

        Raises:
            InputError: a value is out of range, or the voice does not speak the language.
            UnknownVoice: no voice of that name is here.
        """
        engine = self._running
        options = _checked(speech, voice, speed, seed, steps, pitch, volume_db, liveliness, language)
        options = resolve(options, engine.voices)
        live = AsyncSession(engine, limits=self._limits, paced=False, make_chunker=self._make_chunker)
        try:
            yield AgentSession(live, options, speech)
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
        pitch: float = 1.0,
        volume_db: float = 0.0,
        liveliness: float = 1.0,
        language: str = AUTO,
        speech: Mapping[str, Setting] | None = None,
    ) -> Clip:
        """Speaks a whole text and returns it in one piece; the same text and seed give the same samples."""
        import numpy as np

        frames = []
        manner: dict[str, Any] = {"pitch": pitch, "volume_db": volume_db, "liveliness": liveliness}
        manner |= {"speed": speed, "seed": seed, "steps": steps, "language": language, "speech": speech}
        async with self.session(voice, **manner) as session:
            async for frame in speak(session, text):
                frames.append(frame)
            warnings = tuple(session.warnings)
        samples = np.concatenate([frame.samples for frame in frames]) if frames else np.zeros(0, np.float32)
        return Clip(samples, tuple(word for frame in frames for word in frame.words), warnings)

    async def edit(self, samples: Samples, transcript: str, to: str, *, voice: str = DEFAULT_VOICE) -> Clip:
        """Changes words of a recording; samples outside the seams stay as they are.

        Args:
            samples: the recording, (n,) float32 in [-1, 1] at 24 kHz.
            transcript: what it says now, word by word.
            to: what it shall say.
            voice: the voice that is nearest to the speaker.

        Raises:
            InputError: the transcript does not fit the recording; the words that do not are named.
            UnknownVoice: no voice of that name.
        """
        if self._editor is None:
            self._editor = await asyncio.to_thread(_load_editor, self._weights)
        edited = await asyncio.to_thread(self._editor.edit, samples, transcript, to, voice=voice)
        return Clip(edited.samples, ())


def _load_editor(weights: Path | None) -> Editor:
    from voiceagent.model.loading import need_torch

    need_torch("editing")
    from voiceagent.editing.editor import Editor

    return Editor(weights=weights)


def load_engine(weights: Path | None = None, config: EngineConfig | None = None) -> AgentEngine:
    """Builds the engine and reads the weights; this imports torch, which takes seconds, where the settings ask for it
    alone.

    Raises:
        ModelError: the weights are missing, cut short or not ours.
    """
    from voiceagent.engine.engine import Engine

    return Engine(weights=weights, config=config)


def _checked(speech: Mapping[str, Setting] | None, *options: Any) -> SpeakOptions:
    try:
        SpeechPolicy().with_changes(speech)
        return SpeakOptions(*options)
    except ValueError as error:
        raise InputError(str(error)) from error

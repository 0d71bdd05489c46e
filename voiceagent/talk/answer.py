"""One answer of a language model: spoken while it is being written, and interrupted at any time.

Knows no particular model, voice or loudspeaker.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from voiceagent.agent_session import AgentSession, speak
from voiceagent.errors import VoiceAgentError
from voiceagent.session.word_times import heard_chars

if TYPE_CHECKING:
    from voiceagent.audio.formats import Samples
    from voiceagent.protocol.outputs import WordTime
    from voiceagent.talk.dialogue import LanguageModel, Message


class AudioOutput(Protocol):
    """A loudspeaker that knows how far it is."""

    @property
    def played_s(self) -> float:
        """Seconds of speech that have been heard since it was opened."""
        ...

    @property
    def sounding(self) -> bool:
        """Whether speech is being played."""
        ...

    async def play(self, samples: Samples) -> None:
        """Queues samples, (n,) at 24 kHz; waits while enough is queued."""
        ...

    async def drain(self) -> None:
        """Waits until all has been heard."""
        ...

    def stop(self) -> None:
        """Falls silent at once."""
        ...


class Answering:
    """Asks, speaks, and knows what was heard."""

    def __init__(self, model: LanguageModel, session: AgentSession, speaker: AudioOutput) -> None:
        self.text = ""
        """What the model has written."""
        self.complete = False
        """All of it has been heard."""
        self._model = model
        self._session = session
        self._speaker = speaker
        self._words: list[WordTime] = []
        self._begin_s = 0.0
        self._heard_s: float | None = None
        self._error: VoiceAgentError | None = None

    @property
    def heard(self) -> str:
        """What has been heard of the text so far: whole words."""
        if self.complete:
            return self.text
        heard_s = self._heard_s if self._heard_s is not None else self._speaker.played_s - self._begin_s
        return self.text[: heard_chars(self.text, self._words, heard_s)]

    async def speak(self, messages: Sequence[Message]) -> None:
        """Speaks the answer and returns when all of it has been heard; cancel the task to stop it.

        Raises:
            LanguageModelError: the model failed. What it had written by then has been spoken.
            VoiceAgentError: the text could not be spoken.
        """
        self._begin_s = self._speaker.played_s
        async with (
            aclosing(self._written(messages)) as text,
            aclosing(speak(self._session, text)) as frames,
        ):
            async for frame in frames:
                self._words.extend(frame.words)
                await self._speaker.play(frame.samples)
        await self._speaker.drain()
        self.complete = True
        if self._error is not None:
            raise self._error

    def interrupt(self) -> str:
        """Silences the loudspeaker now and returns what was heard; the task that speaks must be cancelled next."""
        self._heard_s = self._speaker.played_s - self._begin_s
        self._speaker.stop()
        return self.heard

    async def _written(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        try:
            async with aclosing(self._model.answer(messages)) as pieces:
                async for piece in pieces:
                    self.text += piece
                    yield piece
        except VoiceAgentError as error:
            self._error = error  # after what has been written so far has been spoken

"""What `voiceagent talk` does: a microphone, a recogniser, a language model, our voice, and an ear for interruptions.

Carries out what `voiceagent.talk.floor` decides. Knows nothing of the command line's options.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from voiceagent.errors import AudioDeviceError, VoiceAgentError, first_of
from voiceagent.talk.answer import Answering, AudioOutput
from voiceagent.talk.floor import Action, Ask, Floor, Recognise, StopAnswer
from voiceagent.talk.turns import Windows

if TYPE_CHECKING:
    from voiceagent.agent_session import AgentSession
    from voiceagent.audio.formats import Samples
    from voiceagent.talk.dialogue import LanguageModel, Message
    from voiceagent.talk.recognition import Recogniser


class Show(Protocol):
    """Where the conversation can be read."""

    def said(self, text: str) -> None:
        """The user said this; empty where no words were recognised."""
        ...

    def answered(self, heard: str, *, interrupted: bool) -> None:
        """This much of the answer was heard."""
        ...

    def failed(self, error: VoiceAgentError) -> None:
        """No answer, or only the beginning of one."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a talk is made of. The recogniser is called on a thread, one turn at a time."""

    conversation: Floor
    recogniser: Recogniser
    model: LanguageModel
    session: AgentSession
    speaker: AudioOutput
    show: Show
    clean: Callable[[Samples], Samples] | None = None
    """Takes the echo out of a block of the microphone."""


class Talk:
    """A conversation that is going on."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._windows = Windows()
        self._ear = asyncio.Lock()
        self._answering: Answering | None = None
        self._speaking: asyncio.Task[None] | None = None
        self._stopped: set[asyncio.Task[None]] = set()

    async def run(self, microphone: AsyncIterable[Samples]) -> None:
        """Talks until the microphone ends, and then finishes its answer.

        Args:
            microphone: blocks of (n,) float32 at 16 kHz.

        Raises:
            VoiceAgentError: the microphone, or something else that cannot be done without, has failed.
        """
        try:
            async with asyncio.TaskGroup() as self._tasks:
                async for block in microphone:
                    self._hear(block)
        except* VoiceAgentError as group:
            raise first_of(group) from group

    def _hear(self, block: Samples) -> None:
        parts = self._parts
        if parts.clean is not None:
            block = parts.clean(block)
        for window in self._windows.cut(block):
            self._carry_out(parts.conversation.hear(window, sounding=parts.speaker.sounding))

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case StopAnswer():
                    self._stop()
                case Recognise(samples=samples):
                    self._tasks.create_task(self._recognise(samples), name="talk.recognise")
                case Ask(messages=messages):
                    self._speaking = self._tasks.create_task(self._answer(messages), name="talk.answer")

    def _stop(self) -> None:
        """Silence first, everything else after it."""
        heard = self._answering.interrupt() if self._answering is not None else ""
        if self._speaking is not None:
            self._speaking.cancel()
            self._stopped = {self._speaking}
        self._answering = self._speaking = None
        self._parts.conversation.answered(heard)
        self._parts.show.answered(heard, interrupted=True)

    async def _recognise(self, samples: Samples) -> None:
        async with self._ear:
            text = await asyncio.to_thread(self._parts.recogniser, samples)
        self._parts.show.said(text)
        self._carry_out(self._parts.conversation.recognised(text))

    async def _answer(self, messages: list[Message]) -> None:
        parts = self._parts
        if self._stopped:  # the session speaks one answer at a time
            await asyncio.wait(self._stopped)
        answering = self._answering = Answering(parts.model, parts.session, parts.speaker)
        try:
            await answering.speak(messages)
        except AudioDeviceError:
            raise  # nobody would hear the next one either
        except VoiceAgentError as error:
            parts.conversation.failed(answering.heard)
            parts.show.failed(error)
        else:
            parts.conversation.answered(answering.heard)
            parts.show.answered(answering.heard, interrupted=False)
        self._answering = self._speaking = None

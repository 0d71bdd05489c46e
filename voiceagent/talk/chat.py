"""What `voiceagent chat` does: questions are typed, answers are read and heard while they are being written.

Knows nothing of the command line's options, nor how a terminal looks; `voiceagent.talk.screens` has one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from voiceagent.errors import AudioDeviceError, VoiceAgentError
from voiceagent.talk.answer import Answering, AudioOutput

if TYPE_CHECKING:
    from voiceagent.agent_session import AgentSession
    from voiceagent.talk.dialogue import Dialogue, LanguageModel

REFRESH_S = 0.08


class Screen(Protocol):
    """Where the chat can be read."""

    def ask(self) -> None:
        """The user may type."""
        ...

    def update(self, text: str, heard: str) -> None:
        """The answer so far, and how much of it has been heard."""
        ...

    def end(self, text: str, heard: str, error: VoiceAgentError | None) -> None:
        """The answer is over; less was heard than written where it was interrupted or has failed."""
        ...


async def lines(pieces: AsyncIterable[str]) -> AsyncIterator[str]:
    """Lines of a text that comes in pieces."""
    rest = ""
    async for piece in pieces:
        *whole, rest = (rest + piece).split("\n")
        for line in whole:
            yield line
    if rest:
        yield rest


class Chat:
    """A typed conversation with spoken answers."""

    def __init__(
        self, dialogue: Dialogue, model: LanguageModel, session: AgentSession, speaker: AudioOutput, screen: Screen
    ) -> None:
        self._dialogue = dialogue
        self._model = model
        self._session = session
        self._speaker = speaker
        self._screen = screen
        self._answering: Answering | None = None
        self._speaking: asyncio.Task[None] | None = None
        self._left = asyncio.Event()

    def interrupt(self) -> None:
        """Stops the answer; where there is none, leaves the chat. For a signal handler."""
        if self._answering is None or self._speaking is None or self._speaking.done():
            self._left.set()
            return
        self._answering.interrupt()
        self._speaking.cancel()

    async def run(self, questions: AsyncIterator[str]) -> None:
        """Answers line after line until there are no more, or `interrupt` is called between answers."""
        leaving = asyncio.create_task(self._left.wait(), name="chat.leave")
        try:
            while (question := await self._next(questions, leaving)) is not None:
                if question.strip():
                    await self._answer(question)
        finally:
            leaving.cancel()

    async def _next(self, questions: AsyncIterator[str], leaving: asyncio.Task[bool]) -> str | None:
        self._screen.ask()
        typing = asyncio.create_task(anext(questions, None), name="chat.type")
        await asyncio.wait({typing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if leaving.done():
            typing.cancel()
            await asyncio.gather(typing, return_exceptions=True)
            return None
        question: str | None = await typing
        return question

    async def _answer(self, question: str) -> None:
        self._dialogue.asked(question)
        answering = self._answering = Answering(self._model, self._session, self._speaker)
        self._speaking = asyncio.create_task(answering.speak(self._dialogue.messages), name="chat.speak")
        error: VoiceAgentError | None = None
        try:
            while not self._speaking.done():
                await asyncio.wait({self._speaking}, timeout=REFRESH_S)
                self._screen.update(answering.text, answering.heard)
            with suppress(asyncio.CancelledError):  # that was an interruption
                await self._speaking
        except VoiceAgentError as failure:
            error = failure
        finally:
            self._speaking.cancel()
            self._answering = self._speaking = None
        if error is not None and not answering.heard:
            self._dialogue.forget()
        else:
            self._dialogue.answered(answering.heard)
        self._screen.end(answering.text, answering.heard, error)
        if isinstance(error, AudioDeviceError):
            raise error  # nobody would hear the next answer either

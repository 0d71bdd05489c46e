"""What speaking in this process and speaking over a connection have in common.

Knows neither a session nor a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Protocol

from voiceagent.errors import (
    InputError,
    NoCapacity,
    ProtocolError,
    SynthesisError,
    TextBufferFull,
    UnknownVoice,
    VoiceAgentError,
)
from voiceagent.protocol import events


class Speaking(Protocol):
    """An utterance that takes text."""

    async def send(self, text: str) -> None:
        """Adds text."""
        ...

    async def end(self) -> None:
        """No more text."""
        ...

    def stop(self) -> None:
        """Ends the iteration over its frames."""
        ...


@asynccontextmanager
async def writing(speaking: Speaking, text: str | AsyncIterable[str]) -> AsyncIterator[None]:
    """Sends a text, or pieces of one as they come, while the block takes the frames; leaving the block early stops it.

    Raises:
        Exception: at the end of the block, whatever went wrong with the text.
    """

    async def write() -> None:
        if isinstance(text, str):
            await speaking.send(text)
        else:
            async for piece in text:
                await speaking.send(piece)
        await speaking.end()

    def stop_if_failed(task: asyncio.Task[None]) -> None:
        # Without an end of the text nothing would end the iteration.
        if task.cancelled() or task.exception() is not None:
            speaking.stop()

    writer = asyncio.create_task(write(), name="speaking.write")
    writer.add_done_callback(stop_if_failed)
    try:
        yield
        await writer
    finally:
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)


def exception_of(event: events.Error, voice: str, voices: Iterable[str] = ()) -> VoiceAgentError:
    """The exception for an error event of an utterance.

    Args:
        voice: the one that was asked for.
        voices: those that there are.
    """
    if event.code == UnknownVoice.code:
        return UnknownVoice(voice, voices)
    for kind in (InputError, NoCapacity, SynthesisError, TextBufferFull):
        if event.code == kind.code:
            return kind(event.message)
    return ProtocolError(event.message, utterance=event.id, code=event.code)

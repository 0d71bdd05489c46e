"""A client of the native protocol: speech from a server, over one WebSocket.

    async with connect("ws://127.0.0.1:8080", voice="heart") as client:
        async with client.utterance() as utterance:
            await utterance.send("Hello ")
            await utterance.send("there.")
            await utterance.end()
            async for frame in utterance:
                play(frame.samples)

Several utterances may be open at once. Knows neither the engine nor torch.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Literal, TypedDict, Unpack

from voiceagent.audio.formats import AudioFormat
from voiceagent.client.connection import ServerConnection
from voiceagent.client.dial import address_of
from voiceagent.client.frame import Frame
from voiceagent.client.utterance import Utterance
from voiceagent.errors import InputError
from voiceagent.protocol import commands
from voiceagent.protocol.writing import writing
from voiceagent.settings.buffering import BufferingName
from voiceagent.settings.policy import Setting

__all__ = ["Client", "Frame", "Options", "Utterance", "connect"]


class Options(TypedDict, total=False):
    """How an utterance is spoken and sent; `voiceagent.protocol.events.Start` says what each means."""

    voice: str
    format: AudioFormat
    language: str
    speed: float
    seed: int
    steps: int | None
    pitch: float
    volume_db: float
    liveliness: float
    timestamps: Literal["none", "word", "char"]
    buffering: BufferingName | None
    max_buffer_ms: int | None
    max_ahead_ms: int
    preempt: bool
    speech: Mapping[str, Setting] | None


@asynccontextmanager
async def connect(
    url: str = "ws://127.0.0.1:8080",
    *,
    token: str | None = None,
    reconnect: bool = True,
    **options: Unpack[Options],
) -> AsyncIterator[Client]:
    """Connects to a server; leaving it cancels what is still being spoken.

    Args:
        url: address of the server, `ws://` or `wss://`; without a path it is that of the native protocol.
        token: what the server wants to see, if it wants anything.
        reconnect: take up a lost connection again: no sample is lost or repeated, and iterating just takes longer.
            After some 30 s, the time that the server keeps its side, everything raises `ConnectionFailed`.
        options: how utterances are spoken where they do not say otherwise themselves.

    Raises:
        ConnectionFailed: there is no server, or it wants another token.
        NoCapacity: every connection is taken.
        InputError: the address or an option cannot be used.
    """
    _start("x", options)
    connection = ServerConnection(address_of(url), token, reconnect=reconnect)
    await connection.open()
    try:
        yield Client(connection, options)
    finally:
        await connection.close()


class Client:
    """A connection to a server; `connect` makes it."""

    def __init__(self, connection: ServerConnection, options: Options) -> None:
        self._connection = connection
        self._options = options

    @property
    def voices(self) -> tuple[str, ...]:
        """Names of the voices that the server has."""
        return self._connection.ready.voices

    @asynccontextmanager
    async def utterance(self, **options: Unpack[Options]) -> AsyncIterator[Utterance]:
        """Opens an utterance; leaving it cancels what has not been spoken.

        Errors, as of a voice that is not there, are raised where it is iterated over.

        Raises:
            InputError: an option is out of range.
            ConnectionFailed: the connection is gone.
        """
        start = _start(uuid.uuid4().hex, {**self._options, **options})
        utterance = Utterance(self._connection, start, self._connection.ready)
        try:
            await self._connection.enter(utterance)
            yield utterance
        finally:
            await self._connection.leave(utterance)

    async def speak(self, text: str | AsyncIterable[str], **options: Unpack[Options]) -> AsyncGenerator[Frame, None]:
        """Sends a text, or pieces of one as they come, and yields the frames meanwhile; stopping early cancels.

        Raises:
            VoiceAgentError: it could not be spoken, or not to its end.
        """
        async with self.utterance(**options) as utterance, writing(utterance, text):
            async for frame in utterance:
                yield frame


def _start(utterance: str, options: Options) -> commands.Start:
    try:
        return commands.Start(utterance, **options)
    except ValueError as error:
        raise InputError(str(error)) from error

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

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, TypedDict, Unpack
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from voiceagent import events, wire
from voiceagent.client_utterance import Frame, Utterance
from voiceagent.errors import ConnectionFailed, InputError, NoCapacity, ProtocolError, VoiceAgentError

__all__ = ["Client", "Frame", "Utterance", "connect"]

PATH = "/v1/stream"
OPEN_TIMEOUT_S = 10.0
# `cancelled` repeats the text of its utterance.
MAX_MESSAGE_BYTES = 16 * 1024 * 1024

log = logging.getLogger(__name__)


class Options(TypedDict, total=False):
    """How an utterance is spoken and sent; `voiceagent.events.Start` says what each means."""

    voice: str
    format: events.AudioFormat
    language: str
    speed: float
    seed: int
    steps: int | None
    timestamps: Literal["none", "word"]
    buffering: Literal["auto", "sentence", "none"]
    max_buffer_ms: int | None
    max_ahead_ms: int
    preempt: bool


@asynccontextmanager
async def connect(
    url: str = "ws://127.0.0.1:8080",
    *,
    token: str | None = None,
    **options: Unpack[Options],
) -> AsyncIterator[Client]:
    """Connects to a server; leaving it cancels what is still being spoken.

    Args:
        url: address of the server, `ws://` or `wss://`; without a path it is that of the native protocol.
        token: what the server wants to see, if it wants anything.
        options: how utterances are spoken where they do not say otherwise themselves.

    Raises:
        ConnectionFailed: there is no server, or it wants another token.
        NoCapacity: every connection is taken.
        InputError: the address or an option cannot be used.
    """
    start("x", options)
    client = Client(_address(url), token, options)
    await client.open()
    try:
        yield client
    finally:
        await client.close()


class Client:
    """A connection to a server; `connect` makes it."""

    def __init__(self, address: str, token: str | None, options: Options) -> None:
        self._address = address
        self._token = token
        self._options = options
        self._socket: ClientConnection | None = None
        self._ready = events.Ready("", {})
        self._reader: asyncio.Task[None] | None = None
        self._failure: ConnectionFailed | None = None
        self._utterances: dict[str, Utterance] = {}
        self._streams: dict[int, Utterance] = {}

    @property
    def voices(self) -> tuple[str, ...]:
        """Names of the voices that the server has."""
        return self._ready.voices

    @asynccontextmanager
    async def utterance(self, **options: Unpack[Options]) -> AsyncIterator[Utterance]:
        """Opens an utterance; leaving it cancels what has not been spoken.

        Errors, as of a voice that is not there, are raised where it is iterated over.

        Raises:
            InputError: an option is out of range.
            ConnectionFailed: the connection is gone.
        """
        command = start(uuid.uuid4().hex, {**self._options, **options})
        utterance = Utterance(self, command, self._ready)
        self._utterances[utterance.id] = utterance
        try:
            async with utterance:
                yield utterance
        finally:
            del self._utterances[utterance.id]
            self._streams = {number: other for number, other in self._streams.items() if other is not utterance}

    async def speak(self, text: str | AsyncIterable[str], **options: Unpack[Options]) -> AsyncGenerator[Frame, None]:
        """Sends a text, or pieces of one as they come, and yields the frames meanwhile; stopping early cancels.

        Raises:
            VoiceAgentError: it could not be spoken, or not to its end.
        """
        async with self.utterance(**options) as utterance:
            writer = asyncio.create_task(_write(utterance, text), name="client.speak.write")
            try:
                async for frame in utterance:
                    yield frame
                await writer
            finally:
                writer.cancel()
                await asyncio.gather(writer, return_exceptions=True)

    async def send(self, command: events.Command) -> None:
        """Sends a command as it is; `Utterance` has methods for those of an utterance.

        Raises:
            ConnectionFailed: the connection is gone.
        """
        if self._failure is not None:
            raise self._failure
        assert self._socket is not None
        try:
            await self._socket.send(wire.encode_command(command))
        except ConnectionClosed as error:
            raise self._lost(error) from error

    async def open(self) -> None:
        """Connects; `connect` does it."""
        self._socket = await _dial(self._address, self._token)
        self._ready = await _first_event(self._socket)
        self._reader = asyncio.create_task(self._read(self._socket), name=f"client[{self._ready.session}].read")

    async def close(self) -> None:
        """Says goodbye; `connect` does it."""
        assert self._socket is not None
        assert self._reader is not None
        with contextlib.suppress(ConnectionFailed):  # there may be no one to say it to
            await self.send(events.Close())
        await self._socket.close()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    # Messages in.

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for message in socket:
                if isinstance(message, bytes):
                    await self._take_audio(message)
                else:
                    self._take(wire.decode_event(message))
        except ConnectionClosed as error:
            self._fail(self._lost(error))
        except ProtocolError as error:
            self._fail(ConnectionFailed(f"the server is none of ours: {error}"))
        else:
            self._fail(ConnectionFailed("the server closed the connection"))

    async def _take_audio(self, message: bytes) -> None:
        header, payload = wire.decode_audio(message)
        utterance = self._streams.get(header[1])
        if utterance is not None:
            await utterance.wait_for_reader()
            utterance.take_audio(header, payload)

    def _take(self, event: events.Event | None) -> None:
        utterance = self._utterances.get(getattr(event, "id", None) or "")
        if utterance is None:
            if isinstance(event, events.Error | events.Warning_) and event.id is None:
                log.warning("the server says: %s (%s)", event.message, event.code)
            return
        if isinstance(event, events.Started):
            self._streams[event.stream] = utterance
        if event is not None:
            utterance.take(event)

    def _lost(self, error: ConnectionClosed) -> ConnectionFailed:
        said = error.rcvd
        why = f"the server closed it with {said.code} {said.reason}".rstrip() if said else "the server went away"
        return ConnectionFailed(f"connection lost: {why}")

    def _fail(self, failure: ConnectionFailed) -> None:
        """Ends everything that is open."""
        self._failure = self._failure or failure
        for utterance in self._utterances.values():
            utterance.fail(self._failure)


def start(utterance: str, options: Options) -> events.Start:
    """The command that opens an utterance.

    Raises:
        InputError: an option is out of range.
    """
    try:
        return events.Start(utterance, **options)
    except ValueError as error:
        raise InputError(str(error)) from error


async def _write(utterance: Utterance, text: str | AsyncIterable[str]) -> None:
    try:
        if isinstance(text, str):
            await utterance.send(text)
        else:
            async for piece in text:
                await utterance.send(piece)
        await utterance.end()
    except BaseException:
        utterance.stop()  # without an end of the text nothing would end the iteration
        raise


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.netloc:
        raise InputError(f"{url!r} is no address of a server: write it as ws://127.0.0.1:8080")
    return urlunsplit(parts._replace(path=PATH if parts.path in ("", "/") else parts.path))


async def _dial(address: str, token: str | None) -> ClientConnection:
    try:
        return await open_websocket(
            address,
            additional_headers={"Authorization": f"Bearer {token}"} if token else None,
            subprotocols=[Subprotocol(wire.SUBPROTOCOL)],
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            open_timeout=OPEN_TIMEOUT_S,
        )
    except InvalidStatus as error:
        raise _refused(address, error.response.status_code) from error
    except InvalidURI as error:
        raise InputError(str(error)) from error
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise ConnectionFailed(f"no server at {address}: {error}; start one with: voiceagent serve") from error


def _refused(address: str, status: int) -> VoiceAgentError:
    match status:
        case 401:
            return ConnectionFailed(f"{address} wants another token: connect(..., token=...)")
        case 503:
            return NoCapacity(f"every connection of {address} is taken; try again later")
        case _:
            return ConnectionFailed(f"{address} answers {status}: the native protocol is not here, but at {PATH}")


async def _first_event(socket: ClientConnection) -> events.Ready:
    try:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            event = wire.decode_event(await socket.recv(decode=True))
    except (ConnectionClosed, TimeoutError, ProtocolError) as error:
        await socket.close()
        raise ConnectionFailed(f"the server did not say that it is ready: {error}") from error
    if not isinstance(event, events.Ready):
        await socket.close()
        raise ConnectionFailed("the server did not say that it is ready: it is none of ours")
    return event

"""The native protocol over WebSocket: JSON both ways, binary audio out, many utterances a connection.

One task reads commands, one writes events; the session between them holds all state. A client that goes
away, in the middle of a word too, stops its speech in the engine.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from voiceagent import events, wire
from voiceagent.adapters.auth import answered_subprotocol, authorized, unauthorized
from voiceagent.encoders import StreamEncoder, available_encodings, require
from voiceagent.errors import InputError, ProtocolError
from voiceagent.live import LiveSession
from voiceagent.service import Service

PATH = "/v1/stream"
CLOSE_NORMAL = 1000
CLOSE_POLICY = 1008
CLOSE_INTERNAL = 1011
CLOSE_SLOW_CONSUMER = 4008

log = logging.getLogger(__name__)


async def stream(websocket: WebSocket) -> None:
    """One connection, from the handshake to its end."""
    service: Service = websocket.app.state.service
    if not _origin_allowed(websocket, service.config.origins):
        await websocket.send_denial_response(PlainTextResponse("origin not allowed\n", 403))
        return
    if service.full:
        busy = PlainTextResponse("every connection is taken\n", 503, headers={"Retry-After": "1"})
        await websocket.send_denial_response(busy)
        return
    if not authorized(websocket):
        await _refuse_entry(websocket)
        return
    await websocket.accept(subprotocol=answered_subprotocol(websocket, wire.SUBPROTOCOL))
    service.connections += 1
    service.metrics.connections.inc()
    try:
        await _Connection(websocket, service).run()
    finally:
        service.connections -= 1
        service.metrics.connections.dec()


async def _refuse_entry(websocket: WebSocket) -> None:
    """Says that the token is missing or wrong where the client can read it."""
    if "origin" not in websocket.headers:
        await websocket.send_denial_response(unauthorized())
        return
    # A page never learns why a handshake failed: it is let in, told, and shown out.
    await websocket.accept(subprotocol=answered_subprotocol(websocket, wire.SUBPROTOCOL))
    error = events.Error(
        None, "unauthorized", "a valid token is needed: ?token=, or subprotocols token, <token>", fatal=True
    )
    await websocket.send_text(wire.encode_event(error))
    await websocket.close(CLOSE_POLICY, "unauthorized")


class _Connection:
    """The two tasks of a client, and the encoders of its open streams."""

    def __init__(self, websocket: WebSocket, service: Service) -> None:
        self._websocket = websocket
        self._service = service
        self._live: LiveSession = service.connect()
        self._encoders: dict[str, StreamEncoder] = {}

    async def run(self) -> None:
        reader = asyncio.create_task(self._read(), name=f"stream[{self._live.id}].read")
        writer = asyncio.create_task(self._write(), name=f"stream[{self._live.id}].write")
        code = CLOSE_NORMAL
        try:
            await asyncio.wait([reader, writer], return_when=asyncio.FIRST_COMPLETED)
            if reader.done() and reader.exception() is None and self._live.closed:
                # The client said close: what is left, as what was heard, still goes out.
                await asyncio.wait([writer])
            code = self._close_code(reader, writer)
        finally:
            self._live.close()
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
        await self._close(code)

    def _close_code(self, reader: asyncio.Task[None], writer: asyncio.Task[None]) -> int:
        for task in (reader, writer):
            error = task.exception() if task.done() else None
            if isinstance(error, TimeoutError):
                return CLOSE_SLOW_CONSUMER
            if error is not None and not isinstance(error, WebSocketDisconnect):
                log.error("session %s failed", self._live.id, exc_info=error)
                return CLOSE_INTERNAL
        return CLOSE_NORMAL

    async def _close(self, code: int) -> None:
        try:
            async with asyncio.timeout(1.0):
                if code == CLOSE_INTERNAL:
                    sorry = events.Error(None, "internal", "the service failed; reconnect", retryable=True, fatal=True)
                    await self._websocket.send_text(wire.encode_event(sorry))
                await self._websocket.close(code)
        except (RuntimeError, WebSocketDisconnect, TimeoutError):
            return  # it has gone already

    # Commands in.

    async def _read(self) -> None:
        while not self._live.closed:
            await self._live.wait_for_calm()
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", CLOSE_NORMAL))
            text = message.get("text")
            if text is None:
                self._live.refuse(None, ProtocolError("a binary message where JSON belongs"))
                continue
            try:
                command = wire.decode_command(text)
            except ProtocolError as error:
                self._live.refuse(error.utterance, error)
                continue
            if isinstance(command, events.Start):
                try:
                    require(command.format)
                except InputError as error:
                    self._live.refuse(command.id, error)
                    continue
            if isinstance(command, events.Text):
                # Not reading is what tells the client to wait; TCP does the rest.
                await self._live.wait_for_room(command, self._service.config.text_wait_s)
            self._live.feed(command)

    # Events out.

    async def _write(self) -> None:
        while (event := await self._live.next_event()) is not None:
            async with asyncio.timeout(self._service.config.send_stall_s):
                await self._send(event)
            self._service.metrics.observe(event)

    async def _send(self, event: events.Event) -> None:
        if isinstance(event, events.Audio):
            encoder = self._encoders[event.id]
            pts_samples = encoder.samples_out
            payload = encoder.encode(event.samples, last=event.last)
            await self._websocket.send_bytes(wire.encode_audio(event, payload, pts_samples))
            return
        if isinstance(event, events.Ready):
            event = replace(event, formats=available_encodings())
        elif isinstance(event, events.Started):
            self._encoders[event.id] = StreamEncoder(event.format)
        elif ended := _ended_utterance(event):
            self._encoders.pop(ended, None)
        await self._websocket.send_text(wire.encode_event(event))


def _ended_utterance(event: events.Event) -> str | None:
    """The utterance that this event is the last one of, if it is."""
    match event:
        case events.Done(id=utterance) | events.Cancelled(id=utterance):
            return utterance
        case events.Error(id=utterance, code="synthesis_failed"):
            return utterance
        case _:
            return None


def _origin_allowed(websocket: WebSocket, allowed: tuple[str, ...]) -> bool:
    """Programs send no origin; a page that this host itself serves may connect, others where the settings name them."""
    origin = websocket.headers.get("origin")
    if origin is None or origin in allowed:
        return True
    return urlsplit(origin).netloc == websocket.headers.get("host")

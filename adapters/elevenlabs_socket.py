"""ElevenLabs' two WebSockets: `stream-input`, one text a connection, and `multi-stream-input`, several at once.

One task reads messages, one writes them; the session between them holds all state. Both protocols close the
connection themselves: the first as soon as the text is spoken, the second when it is told to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import count
from typing import Any

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from voiceagent import events
from voiceagent.adapters import elevenlabs_messages as messages
from voiceagent.adapters.auth import authorized, known_token
from voiceagent.adapters.elevenlabs_context import Context
from voiceagent.adapters.elevenlabs_messages import CLOSE_INTERNAL, ClientMessage, Refusal
from voiceagent.live import LiveSession
from voiceagent.service import Service

CLOSE_NORMAL = 1000
REASON_BYTES_MAX = 123
# Agents play while they listen: further ahead, an interruption would only throw more away.
MAX_AHEAD_MS = 5_000

log = logging.getLogger(__name__)


async def stream_input(websocket: WebSocket) -> None:
    """WS /v1/text-to-speech/{voice_id}/stream-input."""
    await _connect(websocket, _OneText)


async def multi_stream_input(websocket: WebSocket) -> None:
    """WS /v1/text-to-speech/{voice_id}/multi-stream-input."""
    await _connect(websocket, _ManyContexts)


async def _connect(websocket: WebSocket, connection: Callable[[WebSocket, Service], _Connection]) -> None:
    service: Service = websocket.app.state.service
    if service.full:
        busy = {"detail": {"status": "system_busy", "message": "every connection is taken; try again later"}}
        await websocket.send_denial_response(JSONResponse(busy, 503, headers={"Retry-After": "1"}))
        return
    await websocket.accept()
    service.connections += 1
    service.metrics.connections.inc()
    try:
        await connection(websocket, service).run()
    finally:
        service.connections -= 1
        service.metrics.connections.dec()


class _Connection:
    """The two tasks of a client; how messages are obeyed is up to the protocol."""

    paced: bool

    def __init__(self, websocket: WebSocket, service: Service) -> None:
        self._websocket = websocket
        self._service = service
        self._live: LiveSession = service.connect(paced=self.paced)
        self._query = messages.Query()
        self._voice = ""
        self._format = events.AudioFormat()
        self._numbers = count(1)
        self._contexts: dict[str, Context] = {}
        """Open contexts by their utterance."""
        self._leaving = False
        """No more text is taken; the connection closes when what is open has been spoken."""
        self._touched_at = self._now

    async def run(self) -> None:
        reader = asyncio.create_task(self._read(), name=f"elevenlabs[{self._live.id}].read")
        writer = asyncio.create_task(self._write(), name=f"elevenlabs[{self._live.id}].write")
        try:
            await asyncio.wait([reader, writer], return_when=asyncio.FIRST_COMPLETED)
            failure = next((task.exception() for task in (reader, writer) if task.done() and task.exception()), None)
        finally:
            self._live.close()
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
        await self._hang_up(failure)

    async def _hang_up(self, failure: BaseException | None) -> None:
        match failure:
            case WebSocketDisconnect():
                return
            case None:
                refusal = None
            case Refusal():
                refusal = failure
            case TimeoutError():
                refusal = Refusal("slow_consumer", "the audio was not read in time")
            case _:
                log.error("session %s failed", self._live.id, exc_info=failure)
                refusal = Refusal("internal_error", "the service failed; reconnect", close_code=CLOSE_INTERNAL)
        try:
            async with asyncio.timeout(1.0):
                if refusal is None:
                    await self._websocket.close(CLOSE_NORMAL)
                else:
                    await self._websocket.send_text(messages.error_message(refusal, {}))
                    reason = str(refusal).encode("utf-8", "replace")[:REASON_BYTES_MAX].decode("utf-8", "ignore")
                    await self._websocket.close(refusal.close_code, reason)
        except (RuntimeError, WebSocketDisconnect, TimeoutError):
            return  # it has gone already

    # Messages in.

    async def _read(self) -> None:
        # What is refused is said after the first message, as the vendor's server does: LiveKit's plug-in waits for
        # ever on a connection that closes before it has sent one.
        first = await self._receive()
        if not authorized(self._websocket) and not any(
            known_token(self._service.config, key) for key in first.credentials
        ):
            raise Refusal("invalid_api_key", "Invalid API key")
        self._query = messages.decode_query(self._websocket.query_params)
        self._format = messages.audio_format(self._query.output_format)
        voices = self._service.engine.voices
        voice_id = self._websocket.path_params["voice_id"]
        self._voice = messages.our_voice(voice_id, voices, reason="voice_id_does_not_exist")
        await self._take(first)
        while True:
            await self._live.wait_for_calm()
            await self._take(await self._receive())

    async def _receive(self) -> ClientMessage:
        while True:
            try:
                async with asyncio.timeout_at(self._idle_at()):
                    message = await self._websocket.receive()
            except TimeoutError:
                self._expire()
                continue
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", CLOSE_NORMAL))
            self._touched_at = self._now
            return messages.decode_message(message)

    async def _take(self, message: ClientMessage) -> None:
        raise NotImplementedError

    def _idle_at(self) -> float | None:
        """When `_expire` is to be asked what has been left alone too long; None is never."""
        raise NotImplementedError

    def _expire(self) -> None:
        raise NotImplementedError

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _open(self, name: str | None, message: ClientMessage) -> Context:
        start = messages.start(f"{next(self._numbers)}", self._voice, self._format, self._query, message, MAX_AHEAD_MS)
        context = Context(self._live, name, start, auto_mode=self._query.auto_mode, now=self._now)
        self._contexts[context.utterance] = context
        return context

    async def _write_text(self, context: Context, text: str) -> None:
        context.touched_at = self._now
        if text and not await context.write(text, self._service.config.text_wait_s):
            limit = self._service.config.limits.max_text_buffer
            full = Refusal(
                "text_buffer_full", f"more than {limit} characters wait to be spoken; this text was not taken"
            )
            await self._websocket.send_text(messages.error_message(full, context.names))

    # Speech out.

    async def _write(self) -> None:
        while (event := await self._live.next_event()) is not None:
            async with asyncio.timeout(self._service.config.send_stall_s):
                await self._say(event)
            self._service.metrics.observe(event)
            if self._leaving and not self._contexts:
                return

    async def _say(self, event: events.Event) -> None:
        context = self._contexts.get(getattr(event, "id", None) or "")
        if context is None:
            return
        match event:
            case events.Words():
                context.hear(event)
            case events.Audio():
                if (encoded := context.encode(event)) is not None:
                    await self._send_audio(context, *encoded)
            case events.Flushed():
                if tail := context.flushed():
                    await self._send_audio(context, tail, None)
            case events.Done() | events.Cancelled():
                await self._websocket.send_text(messages.final_message(context.names))
                await self._over(context)
            case events.Error():
                await self._fail(context, event)
            case _:
                pass  # warnings have no word in this protocol

    async def _send_audio(self, context: Context, payload: bytes, alignment: Any) -> None:
        text = messages.audio_message(payload, alignment, context.names, from_start=self._query.sync_alignment)
        await self._websocket.send_text(text)
        context.touched_at = self._now

    async def _fail(self, context: Context, error: events.Error) -> None:
        raise _refusal_of(error)

    async def _over(self, context: Context) -> None:
        """The last message of a context has been sent."""
        del self._contexts[context.utterance]


class _OneText(_Connection):
    """`stream-input`: the connection is the text. An empty text ends it."""

    paced = False  # who reads it may be writing a file

    async def _take(self, message: ClientMessage) -> None:
        if self._leaving:
            return
        context = next(iter(self._contexts.values()), None) or self._open(None, message)
        await self._write_text(context, message.text or "")
        if message.flush:
            context.flush()
        elif message.text == "":
            self._leaving = True
            context.end()

    def _idle_at(self) -> float | None:
        if self._leaving:
            return None
        touched_at = max([self._touched_at, *(context.touched_at for context in self._contexts.values())])
        return touched_at + self._query.inactivity_s

    def _expire(self) -> None:
        idle_at = self._idle_at()
        if idle_at is None or idle_at > self._now:
            return  # audio has been sent in the meantime
        raise Refusal(
            "input_timeout_exceeded",
            f"Have not received a new text input within the timeout of {self._query.inactivity_s:g} seconds. Streaming"
            ' input terminated. Send text in time, or the end of input text (empty string "") when done.',
        )


class _ManyContexts(_Connection):
    """`multi-stream-input`: an agent's turns, each in a context that is closed at its end or when it is interrupted."""

    paced = True

    async def _take(self, message: ClientMessage) -> None:
        if self._leaving:
            return
        if message.close_socket:
            self._leave()
            return
        context = self._named(message.context)
        if context is not None and context.closing and (context.later or not message.close_context):
            self._put_off(context, message)
        elif context is not None and message.close_context:
            context.touched_at = self._now
            context.close()
        elif not message.close_context:
            await self._write_to(context, message)

    def _named(self, name: str | None) -> Context | None:
        return next((context for context in self._active() if context.name == name), None)

    def _active(self) -> list[Context]:
        return [context for context in self._contexts.values() if not context.stopped]

    async def _write_to(self, context: Context | None, message: ClientMessage) -> None:
        if context is None:
            if not message.text:
                return  # a keep-alive or a flush where nothing is open
            limit = self._service.config.limits.max_open
            if len(self._active()) >= limit:
                await self._refuse_context(message.context, limit)
                return
            context = self._open(message.context, message)
        await self._write_text(context, message.text or "")
        if message.flush:
            context.flush()

    async def _refuse_context(self, name: str | None, limit: int) -> None:
        """Those that are speaking go on: only the new one is refused."""
        names = {} if name is None else {"contextId": name, "context_id": name}
        full = Refusal(
            "max_active_conversations",
            f"Maximum simultaneous contexts per WebSocket connection exceeded ({limit}). "
            "Please close an existing context before opening a new one.",
        )
        await self._websocket.send_text(messages.error_message(full, names))
        await self._websocket.send_text(messages.final_message(names))

    def _put_off(self, context: Context, message: ClientMessage) -> None:
        """A new context of a name whose last one is still being spoken waits for its turn."""
        waiting = sum(len(later.text or "") + 1 for later in context.later)
        if waiting + len(message.text or "") > self._service.config.limits.max_text_buffer:
            raise Refusal("text_buffer_full", "too much text for a context whose predecessor is still being spoken")
        if message.text or context.later:
            context.later.append(message)

    def _leave(self) -> None:
        self._leaving = True
        for context in self._contexts.values():
            context.later.clear()
            if not context.closing:
                context.close()
        if not self._contexts:
            self._live.close()

    def _idle_at(self) -> float | None:
        if self._leaving:
            return None
        # While contexts are still being spoken after their end, nothing is idle yet.
        nothing_waits = self._now if self._contexts else self._touched_at
        touched_at = min((context.touched_at for context in self._waiting()), default=nothing_waits)
        return touched_at + self._query.inactivity_s

    def _waiting(self) -> list[Context]:
        return [context for context in self._contexts.values() if not context.closing]

    def _expire(self) -> None:
        now = self._now
        for context in self._waiting():
            if context.touched_at + self._query.inactivity_s <= now:
                context.end()
        if not self._contexts and self._touched_at + self._query.inactivity_s <= now:
            self._leave()

    async def _fail(self, context: Context, error: events.Error) -> None:
        refusal = _refusal_of(error)
        await self._websocket.send_text(messages.error_message(refusal, context.names))
        await self._websocket.send_text(messages.final_message(context.names))
        await self._over(context)

    async def _over(self, context: Context) -> None:
        await super()._over(context)
        for message in context.later:
            await self._take(message)


def _refusal_of(error: events.Error) -> Refusal:
    if error.code == "no_capacity":
        return Refusal("too_many_concurrent_requests", error.message)
    return Refusal("internal_error", error.message, close_code=CLOSE_INTERNAL)

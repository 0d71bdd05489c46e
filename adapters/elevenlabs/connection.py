"""What ElevenLabs' two WebSockets have in common: who may come in, the tasks of a client, and how it is let go.

One task reads messages, one writes them; the session between them holds all state.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import count
from typing import Any

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from voiceagent.adapters.elevenlabs import messages
from voiceagent.adapters.elevenlabs.context import Context
from voiceagent.adapters.elevenlabs.messages import ClientMessage, ElevenLabsRefusal
from voiceagent.adapters.http import sockets, transport
from voiceagent.adapters.http.auth import key_of
from voiceagent.adapters.http.sockets import until_one_ends
from voiceagent.adapters.http.stall import ClientStalled, StallWatch
from voiceagent.audio.formats import SAMPLE_RATE_HZ, AudioFormat
from voiceagent.errors import RateLimited, TextBufferFull
from voiceagent.protocol import events
from voiceagent.service.service import FULL, Service
from voiceagent.session.async_session import AsyncSession

# Agents play while they listen: further ahead, an interruption would only throw more away.
MAX_AHEAD_MS = 5_000

log = logging.getLogger(__name__)


async def connect(websocket: WebSocket, kind: Callable[[WebSocket, Service], ElevenLabsConnection]) -> None:
    """One connection, from the handshake to its end."""
    service: Service = websocket.app.state.service
    match sockets.refused_entry(websocket, key_comes_later=True):
        case "origin":
            stranger = {"detail": {"status": "origin_not_allowed", "message": "pages of this origin may not connect"}}
            await websocket.send_denial_response(JSONResponse(stranger, 403))
            return
        case "full":
            busy = {"detail": {"status": "system_busy", "message": FULL}}
            await websocket.send_denial_response(JSONResponse(busy, 503, headers={"Retry-After": "1"}))
            return
    await websocket.accept()
    await kind(websocket, service).run()


class ElevenLabsConnection(ABC):
    """The two tasks of a client; how messages are obeyed is up to the protocol."""

    paced: bool

    def __init__(self, websocket: WebSocket, service: Service) -> None:
        self._websocket = websocket
        self._service = service
        self._live: AsyncSession = service.connect(paced=self.paced)
        self._stall_watch = StallWatch(websocket.scope, service.config.send_stall_s)
        self._query = messages.Query()
        self._voice = ""
        self._format = AudioFormat()
        self._numbers = count(1)
        self._contexts: dict[str, Context] = {}
        """Open contexts by their utterance."""
        self._leaving = False
        """No more text is taken; the connection closes when what is open has been spoken."""
        self._touched_at = self._now
        self._place = contextlib.ExitStack()
        self._sent_away = asyncio.Event()

    async def run(self) -> None:
        works = (self._read, self._write, self._watch_drain, self._stall_watch.until_stalled, self._watch_place)
        key = key_of(self._websocket)
        if key is not None:
            self._service.allow(self._live, key)
        with self._place:
            place = self._service.client() if key else self._service.strangers.enter(self._sent_away.set)
            self._place.enter_context(place)
            await self._hang_up(await until_one_ends(self._live, "elevenlabs", *works))

    async def _hang_up(self, failure: BaseException | None) -> None:
        match failure:
            case WebSocketDisconnect():
                return
            case None:
                refusal = None
            case ElevenLabsRefusal():
                refusal = failure
            case ClientStalled():
                log.warning("session %s: %s", self._live.id, failure)
                self._service.metrics.stalled_clients.inc()
                refusal = ElevenLabsRefusal("slow_consumer", "the audio was not read in time")
            case _:
                log.error("session %s failed", self._live.id, exc_info=failure)
                refusal = ElevenLabsRefusal(
                    "internal_error", "the service failed; reconnect", close_code=sockets.INTERNAL
                )
        if refusal is None:
            await sockets.close(self._websocket, sockets.NORMAL if self._leaving else sockets.GOING_AWAY)
        else:
            told = messages.error_message(refusal, {})
            await sockets.close(self._websocket, refusal.close_code, str(refusal), last_message=told)
            if isinstance(failure, ClientStalled):
                transport.abort(self._websocket.scope)

    async def _watch_drain(self) -> None:
        """Comes back when the service ends and nothing is open; with something open the writer does, or time is up."""
        await self._service.draining.wait()
        if self._contexts:
            await asyncio.sleep(self._service.config.drain_s)

    # Messages in.

    async def _read(self) -> None:
        # What is refused is said after the first message, as the vendor's server does: LiveKit's plug-in waits for
        # ever on a connection that closes before it has sent one.
        first = await self._receive() if key_of(self._websocket) else await self._introduced()
        self._query = messages.decode_query(self._websocket.query_params)
        self._format = messages.audio_format(self._query.output_format)
        voices = self._service.engine.voices
        voice_id = self._websocket.path_params["voice_id"]
        self._voice = messages.our_voice(
            voice_id, voices, self._service.config.voice_names, reason="voice_id_does_not_exist"
        )
        await self._take(first)
        while True:
            await self._live.wait_for_calm()
            await self._take(await self._receive())

    async def _introduced(self) -> ClientMessage:
        """The first message, which has the key that the handshake had not; with it the client gets a place."""
        try:
            async with asyncio.timeout(self._service.config.handshake_s):
                first = await self._receive()
        except TimeoutError as error:
            raise ElevenLabsRefusal("invalid_api_key", "no API key was sent in time") from error
        key = self._service.keys.find(first.credentials)
        if key is None:
            raise ElevenLabsRefusal("invalid_api_key", "Invalid API key")
        self._service.allow(self._live, key)
        self._place.close()
        if self._service.full:
            raise ElevenLabsRefusal("system_busy", FULL)
        self._place.enter_context(self._service.client())
        return first

    async def _watch_place(self) -> None:
        """Ends a connection without a key when others need its place."""
        await self._sent_away.wait()
        raise ElevenLabsRefusal("system_busy", "too many connections have shown no key; send it at once")

    async def _receive(self) -> ClientMessage:
        while True:
            try:
                async with asyncio.timeout_at(self._idle_at()):
                    message = await self._websocket.receive()
            except TimeoutError:
                self._expire()
                continue
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", sockets.NORMAL))
            self._touched_at = self._now
            return messages.decode_message(message)

    @abstractmethod
    async def _take(self, message: ClientMessage) -> None:
        """Obeys a message."""

    @abstractmethod
    def _idle_at(self) -> float | None:
        """When `_expire` is to be asked what has been left alone too long; None is never."""

    @abstractmethod
    def _expire(self) -> None:
        """Lets go of what has been left alone too long."""

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _open(self, name: str | None, message: ClientMessage) -> Context:
        start = messages.start(f"{next(self._numbers)}", self._voice, self._format, self._query, message, MAX_AHEAD_MS)
        context = Context(self._live, name, start, auto_mode=self._query.auto_mode, now=self._now)
        context.notice = messages.notice_of(message)
        self._contexts[context.utterance] = context
        return context

    async def _write_text(self, context: Context, text: str) -> None:
        context.touched_at = self._now
        if text and not context.write(text):
            full = TextBufferFull.of(self._service.config.limits.max_text_buffer, len(text))
            told = messages.error_message(ElevenLabsRefusal(full.code, str(full)), context.names)
            await self._websocket.send_text(told)

    # Speech out.

    async def _write(self) -> None:
        while (event := await self._live.next_event()) is not None:
            sound_s = len(event.samples) / SAMPLE_RATE_HZ if isinstance(event, events.Audio) else 0.0
            await self._stall_watch.send(self._say(event), sound_s)
            self._service.metrics.observe(event)
            if not self._contexts and (self._leaving or self._service.draining.is_set()):
                return

    async def _say(self, event: events.Event) -> None:
        context = self._contexts.get(getattr(event, "id", None) or "")
        if context is None:
            return
        if context.notice:
            notice, context.notice = context.notice, ""
            await self._websocket.send_text(messages.notice_message(notice, context.names))
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
            case events.Error(code=RateLimited.code):  # this text was not taken; what was is spoken
                told = messages.error_message(refusal_of(event), context.names)
                await self._websocket.send_text(told)
            case events.Error():
                await self._fail(context, event)
            case _:
                pass  # warnings have no word in this protocol

    async def _send_audio(self, context: Context, payload: bytes, alignment: Any) -> None:
        text = messages.audio_message(payload, alignment, context.names, from_start=self._query.sync_alignment)
        await self._websocket.send_text(text)
        context.touched_at = self._now

    async def _fail(self, context: Context, error: events.Error) -> None:
        raise refusal_of(error)

    async def _over(self, context: Context) -> None:
        """The last message of a context has been sent."""
        del self._contexts[context.utterance]


def refusal_of(error: events.Error) -> ElevenLabsRefusal:
    """What ends an utterance, in the vendor's words."""
    reason = messages.reason_of(error.code)
    code = sockets.INTERNAL if reason == "internal_error" else sockets.POLICY
    return ElevenLabsRefusal(reason, error.message, close_code=code)

"""Deepgram's WebSocket: text in pieces, raw audio out, a Flush at the end of each answer, a Clear when it is interrupted.

What comes before a Flush is one utterance. The next one waits until it has been spoken, because binary frames carry no
name. One task reads messages, one writes them; the session between them speaks.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from dataclasses import dataclass, field
from itertools import count

from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from voiceagent.adapters.deepgram import messages
from voiceagent.adapters.deepgram.messages import DeepgramRefusal, Order
from voiceagent.adapters.http import sockets, transport
from voiceagent.adapters.http.auth import answered_subprotocol, key_of
from voiceagent.adapters.http.sockets import until_one_ends
from voiceagent.adapters.http.stall import ClientStalled, StallWatch
from voiceagent.audio.encoders import StreamEncoder
from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.errors import NoCapacity, RateLimited, TextBufferFull
from voiceagent.protocol import commands, events
from voiceagent.service.service import FULL, Service

# Their server sends as fast as it speaks. A minute ahead is as good for a client, and an interruption wastes no more.
MAX_AHEAD_MS = 60_000
# Answers that may be due at once. Their server takes 20 Flushes a minute, and warns about more.
FLUSHES_MAX = 256

log = logging.getLogger(__name__)


async def stream(websocket: WebSocket) -> None:
    """WS /v1/speak, from the handshake to its end."""
    service: Service = websocket.app.state.service
    request_id = str(uuid.uuid4())
    headers = {"dg-request-id": request_id}
    try:
        order = _admit(websocket, service)
    except DeepgramRefusal as refusal:
        headers["dg-error"] = str(refusal).encode("ascii", "replace").decode()
        body = JSONResponse(refusal.body(request_id), refusal.status, headers=headers)
        await websocket.send_denial_response(body)
        return
    await websocket.accept(
        subprotocol=answered_subprotocol(websocket),
        headers=[(name.encode(), value.encode()) for name, value in headers.items()],
    )
    with service.client():
        await DeepgramConnection(websocket, service, order, request_id).run()


def _admit(websocket: WebSocket, service: Service) -> Order:
    match sockets.refused_entry(websocket):
        case "origin":
            raise DeepgramRefusal("pages of this origin may not connect", "FORBIDDEN", status=403)
        case "key":
            raise DeepgramRefusal("Invalid credentials.", "INVALID_AUTH", status=401)
        case "full":
            raise DeepgramRefusal(FULL, "TOO_MANY_REQUESTS", status=429)
    query: QueryParams = websocket.query_params
    return messages.decode_order(query, service.engine.voices, service.config.voice_names, streamed=True)


@dataclass(slots=True, eq=False)
class _Turn:
    """The text between two Flushes."""

    id: str
    begun: bool = False
    flushed: bool = False
    """Its Flush has come: no more text will."""
    waiting: list[str] = field(default_factory=list)
    """Text of a turn whose predecessor is still being spoken."""

    @property
    def chars(self) -> int:
        return sum(map(len, self.waiting))


class DeepgramConnection:
    """The two tasks of a client, and its turns: the first of them is being spoken."""

    def __init__(self, websocket: WebSocket, service: Service, order: Order, request_id: str) -> None:
        self._websocket = websocket
        self._service = service
        self._order = order
        self._request_id = request_id
        self._live = service.connect(text_waits=True, key=key_of(websocket))
        self._watch = StallWatch(websocket.scope, service.config.send_stall_s)
        self._active_s = asyncio.get_running_loop().time()
        self._turns: deque[_Turn] = deque()
        self._encoders: dict[str, StreamEncoder] = {}
        self._names, self._flushes, self._clears = count(1), count(), count()

    async def run(self) -> None:
        await self._hang_up(
            await until_one_ends(
                self._live, "deepgram", self._read, self._write, self._watch.until_stalled, self._watch_idle
            )
        )

    async def _hang_up(self, failure: BaseException | None) -> None:
        code, reason = sockets.NORMAL, ""
        match failure:
            case DeepgramRefusal():
                code, reason = failure.close_code, f"{failure.code}: {failure}"
            case ClientStalled():
                log.warning("session %s: %s", self._live.id, failure)
                self._service.metrics.stalled_clients.inc()
                code, reason = sockets.INTERNAL, "NET-0001: the audio was not read in time"
            case WebSocketDisconnect() | None:
                pass
            case _:
                log.error("session %s failed", self._live.id, exc_info=failure)
                code, reason = sockets.INTERNAL, "NET-0000: the service failed; reconnect"
        await sockets.close(self._websocket, code, reason)
        if isinstance(failure, ClientStalled):
            transport.abort(self._websocket.scope)

    async def _watch_idle(self) -> None:
        """Ends a connection on which nothing has come in or gone out for too long."""
        loop, idle_s = asyncio.get_running_loop(), self._service.config.idle_timeout_s
        while True:
            left_s = self._active_s + idle_s - loop.time()
            if left_s <= 0:
                message = f"no message for {idle_s:g} s; send a KeepAlive to stay"
                raise DeepgramRefusal(message, "NET-0001", close_code=sockets.INTERNAL)
            await asyncio.sleep(left_s)

    # Messages in.

    async def _read(self) -> None:
        while True:
            await self._live.wait_for_calm()
            received = await self._websocket.receive()
            self._active_s = asyncio.get_running_loop().time()
            if received["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(received.get("code", sockets.NORMAL))
            message = messages.decode_message(received)
            match message.type:
                case "Speak":
                    await self._speak(message.text)
                case "Flush":
                    await self._flush()
                case "Clear":
                    await self._clear()
                case "Close":
                    return
                case "KeepAlive":
                    pass

    async def _speak(self, text: str) -> None:
        if not text:
            return
        turn = self._turns[-1] if self._turns and not self._turns[-1].flushed else self._add_turn()
        if turn is self._turns[0]:
            await self._feed(turn, text)
        elif sum(turn.chars for turn in self._turns) + len(text) <= self._service.config.limits.max_text_buffer:
            turn.waiting.append(text)
        else:
            await self._refuse_text(text)

    async def _feed(self, turn: _Turn, text: str) -> None:
        if not turn.begun:
            self._begin(turn)
        self._live.handle(commands.Text(turn.id, text))

    async def _flush(self) -> None:
        if sum(turn.flushed for turn in self._turns) >= FLUSHES_MAX:
            # What it would have ended is kept, and spoken.
            message = f"{FLUSHES_MAX} Flushes wait for their answers; this one was not taken, send it again later"
            await self._send(messages.warning("TOO_MANY_FLUSHES", message))
            return
        turn = self._turns[-1] if self._turns and not self._turns[-1].flushed else self._add_turn()
        turn.flushed = True
        if turn is not self._turns[0]:
            return
        if turn.begun:
            self._live.handle(commands.End(turn.id))
        else:
            self._turns.popleft()
            await self._send(messages.answer("Flushed", next(self._flushes)))

    async def _clear(self) -> None:
        speaking = self._turns[0] if self._turns else None
        self._turns.clear()
        if speaking is not None and speaking.begun:
            self._live.handle(commands.Cancel(speaking.id))  # and Cleared when nothing more of it can come
        else:
            await self._send(messages.answer("Cleared", next(self._clears)))

    async def _refuse_text(self, text: str) -> None:
        full = TextBufferFull.of(self._service.config.limits.max_text_buffer, len(text))
        await self._send(messages.warning(full.code.upper(), str(full)))

    def _add_turn(self) -> _Turn:
        turn = _Turn(f"{next(self._names)}")
        self._turns.append(turn)
        return turn

    def _begin(self, turn: _Turn) -> None:
        turn.begun = True
        self._encoders[turn.id] = StreamEncoder(self._order.format)
        order = self._order
        self._live.handle(
            commands.Start(
                turn.id,
                order.voice,
                order.format,
                speed=order.speed,
                timestamps="none",
                max_ahead_ms=MAX_AHEAD_MS,
                speech=order.speech,
            )
        )

    # Messages out.

    async def _write(self) -> None:
        await self._send(messages.metadata(self._request_id, self._order))
        if self._order.notice:
            await self._send(messages.warning("UNKNOWN_QUERY_PARAMETER", self._order.notice))
        while (event := await self._live.next_event()) is not None:
            await self._say(event)
            self._service.metrics.observe(event)

    async def _say(self, event: events.Event) -> None:
        match event:
            case events.Audio():
                if payload := self._encoders[event.id].encode(event.samples, last=event.last):
                    await self._send(payload, len(event.samples) / SAMPLE_RATE_HZ)
            case events.Done():
                await self._send(messages.answer("Flushed", next(self._flushes)))
                await self._over(event.id)
            case events.Cancelled():
                await self._send(messages.answer("Cleared", next(self._clears)))
                self._encoders.pop(event.id, None)
            case events.Warning_():
                await self._send(messages.warning(event.code.upper(), event.message))
            case events.Error(code=TextBufferFull.code) | events.Error(code=RateLimited.code):
                await self._send(messages.warning(event.code.upper(), event.message))
            case events.Error(code=NoCapacity.code):
                raise DeepgramRefusal(event.message, "TOO_MANY_REQUESTS", close_code=sockets.TRY_LATER)
            case events.Error():
                raise DeepgramRefusal(event.message, "NET-0000", close_code=sockets.INTERNAL)
            case _:
                pass

    async def _over(self, turn_id: str) -> None:
        """A turn has been spoken: the next one begins, and those after it that have no text are answered."""
        self._encoders.pop(turn_id, None)
        if not self._turns or self._turns[0].id != turn_id:
            return  # cleared while its last message was being sent
        self._turns.popleft()
        while self._turns:
            turn = self._turns[0]
            if turn.begun:
                return  # while an answer was being sent
            if turn.waiting:
                self._begin(turn)
                for text in turn.waiting:
                    self._live.handle(commands.Text(turn.id, text))
                turn.waiting.clear()
                if turn.flushed:
                    self._live.handle(commands.End(turn.id))
                return
            if not turn.flushed:
                return
            self._turns.popleft()
            await self._send(messages.answer("Flushed", next(self._flushes)))

    async def _send(self, message: str | bytes, sound_s: float = 0.0) -> None:
        send = self._websocket.send_bytes(message) if isinstance(message, bytes) else self._websocket.send_text(message)
        await self._watch.send(send, sound_s)
        self._active_s = asyncio.get_running_loop().time()

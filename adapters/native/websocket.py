"""The native protocol over WebSocket: JSON both ways, binary audio out, many utterances a connection.

One task reads commands, one writes messages, one watches the clock and one the end of the service; the
conversation between them holds all state. It outlives a connection that is lost; a client that says goodbye, or
never comes back, stops its speech in the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from dataclasses import dataclass

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from voiceagent.adapters.http import sockets, transport
from voiceagent.adapters.http.auth import answered_subprotocol, key_of, unauthorized
from voiceagent.adapters.http.stall import ClientStalled, StallWatch
from voiceagent.adapters.native.resumption import ResumableSession, ResumableSessions
from voiceagent.audio.encoders import require
from voiceagent.errors import ProtocolError, VoiceAgentError
from voiceagent.protocol import commands, events, wire
from voiceagent.service.service import FULL, Service

PATH = "/v1/stream"
CLOSE_RESUMED_ELSEWHERE = 4001
CLOSE_SLOW_CONSUMER = 4008
CLOSE_IDLE = 4009
# A client that says one of these does not come back: it has closed the socket, or its page was left.
GOODBYES = (sockets.NORMAL, sockets.GOING_AWAY, sockets.NO_CODE)

log = logging.getLogger(__name__)


async def stream(websocket: WebSocket) -> None:
    """One connection, from the handshake to its end."""
    service: Service = websocket.app.state.service
    match sockets.refused_entry(websocket):
        case "origin":
            await websocket.send_denial_response(PlainTextResponse("origin not allowed\n", 403))
            return
        case "key":
            await _refuse_key(websocket)
            return
        case "full":
            busy = PlainTextResponse(f"{FULL}\n", 503, headers={"Retry-After": "1"})
            await websocket.send_denial_response(busy)
            return
    await websocket.accept(subprotocol=answered_subprotocol(websocket, wire.SUBPROTOCOL))
    with service.client():
        await NativeConnection(websocket).run()


async def _refuse_key(websocket: WebSocket) -> None:
    """Says that the token is missing or wrong where the client can read it."""
    if "origin" not in websocket.headers:
        await websocket.send_denial_response(unauthorized())
        return
    # A page never learns why a handshake failed: it is let in, told, and shown out.
    await websocket.accept(subprotocol=answered_subprotocol(websocket, wire.SUBPROTOCOL))
    message = "a valid token is needed: ?token=..., or the subprotocols token, <token>"
    told = wire.encode_event(events.Error(None, "unauthorized", message, fatal=True))
    await sockets.close(websocket, sockets.POLICY, "unauthorized", last_message=told)


@dataclass(eq=False)
class _Ending(Exception):
    """Why a connection ends."""

    code: int
    error: str | None = None
    """Said to the client before it is closed."""
    comes_back: bool = False
    """The client may want to resume."""
    last_words: bool = False
    """The client is there to hear what was heard of the utterances that end with it."""


class NativeConnection:
    """The tasks of a client, and the conversation that it carries on."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._service: Service = websocket.app.state.service
        self._conversations: ResumableSessions = websocket.app.state.conversations
        self._watch = StallWatch(websocket.scope, self._service.config.send_stall_s)
        self._tasks: list[asyncio.Task[None]] = []
        self._active_at = asyncio.get_running_loop().time()
        self._conversation = self._carry(self._conversations.open())
        if (key := key_of(websocket)) is not None:
            self._service.allow(self._conversation.live, key)

    async def run(self) -> None:
        session = self._conversation.live.id

        def task(name: str, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
            return asyncio.create_task(work, name=f"stream[{session}].{name}")

        reader, writer = task("read", self._read()), task("write", self._write())
        self._tasks = [
            reader,
            writer,
            task("idle", self._watch_idle()),
            task("drain", self._watch_drain()),
            task("stall", self._watch.until_stalled()),
        ]
        ending = _Ending(sockets.INTERNAL, "the service failed; reconnect")
        try:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            if writer.done():
                # It finds the socket closed without being told how; the reader may know.
                await asyncio.wait([reader], timeout=0.1)
            ending = self._ending()
            if ending.last_words:
                self._conversation.close()
                await asyncio.wait([writer])
        finally:
            for each in self._tasks:
                each.cancel()
            self._let_go(ending)
            await asyncio.wait(self._tasks)
            _ = [each.exception() for each in self._tasks if not each.cancelled()]  # known by now, or of no matter
        await self._close(ending)

    def _carry(self, conversation: ResumableSession) -> ResumableSession:
        conversation.leave = self._leave
        return conversation

    def _leave(self) -> None:
        """The conversation goes on over another connection."""
        for task in self._tasks:
            task.cancel()

    def _let_go(self, ending: _Ending) -> None:
        if self._conversation.leave != self._leave:
            return  # another connection has it
        self._conversation.leave = None
        if ending.comes_back:
            self._conversations.park(self._conversation)
        else:
            self._conversations.end(self._conversation)

    def _ending(self) -> _Ending:
        if self._conversation.leave != self._leave:
            return _Ending(CLOSE_RESUMED_ELSEWHERE)
        failures = [task.exception() for task in self._tasks if task.done() and not task.cancelled()]
        endings = [failure for failure in failures if isinstance(failure, _Ending)]
        if endings:
            return endings[0]
        for failure in failures:
            if isinstance(failure, WebSocketDisconnect):
                return _Ending(sockets.ABNORMAL, comes_back=True)
            if isinstance(failure, ClientStalled):
                log.warning("session %s: %s", self._conversation.live.id, failure)
                self._service.metrics.stalled_clients.inc()
                return _Ending(CLOSE_SLOW_CONSUMER, comes_back=True)
            if failure is not None:
                log.error("session %s failed", self._conversation.live.id, exc_info=failure)
                return _Ending(sockets.INTERNAL, "the service failed; reconnect")
        return _Ending(sockets.NORMAL, last_words=True)  # the client said close

    async def _close(self, ending: _Ending) -> None:
        last_message = None
        if ending.error is not None:
            code = "internal" if ending.code == sockets.INTERNAL else "idle_timeout"
            last_message = wire.encode_event(events.Error(None, code, ending.error, retryable=True, fatal=True))
        await sockets.close(self._websocket, ending.code, last_message=last_message)
        if ending.code == CLOSE_SLOW_CONSUMER:
            transport.abort(self._websocket.scope)  # what still waits for it is kept for its return

    # Commands in.

    async def _read(self) -> None:
        while not self._conversation.live.closed:
            await self._conversation.live.wait_for_calm()
            message = await self._websocket.receive()
            self._touch()
            if message["type"] == "websocket.disconnect":
                code = message.get("code", sockets.ABNORMAL)
                # uvicorn says 1005 for a connection that broke too, but then it has no reason to tell.
                raise _Ending(code, comes_back=code not in GOODBYES or "reason" not in message)
            try:
                if message.get("text") is None:
                    raise ProtocolError("a binary message where JSON belongs")
                await self._obey(wire.decode_command(message["text"]))
            except ProtocolError as error:
                self._conversation.live.refuse(error.utterance, error)

    async def _obey(self, command: commands.Command) -> None:
        match command:
            case commands.Resume():
                self._resume(command)
                return
            case commands.Start():
                try:
                    await self._check(command)
                except VoiceAgentError as error:
                    self._conversation.live.refuse(command.id, error)
                    return
            case _:
                pass
        self._conversation.handle(command)

    async def _check(self, start: commands.Start) -> None:
        require(start.format)
        await self._conversations.make_room()

    def _resume(self, resume: commands.Resume) -> None:
        empty = self._conversation
        if not empty.fresh or resume.session == empty.live.id:
            raise ProtocolError("resume comes first on a new connection, before anything is started on it")
        found = self._conversations.resume(resume.session, resume.token)
        if found is None:
            window_s = self._service.config.resume_window_s
            message = (
                "no session with this id and token waits: it has ended, was away for longer than "
                f"{window_s:g} s, or is another's; start anew on this connection"
            )
            raise ProtocolError(message, code="resume_failed")
        self._conversation = self._carry(found)
        found.rewind(resume.have)
        self._conversations.end(empty)

    # Messages out.

    async def _write(self) -> None:
        while True:
            conversation = self._conversation
            while (message := await conversation.next_message()) is not None:
                await self._watch.send(self._send(message), conversation.sound_s(message))
                self._touch()
            if conversation is self._conversation:
                return

    async def _send(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            await self._websocket.send_bytes(message)
        else:
            await self._websocket.send_text(message)

    # What ends it from outside.

    def _touch(self) -> None:
        self._active_at = asyncio.get_running_loop().time()

    async def _watch_idle(self) -> None:
        idle_s = self._service.config.idle_timeout_s
        loop = asyncio.get_running_loop()
        while True:
            left_s = self._active_at + idle_s - loop.time()
            if left_s <= 0:
                raise _Ending(CLOSE_IDLE, f"no message for {idle_s:g} s; send a ping to stay", last_words=True)
            await asyncio.sleep(left_s)

    async def _watch_drain(self) -> None:
        await self._service.draining.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._service.config.drain_s):
                await self._conversation.wait_until_said()
        raise _Ending(sockets.GOING_AWAY, last_words=True)

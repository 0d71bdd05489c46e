"""The line between a client and its server: kept up, and taken up again where it was lost.

Knows which utterances are open, not how somebody uses them; `voiceagent.client` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from voiceagent.client.dial import dial
from voiceagent.client.outbox import Outbox
from voiceagent.client.utterance import Utterance
from voiceagent.errors import ConnectionFailed, NoCapacity, ProtocolError
from voiceagent.protocol import commands, events, wire

# Waits before the attempts to connect again: each twice as long as the one before, none longer than the last.
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 3.0
# How long to try where the server keeps no session.
TRY_S = 30.0
PING_S = 60.0
CLOSE_RESUMED_ELSEWHERE = 4001

log = logging.getLogger(__name__)


class ServerConnection:
    """A WebSocket with the utterances that are open on it, and its successors.

    Args:
        address: of the native protocol on a server.
        token: what the server wants to see.
        reconnect: a connection that is lost gets a successor, which resumes its session.
    """

    def __init__(self, address: str, token: str | None, *, reconnect: bool) -> None:
        self.ready = events.Ready("", {})
        """What the server said first."""
        self._address = address
        self._token = token
        self._reconnect = reconnect
        self._socket: ClientConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._catching_up: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._failure: ConnectionFailed | None = None
        self._utterances: dict[str, Utterance] = {}
        self._streams: dict[int, Utterance] = {}
        self._left: list[str] = []

    async def enter(self, utterance: Utterance) -> None:
        """Takes in an utterance: its events go there from now on.

        Raises:
            ConnectionFailed: the connection is gone for good.
        """
        self._utterances[utterance.id] = utterance
        await self.send(utterance.outbox)

    async def leave(self, utterance: Utterance) -> None:
        """Forgets an utterance, and cancels what the server may still have of it."""
        del self._utterances[utterance.id]
        self._streams = {number: other for number, other in self._streams.items() if other is not utterance}
        if utterance.settled:
            return
        if self._up.is_set():
            await self._say(commands.Cancel(utterance.id))
        else:
            self._left.append(utterance.id)

    async def send(self, outbox: Outbox) -> None:
        """Sends what waits in an outbox; over a line that is down, when it is up again.

        Raises:
            ConnectionFailed: the connection is gone for good.
        """
        while True:
            await self._up.wait()
            if self._failure is not None:
                raise self._failure
            socket = self._socket
            assert socket is not None
            try:
                while (command := outbox.next()) is not None:
                    await socket.send(wire.encode_command(command))
            except ConnectionClosed:
                # What was lost with it is sent again by whoever sets up the next one.
                if socket is self._socket and self._failure is None:
                    self._up.clear()
            else:
                return

    async def open(self) -> None:
        """Connects."""
        self._socket, self.ready = await dial(self._address, self._token)
        self._up.set()
        for name, work in (("run", self._run()), ("ping", self._ping())):
            self._tasks.append(asyncio.create_task(work, name=f"client[{self.ready.session}].{name}"))

    async def close(self) -> None:
        """Says goodbye."""
        await self._say(commands.Close())
        tasks = [*self._tasks, *([self._catching_up] if self._catching_up is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert self._socket is not None
        await self._socket.close()
        self._fail(ConnectionFailed("the client is closed"))

    async def _say(self, command: commands.Command) -> None:
        """Sends a command if the line is up; nothing hangs on it."""
        if self._up.is_set() and self._socket is not None:
            with contextlib.suppress(ConnectionClosed):
                await self._socket.send(wire.encode_command(command))

    async def _ping(self) -> None:
        """Keeps the server from taking a silent client for one that is gone."""
        while True:
            await asyncio.sleep(PING_S)
            await self._say(commands.Ping())

    # The connection, and the next one.

    async def _run(self) -> None:
        try:
            while True:
                assert self._socket is not None
                lost = await self._read(self._socket)
                self._up.clear()
                if not self._reconnect or self._socket.close_code == CLOSE_RESUMED_ELSEWHERE:
                    raise lost
                await self._connect_again(lost)
        except ConnectionFailed as failure:
            self._fail(failure)
        except Exception as error:
            log.exception("reading failed")
            self._fail(ConnectionFailed(f"the client failed: {error!r}"))

    async def _connect_again(self, lost: ConnectionFailed) -> None:
        if self._catching_up is not None:
            self._catching_up.cancel()
        wait_s = FIRST_WAIT_S
        try:
            async with asyncio.timeout(self.ready.resume_window_ms / 1000 or TRY_S):
                while not await self._try_again(lost):
                    await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))
                    wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        except TimeoutError:
            raise lost from None

    async def _try_again(self, lost: ConnectionFailed) -> bool:
        """Whether there is a connection again; one that will never be is an error."""
        try:
            socket, ready = await dial(self._address, self._token)
            try:
                outboxes = await self._resume(socket, ready, lost)
            except BaseException:
                socket.transport.abort()
                raise
        except ConnectionFailed as error:
            if isinstance(error.__cause__, InvalidStatus):
                raise
            return False
        except (ConnectionClosed, NoCapacity, ProtocolError):
            return False
        self._socket = socket
        # Beside the reading: a server whose frames nobody takes would in the end take no text.
        name = f"client[{self.ready.session}].catch_up"
        self._catching_up = asyncio.create_task(self._catch_up(socket, outboxes), name=name)
        return True

    async def _resume(self, socket: ClientConnection, ready: events.Ready, lost: ConnectionFailed) -> list[Outbox]:
        """Takes up the session where it is still there, else what had begun has failed; returns what is to be said."""
        received: dict[str, events.Received] = {}
        resumed = False
        if self.ready.token is not None:
            have = {name: seq for name, one in self._utterances.items() if (seq := one.have) is not None}
            await socket.send(wire.encode_command(commands.Resume(self.ready.session, self.ready.token, have)))
            answer = wire.decode_event(await socket.recv(decode=True))
            if resumed := isinstance(answer, events.Resumed):
                received = {one.id: one for one in answer.open}
        if not resumed:
            self.ready = ready
            self._streams.clear()
            for utterance in self._utterances.values():
                if utterance.have is not None:
                    utterance.fail(lost)
        for name in received.keys() - self._utterances.keys():
            await socket.send(wire.encode_command(commands.Cancel(name)))  # left, and that was not heard of there
        return [one.rewind(received.get(name)) for name, one in self._utterances.items()]

    async def _catch_up(self, socket: ClientConnection, outboxes: list[Outbox]) -> None:
        with contextlib.suppress(ConnectionClosed):
            for outbox in outboxes:
                while (command := outbox.next()) is not None:
                    await socket.send(wire.encode_command(command))
            while self._left:
                await socket.send(wire.encode_command(commands.Cancel(self._left.pop())))
            self._up.set()

    # Messages in.

    async def _read(self, socket: ClientConnection) -> ConnectionFailed:
        """Takes messages until there are no more; returns why."""
        try:
            async for message in socket:
                if isinstance(message, bytes):
                    await self._take_audio(message)
                else:
                    self._take(wire.decode_event(message))
        except ConnectionClosed:
            pass
        except ProtocolError as error:
            await socket.close()
            raise ConnectionFailed(f"the server is none of ours: {error}") from error
        return ConnectionFailed(f"connection lost ({socket.close_code} {socket.close_reason or 'without a word'})")

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

    def _fail(self, failure: ConnectionFailed) -> None:
        """Ends everything that is open."""
        self._failure = self._failure or failure
        for utterance in self._utterances.values():
            utterance.fail(self._failure)
        self._up.set()  # whoever waits for a connection is to hear of it

"""What uvicorn's HTTP protocol does not do: end connections that never ask for anything, and say what a client has taken.

A request that has not arrived whole after a few seconds is given up, so that nobody holds connections open by silence. The
application finds its transport in the state of its scope and learns from it how many bytes still wait for the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as _HTTPProtocol
else:
    _HTTPProtocol = AutoHTTPProtocol

TRANSPORT = "voiceagent.transport"
SIOCOUTQ = 0x5411  # Linux, tcp(7): bytes in the send queue that the peer has not acknowledged
# What the kernel keeps of our writes. Left alone it grows to 4 MiB, minutes of speech that a client has not got, and says only when
# a third of that is free again that there is room.
SEND_BUFFER_BYTES = 128 * 1024


def protocol_class(handshake_s: float) -> type[asyncio.Protocol]:
    """The protocol for uvicorn's `http` setting.

    Args:
        handshake_s: how long the head of a request may take.
    """

    class Protocol(_HTTPProtocol):
        """Tells the application its transport, and waits for the head of a request only so long."""

        _head_timer: asyncio.TimerHandle | None = None
        _is_websocket = False  # and has a protocol of its own

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.app_state = {**self.app_state, TRANSPORT: transport}
            self._wait_for_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._head_timer is None and not (self._under_way or self._is_websocket):
                self._wait_for_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._wait_no_more()
            super().connection_lost(exc)

        def handle_websocket_upgrade(self, *args: Any) -> None:
            self._is_websocket = True
            self._wait_no_more()
            super().handle_websocket_upgrade(*args)

        @property
        def _under_way(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def _wait_for_head(self) -> None:
            self._head_timer = self.loop.call_later(handshake_s, self._give_up)

        def _wait_no_more(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _give_up(self) -> None:
            self._head_timer = None
            waits_for_the_next = self.timeout_keep_alive_task is not None  # uvicorn ends that by itself
            if not (self._under_way or waits_for_the_next or self.transport.is_closing()):
                self.transport.abort()

    return Protocol


class SocketProtocol(WebSocketsSansIOProtocol):
    """A client that goes away in a handshake, or is refused in one, is no error of ours, and nothing for the log."""

    async def send(self, message: Any) -> None:
        gone = self.transport.is_closing() if message["type"] == "websocket.accept" else self.close_sent
        if gone and message["type"] in ("websocket.accept", "websocket.send", "websocket.close"):
            raise ClientDisconnected
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # by an answer that refuses it

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError as error:
                self.logger.warning("a text message is not UTF-8: %s", error)
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()


def untaken_bytes(scope: Scope) -> int | None:
    """Bytes that were sent to this client and have not reached its machine; None where that is not known."""
    transport = scope.get("state", {}).get(TRANSPORT)
    if transport is None:
        return None
    waiting: int = transport.get_write_buffer_size()
    return waiting + _unacknowledged_bytes(transport.get_extra_info("socket"))


async def hang_up(scope: Scope, receive: Receive, *, at_once: bool = False, timeout_s: float = 1.0) -> None:
    """Ends the connection of an answer that is not complete, and waits until it has ended.

    Args:
        at_once: without what has been sent and not been taken yet.
        timeout_s: how long that may still be taken.
    """
    transport = scope.get("state", {}).get(TRANSPORT)
    if transport is None:
        return
    if not at_once:
        transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while (await receive())["type"] != "http.disconnect":
                    pass
                return
    abort(scope)
    while (await receive())["type"] != "http.disconnect":
        pass


def abort(scope: Scope) -> None:
    """Ends the connection at once, without what has been sent and not been taken yet."""
    transport = scope.get("state", {}).get(TRANSPORT)
    if transport is not None:
        transport.abort()


def _unacknowledged_bytes(connected: socket.socket | None) -> int:
    if connected is None or sys.platform != "linux":
        return 0
    import fcntl

    with contextlib.suppress(OSError, ValueError):  # closed meanwhile
        answer = fcntl.ioctl(connected.fileno(), SIOCOUTQ, struct.pack("i", 0))
        return int(struct.unpack("i", answer)[0])
    return 0

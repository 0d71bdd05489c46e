"""A TCP proxy that does to a connection what networks do: it delays, stalls, cuts and resets."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

PIECE_BYTES = 4_096
POLL_S = 0.05


class FaultProxy:
    """Passes bytes on between its clients and a server.

    Args:
        upstream: host and port of the server.
    """

    def __init__(self, upstream: str) -> None:
        host, port = upstream.split(":")
        self._upstream = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ways: list[_Way] = []
        self._flows = threading.Event()
        self._flows.set()
        self._closing = threading.Event()
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.delay_s = 0.0
        """How long each piece is held back."""
        self._listener.settimeout(POLL_S)
        self._accepting = threading.Thread(target=self._accept, name="fault-proxy", daemon=True)
        self._accepting.start()

    def stall(self) -> None:
        """Nothing passes from now on, in neither direction; the connections stay."""
        self._flows.clear()

    def flow(self) -> None:
        """What was held back goes on."""
        self._flows.set()

    def cut(self, *, reset: bool = False) -> None:
        """Ends all connections, by FIN or RST."""
        ended, self._ways = self._ways, []
        for way in ended:
            way.over.set()
        for way in ended:
            for thread in way.threads:
                thread.join(10)  # nobody waits for a socket when it is closed: its number is another's at once
            for one in way.sockets:
                with contextlib.suppress(OSError):
                    if reset:
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.close()

    def close(self) -> None:
        self._closing.set()
        self._accepting.join(10)
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            server = socket.create_connection(self._upstream, 10)
            for one in (client, server):
                one.settimeout(POLL_S)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            way = _Way((client, server))
            for source, sink in ((client, server), (server, client)):
                thread = threading.Thread(
                    target=self._pass_on, args=(way, source, sink), name="fault-proxy", daemon=True
                )
                way.threads.append(thread)
                thread.start()
            self._ways.append(way)

    def _pass_on(self, way: _Way, source: socket.socket, sink: socket.socket) -> None:
        waiting = b""
        while not way.over.is_set():
            if not self._flows.wait(POLL_S):
                continue
            try:
                if not waiting:
                    waiting = source.recv(PIECE_BYTES)
                    if not waiting:
                        sink.shutdown(socket.SHUT_WR)
                        return
                    time.sleep(self.delay_s)
                    continue  # it may be stalled meanwhile
                waiting = waiting[sink.send(waiting) :]
            except TimeoutError:
                continue
            except OSError:  # one side is gone: the other is told
                for one in way.sockets:
                    with contextlib.suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
                return


@dataclass(eq=False)
class _Way:
    """A client, the server's side of it, and who passes bytes on."""

    sockets: tuple[socket.socket, socket.socket]
    threads: list[threading.Thread] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """A proxy before this server, which is gone afterwards."""
    proxy = FaultProxy(upstream)
    try:
        yield proxy
    finally:
        proxy.close()

"""A line between a client and a server that breaks when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# An answer to the handshake and the first message of a server are longer.
HANDSHAKE_BYTES = 400


class Line:
    """Passes bytes both ways, until it is cut.

    Args:
        host, port: where the server is.
    """

    def __init__(self, host: str, port: int) -> None:
        self.connections = 0
        """How often a client has come."""
        self.dead = False
        """Whoever comes is turned away."""
        self.cut_after: int | None = None
        """Break once this many bytes of the server's have passed."""
        self._passed = 0
        self._muted = 0
        self._server = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Breaks every connection, both ways, wherever it is in a message."""
        for writer in self._writers:
            writer.transport.abort()
        self._passed = 0

    @property
    def up(self) -> bool:
        """A connection has been set up."""
        return self._passed > HANDSHAKE_BYTES

    def swallow(self) -> None:
        """What the client sends over a connection that has been set up goes nowhere from now on."""
        if self.up:
            self._muted = self.connections

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        self.connections += 1
        if self.dead:
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_connection(*self._server)
        self._writers |= {writer, server_writer}
        self._passed = 0
        try:
            await asyncio.gather(self._up(reader, server_writer, self.connections), self._down(server_reader, writer))
        except OSError:
            pass
        finally:
            for each in (writer, server_writer):
                self._writers.discard(each)
                each.transport.abort()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while data := await reader.read(4096):
            if number > self._muted:
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            if self.cut_after is not None:
                data, self.cut_after = data[: self.cut_after], self.cut_after - len(data)
            writer.write(data)
            self._passed += len(data)
            await writer.drain()
            if self.cut_after is not None and self.cut_after <= 0:
                self.cut_after = None
                writer.close()  # what has been written still arrives: the break is in the middle of a message
                self.cut()
        writer.close()


@asynccontextmanager
async def line_to(address: str) -> AsyncIterator[tuple[Line, str]]:
    """A line to a server at host:port, and the start of its WebSocket addresses."""
    host, port = address.rsplit(":", 1)
    line = Line(host, int(port))
    listener = await asyncio.start_server(line.accept, "127.0.0.1", 0)
    try:
        yield line, f"ws://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        line.cut()
        listener.close()

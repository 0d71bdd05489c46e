"""A server on a free loopback port, with whatever engine a test gives it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from support.fakes import FakeChunker, FakeEngine

from voiceagent.adapters.app import bind, build_app, build_server
from voiceagent.service.service import Service
from voiceagent.session.interface import MakeChunker
from voiceagent.settings.serve import ServeConfig

if TYPE_CHECKING:
    from voiceagent.agent import AgentEngine


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs on a thread of its own."""

    address: str
    """Host and port."""
    service: Service
    loop: asyncio.AbstractEventLoop
    """Its own."""

    @property
    def http(self) -> str:
        """Start of its HTTP addresses."""
        return f"http://{self.address}"

    @property
    def ws(self) -> str:
        """Start of its WebSocket addresses."""
        return f"ws://{self.address}"

    @property
    def fake(self) -> FakeEngine:
        """The fake engine, where it has one."""
        return cast(FakeEngine, self.service.engine)


@contextmanager
def running(
    engine: AgentEngine, config: ServeConfig | None = None, *, make_chunker: MakeChunker = FakeChunker
) -> Iterator[Server]:
    """A server with this engine, which is gone afterwards."""
    config = config or ServeConfig()
    listener = bind("127.0.0.1", 0)
    service = Service(engine, config, make_chunker)
    server = build_server(build_app(service), config, log_level="error")
    loops: Future[asyncio.AbstractEventLoop] = Future()

    async def serve() -> None:
        loops.set_result(asyncio.get_running_loop())
        await server.serve(sockets=[listener])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="loopback-server")
    engine.start()
    thread.start()
    try:
        yield Server(f"127.0.0.1:{listener.getsockname()[1]}", service, loops.result(30))
    finally:
        server.should_exit = True
        thread.join()
        engine.close()


@contextmanager
def serving(engine: AgentEngine) -> Iterator[str]:
    """Host and port of a server with this engine."""
    with running(engine) as server:
        yield server.address

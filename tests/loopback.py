"""A server on a free loopback port, with whatever engine a test gives it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fakes import FakeChunker

from voiceagent.adapters.server import bind, build_app, build_server
from voiceagent.agent import Engine
from voiceagent.config import ServeConfig
from voiceagent.service import Service


@contextmanager
def serving(engine: Engine) -> Iterator[str]:
    """Host and port of a server on a thread of its own, which is gone afterwards."""
    listener = bind("127.0.0.1", 0)
    server = build_server(build_app(Service(engine, make_chunker=FakeChunker)), ServeConfig(), log_level="error")
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), name="loopback-server")
    engine.start()
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        engine.close()

"""The doors that are no HTTP, on a thread of their own, so that clients in other processes can be waited for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from support.fakes import FakeEngine

from voiceagent.service.service import Service

Settings = TypeVar("Settings")
Run = Callable[[Service, Settings, Callable[[str], None]], Awaitable[None]]


@contextmanager
def running_door(run: Run[Settings], service: Service, settings: Settings) -> Iterator[str]:
    """The address that the door says it has; it is gone afterwards."""
    ready: Future[str] = Future()
    loops: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Future()

    def note(address: str) -> None:
        if not ready.done():
            ready.set_result(address)

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        loops.set_result((asyncio.get_running_loop(), task))
        try:
            await run(service, settings, note)
        except asyncio.CancelledError:
            return
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="door")
    assert isinstance(service.engine, FakeEngine)
    service.engine.start()
    thread.start()
    try:
        yield ready.result(30)
    finally:
        loop, task = loops.result()
        if thread.is_alive():
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
        service.engine.close()

"""Runs what a command awaits, and ends it in order when the process is told to end.

A signal handler that raises does so wherever the interpreter is: inside a callback of the event loop, say, whose
waiter then waits for ever. Here the awaited task is cancelled instead, as `asyncio.run` does for Ctrl-C.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


def end_in_order() -> None:
    """From here on the signals that end a process leave by SystemExit, so that parts of files are removed."""
    for number in _heeded():
        signal.signal(number, _leave)


def run(awaited: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, which the signals that end a process end, too.

    Raises:
        SystemExit: one of them came; the status is 128 and its number.
    """
    told: list[int] = []
    before = {number: signal.getsignal(number) for number in _heeded()}

    async def watched() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def end(number: int) -> None:
            told.append(number)
            task.cancel()

        for number in before:
            loop.add_signal_handler(number, end, number)
        return await awaited

    try:
        return asyncio.run(watched())
    except asyncio.CancelledError:
        if told:
            sys.exit(128 + told[0])
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # the loop leaves the default behind


def _heeded() -> tuple[signal.Signals, ...]:
    """What may be handled: not what `nohup` ignores, nothing outside the main thread, nothing on Windows' loop."""
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        return ()
    return tuple(number for number in ENDING if signal.getsignal(number) not in (signal.SIG_IGN, None))


def _leave(number: int, _: object) -> None:
    sys.exit(128 + number)

"""Waiting for what another task or thread brings about."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


async def eventually(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Returns as soon as the condition holds; fails if that takes too long."""
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110 - whatever brings it about tells nobody
        await asyncio.sleep(0.005)
    assert condition(), f"it did not come to pass within {timeout_s:g} seconds"


def wait_until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """`eventually` for what another process brings about, where no event loop runs."""
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert condition(), f"it did not come to pass within {timeout_s:g} seconds"

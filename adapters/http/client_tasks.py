"""The tasks of one client: they begin together, and when one of them ends all of them do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from voiceagent.session.async_session import LiveSession


async def until_one_ends(
    live: LiveSession, door: str, *works: Callable[[], Coroutine[None, None, None]]
) -> BaseException | None:
    """Runs them until one ends, closes their session and cancels the others; returns what went wrong, if anything did.

    Args:
        door: names the tasks, as `deepgram[<session>].read`.
    """
    tasks = [asyncio.create_task(work(), name=f"{door}[{live.id}].{work.__name__.strip('_')}") for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next((error for task in tasks if task.done() and (error := task.exception())), None)
    finally:
        live.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""What all WebSocket doors do alike: who may enter, the tasks of a client, and how a socket is closed.

The codes are those of RFC 6455, section 7.4.1. How a refusal is worded is each protocol's own affair.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Literal

from starlette.websockets import WebSocket, WebSocketDisconnect

from voiceagent.adapters.http.auth import authorized, origin_allowed
from voiceagent.service.service import Service
from voiceagent.session.async_session import AsyncSession

NORMAL, GOING_AWAY, UNSUPPORTED, NO_CODE, ABNORMAL, POLICY, INTERNAL = 1000, 1001, 1003, 1005, 1006, 1008, 1011
TRY_LATER = 1013  # of the registry of RFC 6455, section 11.7
REASON_BYTES_MAX = 123
TIMEOUT_S = 1.0


def refused_entry(websocket: WebSocket, *, key_comes_later: bool = False) -> Literal["origin", "key", "full"] | None:
    """Why a client may not come in, or None: it may. The one gate of every WebSocket door.

    Args:
        key_comes_later: the protocol's clients may show their key in the first message; the door looks at it then.
    """
    service: Service = websocket.app.state.service
    if not origin_allowed(websocket):
        return "origin"
    if not key_comes_later and not authorized(websocket):
        return "key"
    return "full" if service.full else None


async def close(websocket: WebSocket, code: int, reason: str = "", *, last_message: str | None = None) -> None:
    """Says why and closes; a client that has gone already, or does not read, keeps nobody waiting."""
    fitting = reason.encode("utf-8", "replace")[:REASON_BYTES_MAX].decode("utf-8", "ignore")
    with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
        async with asyncio.timeout(TIMEOUT_S):
            if last_message is not None:
                await websocket.send_text(last_message)
            await websocket.close(code, fitting)


async def until_one_ends(
    live: AsyncSession, door: str, *works: Callable[[], Coroutine[None, None, None]]
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

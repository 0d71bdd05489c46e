"""How a WebSocket is closed: the codes (RFC 6455, section 7.4.1), and a farewell that waits for nobody."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.websockets import WebSocket, WebSocketDisconnect

NORMAL, GOING_AWAY, UNSUPPORTED, NO_CODE, ABNORMAL, POLICY, INTERNAL = 1000, 1001, 1003, 1005, 1006, 1008, 1011
REASON_BYTES_MAX = 123
TIMEOUT_S = 1.0


async def close(websocket: WebSocket, code: int, reason: str = "", *, last_message: str | None = None) -> None:
    """Says why and closes; a client that has gone already, or does not read, keeps nobody waiting."""
    fitting = reason.encode("utf-8", "replace")[:REASON_BYTES_MAX].decode("utf-8", "ignore")
    with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
        async with asyncio.timeout(TIMEOUT_S):
            if last_message is not None:
                await websocket.send_text(last_message)
            await websocket.close(code, fitting)

"""Reaching a server: its address, the handshake, and why it may have failed."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from voiceagent.errors import ConnectionFailed, InputError, NoCapacity, ProtocolError, VoiceAgentError
from voiceagent.protocol import events, wire

PATH = "/v1/stream"
OPEN_TIMEOUT_S = 10.0
PING_S = 8.0
# `cancelled` repeats the text of its utterance.
MAX_MESSAGE_BYTES = 16 * 1024 * 1024


def address_of(url: str) -> str:
    """The address of the native protocol on a server.

    Raises:
        InputError: it is no WebSocket address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.netloc:
        raise InputError(f"{url!r} is no address of a server: write it as ws://127.0.0.1:8080")
    return urlunsplit(parts._replace(path=PATH if parts.path in ("", "/") else parts.path))


async def dial(address: str, token: str | None) -> tuple[ClientConnection, events.Ready]:
    """Opens a connection and returns it with the server's first word.

    Raises:
        ConnectionFailed: there is no server, or it wants another token.
        NoCapacity: every connection is taken.
        InputError: the address cannot be used.
    """
    try:
        socket = await open_websocket(
            address,
            additional_headers={"Authorization": f"Bearer {token}"} if token else None,
            subprotocols=[Subprotocol(wire.SUBPROTOCOL)],
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            open_timeout=OPEN_TIMEOUT_S,
            # A line that went dead is noticed well within the time that the server keeps its side.
            ping_interval=PING_S,
            ping_timeout=PING_S,
        )
    except InvalidStatus as error:
        raise _refused(address, error.response.status_code) from error
    except InvalidURI as error:
        raise InputError(str(error)) from error
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise ConnectionFailed(f"no server at {address}: {error}; start one with: voiceagent serve") from error
    return socket, await _first_event(socket)


def _refused(address: str, status: int) -> VoiceAgentError:
    match status:
        case 401:
            return ConnectionFailed(f"{address} wants another token: connect(..., token=...)")
        case 503:
            return NoCapacity(f"every connection of {address} is taken; try again later")
        case _:
            return ConnectionFailed(f"{address} answers {status}: the native protocol is not here, but at {PATH}")


async def _first_event(socket: ClientConnection) -> events.Ready:
    try:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            event = wire.decode_event(await socket.recv(decode=True))
    except (ConnectionClosed, TimeoutError, ProtocolError) as error:
        await socket.close()
        raise ConnectionFailed(f"the server did not say that it is ready: {error}") from error
    if not isinstance(event, events.Ready):
        await socket.close()
        raise ConnectionFailed("the server did not say that it is ready: it is none of ours")
    return event

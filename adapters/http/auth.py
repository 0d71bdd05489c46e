"""Who may come in: a token, wherever a protocol's clients put theirs.

    Authorization: Bearer x     also `Token x`, as some clients say
    xi-api-key: x               also `x-api-key`
    ?token=x                    for what can set no header; also `?single_use_token=x`
    subprotocols `token, x`     for browsers, whose WebSocket can set no header and whose addresses are logged

No keys in the settings means that everyone may. Who has come in is noted once a connection, since a token is used up by it.
How a refusal is worded is each protocol's own affair.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from voiceagent.service.keys import TOKEN_PREFIX, Key
from voiceagent.service.service import Service

SCHEMES = ("bearer", "token")
SUBPROTOCOL = "token"
HEADERS = ("xi-api-key", "x-api-key")
PARAMETERS = ("token", "single_use_token")
_SEEN = "voiceagent.key"


def authorized(connection: HTTPConnection) -> bool:
    """Whether this client may come in."""
    return key_of(connection) is not None


def key_of(connection: HTTPConnection) -> Key | None:
    """The key that this client has shown, or None: it may not come in."""
    if _SEEN not in connection.scope:
        service: Service = connection.app.state.service
        connection.scope[_SEEN] = service.keys.find(_presented(connection))
    key: Key | None = connection.scope[_SEEN]
    return key


def brought_key(connection: HTTPConnection) -> bool:
    """Whether it is a key itself, no token in its place, that this client has shown; or none is needed."""
    return authorized(connection) and not any(shown.startswith(TOKEN_PREFIX) for shown in _presented(connection))


def origin_allowed(connection: HTTPConnection) -> bool:
    """Programs send no origin; a page that this host itself serves may connect, others where the settings name them."""
    service: Service = connection.app.state.service
    origin = connection.headers.get("origin")
    if origin is None or origin in service.config.origins:
        return True
    return urlsplit(origin).netloc == connection.headers.get("host")


def unauthorized() -> Response:
    """The refusal of doors that have no words of their own for it."""
    message = "a valid token is needed: send the header Authorization: Bearer <token>"
    return JSONResponse({"error": message}, 401, headers={"WWW-Authenticate": "Bearer"})


def answered_subprotocol(connection: HTTPConnection, *known: str) -> str | None:
    """What to accept of the subprotocols that a client offers: a known one, else the mark before its token.

    A browser hangs up when it has offered some and none is accepted.
    """
    offered = _subprotocols(connection)
    return next((name for name in (*known, SUBPROTOCOL) if name in offered), None)


def _presented(connection: HTTPConnection) -> Iterator[str]:
    scheme, _, value = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() in SCHEMES and value:
        yield value.strip()
    yield from (key for name in HEADERS if (key := connection.headers.get(name)))
    for name in PARAMETERS:
        yield from connection.query_params.getlist(name)
    offered = _subprotocols(connection)
    if SUBPROTOCOL in offered[:-1]:
        yield offered[offered.index(SUBPROTOCOL) + 1]


def _subprotocols(connection: HTTPConnection) -> list[str]:
    return list(connection.scope.get("subprotocols", ()))

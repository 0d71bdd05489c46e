"""Who may come in: a token, wherever a protocol's clients put theirs.

    Authorization: Bearer x     also `Token x`, as some clients say
    xi-api-key: x
    ?token=x                    for what can set no header
    subprotocols `token, x`     for browsers, whose WebSocket can set no header and whose addresses are logged

No tokens in the settings means that everyone may. How a refusal is worded is each protocol's own affair.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from voiceagent.service.service import Service
from voiceagent.settings.serve import ServeConfig

SCHEMES = ("bearer", "token")
SUBPROTOCOL = "token"


def authorized(connection: HTTPConnection) -> bool:
    """Whether this client may come in."""
    service: Service = connection.app.state.service
    if not service.config.auth_tokens:
        return True
    return any(known_token(service.config, token) for token in _presented(connection))


def known_token(config: ServeConfig, token: str) -> bool:
    """Whether a token opens the door; where the settings have none, anything does."""
    presented = token.encode("utf-8", "surrogateescape")
    # All of them are compared, each in constant time: how long it takes says nothing about how near a guess was.
    known = [hmac.compare_digest(presented, valid.encode()) for valid in config.auth_tokens]
    return any(known) or not known


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
    if key := connection.headers.get("xi-api-key"):
        yield key
    yield from connection.query_params.getlist("token")
    offered = _subprotocols(connection)
    if SUBPROTOCOL in offered[:-1]:
        yield offered[offered.index(SUBPROTOCOL) + 1]


def _subprotocols(connection: HTTPConnection) -> list[str]:
    return list(connection.scope.get("subprotocols", ()))

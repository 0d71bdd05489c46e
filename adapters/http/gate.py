"""What a browser could be made to do to a server on its own machine, refused before any route is asked.

A page of a stranger can send requests to loopback addresses, and by changing what its own name resolves to (DNS rebinding)
it can read the answers as well. So a request must name this server as it is really called, and a page must be known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from voiceagent.adapters.http.auth import origin_allowed
from voiceagent.settings.serve import ServeConfig

LOOPBACK_NAME = "localhost"
ANY_HOST = "*"
# Headers of answers that a page may read.
EXPOSED = (
    "character-cost",
    "dg-char-count",
    "dg-error",
    "dg-model-name",
    "dg-request-id",
    "request-id",
    "retry-after",
    "x-request-id",
    "x-voiceagent-notice",
    "x-voiceagent-spans",
)
_HOST_HEADER = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<name>[^\[\]:@/?#\s]+))(?::\d*)?")


def middleware(config: ServeConfig) -> Sequence[Middleware]:
    """What comes before the routes: the gate, and answers to the pages that the settings name."""
    cross_origin = Middleware(
        CORSMiddleware,
        allow_origins=config.origins,
        allow_methods=("GET", "POST"),
        allow_headers=("*",),
        expose_headers=EXPOSED,
    )
    return [Middleware(Gate, config=config), *([cross_origin] if config.origins else [])]


def host_allowed(host: str, config: ServeConfig) -> bool:
    """Whether a Host header names this server.

    An address is no name, so that nobody can make it mean another machine. Where a key is needed and no hosts are set,
    any name will do: the page of a stranger has no key.
    """
    parts = _HOST_HEADER.fullmatch(host)
    if parts is None:
        return False
    if ANY_HOST in config.hosts or (config.needs_key and not config.hosts):
        return True
    name = (parts["six"] or parts["name"]).rstrip(".").lower()
    known = {LOOPBACK_NAME, config.host.lower(), *(host.lower() for host in config.hosts)}
    return name in known or name.endswith(f".{LOOPBACK_NAME}") or _is_address(name)


class Gate:
    """Refuses requests that do not name this server, and requests of pages that are not known.

    The origin of a WebSocket is checked by its door, which says so in the words of its protocol.
    """

    def __init__(self, app: ASGIApp, config: ServeConfig) -> None:
        self._app = app
        self._config = config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if reason is None:
            await self._app(scope, receive, send)
            return
        answer = JSONResponse({"error": reason}, 403)
        if scope["type"] == "http":
            await answer(scope, receive, send)
        else:
            await WebSocket(scope, receive, send).send_denial_response(answer)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if unknown := [host for host in hosts if not host_allowed(host, self._config)]:
            return f"this server is not called {unknown[0][:80]!r}: add the name to hosts in the settings"
        if scope["type"] == "http" and not _page_allowed(HTTPConnection(scope)):
            return "pages of this origin may not use this server: add it to origins in the settings"
        return None


def _page_allowed(connection: HTTPConnection) -> bool:
    if not origin_allowed(connection):
        return False
    headers = connection.headers
    if "origin" in headers:
        return True
    # An image or a script of a page brings no origin, but browsers say where it is asked from.
    return headers.get("sec-fetch-site") != "cross-site" or headers.get("sec-fetch-mode") == "navigate"


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True

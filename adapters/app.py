"""One ASGI application for everything that speaks HTTP, and the server that runs it.

GET /             a page to try it
GET /healthz      alive, and which voices are here
GET /readyz       the same, and whether someone new is taken
GET /v1/voices    the voices
GET /metrics      counters for Prometheus
POST /v1/tokens   a token for one connection of a page, in place of the key
WS  /v1/stream    the native protocol
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from voiceagent.adapters.deepgram import routes as deepgram
from voiceagent.adapters.editing import routes as editing
from voiceagent.adapters.elevenlabs import routes as elevenlabs
from voiceagent.adapters.http import page, transport
from voiceagent.adapters.http.auth import authorized, brought_key, key_of, unauthorized
from voiceagent.adapters.http.gate import middleware
from voiceagent.adapters.native import websocket
from voiceagent.adapters.native.resumption import ResumableSessions
from voiceagent.adapters.openai import routes as openai
from voiceagent.errors import InputError, NoCapacity
from voiceagent.service.service import Service
from voiceagent.settings.serve import ServeConfig
from voiceagent.version import __version__

BACKLOG = 256
PROBES = ("/healthz", "/readyz")
PING_S = 20.0
GONE_S = 30.0
# Time for the last words to clients once all is spoken.
FAREWELL_STEPS, FAREWELL_STEP_S = 100, 0.02


def build_app(service: Service, more_routes: Sequence[BaseRoute] = ()) -> Starlette:
    """The application; `more_routes` are those of other adapters."""
    app = Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/v1/voices", voices),
            Route("/metrics", metrics),
            Route("/v1/tokens", tokens, methods=["POST"]),
            WebSocketRoute(websocket.PATH, websocket.stream),
            *deepgram.ROUTES,
            *editing.ROUTES,
            *elevenlabs.ROUTES,
            *openai.ROUTES,
            *page.ROUTES,
            *more_routes,
        ],
        middleware=middleware(service.config),
    )
    app.state.service = service
    app.state.conversations = ResumableSessions(service)
    return app


async def healthz(request: Request) -> Response:
    """Alive, and what it has; open to everyone. 503 where only a new start would help."""
    service: Service = request.app.state.service
    return _condition(service, service.ailment)


async def readyz(request: Request) -> Response:
    """The same, and 503 while whoever comes would be refused: draining, or full."""
    service: Service = request.app.state.service
    return _condition(service, service.unready)


def _condition(service: Service, ailment: str | None) -> Response:
    facts = {
        "status": ailment or "ok",
        "version": __version__,
        "voices": list(service.engine.voices),
        "connections": service.connections,
    }
    return JSONResponse(facts, 503 if ailment else 200, headers={"Retry-After": "1"} if ailment else None)


async def voices(request: Request) -> Response:
    """The voices by name."""
    if not authorized(request):
        return unauthorized()
    service: Service = request.app.state.service
    return JSONResponse(elevenlabs.voices_answer((*service.engine.voices, *service.config.voice_names)))


async def metrics(request: Request) -> Response:
    """Counters for Prometheus."""
    if not brought_key(request):
        return unauthorized()
    service: Service = request.app.state.service
    return Response(service.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def tokens(request: Request) -> Response:
    """A token that opens one connection, soon: for a page that must not know the key."""
    key = key_of(request)
    if key is None or not brought_key(request):
        return unauthorized()
    service: Service = request.app.state.service
    try:
        token, lasts_s = service.keys.new_token(key)
    except NoCapacity as error:
        return JSONResponse({"error": str(error)}, 429, headers={"Retry-After": f"{service.config.token_s:.0f}"})
    return JSONResponse({"token": token, "expires_in_s": lasts_s}, headers={"Cache-Control": "no-store"})


def bind(host: str, port: int, stall_s: float = 60.0) -> socket.socket:
    """Takes the port before anything slow happens.

    Args:
        stall_s: how long a client may take nothing; later than that the kernel lets go of what was closed and is still not taken.

    Raises:
        InputError: the port is in use or not allowed, or the host is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit these.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, transport.SEND_BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A peer that reads nothing would otherwise keep a closed connection's socket for ever, one that is gone an open one's. It
        # comes after our own limit, which tells a pause from an end.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round((2 * stall_s + GONE_S) * 1000))
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} is in use on {host}; choose another one: --port {port + 1}") from error
        raise InputError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


class Loading:
    """ASGI: stands in for the application until the voices are there. Probes are answered at once, whoever else comes waits."""

    def __init__(self) -> None:
        self.app: Starlette | None = None
        self._settled = asyncio.Event()

    def settle(self, app: Starlette | None) -> None:
        """From here on the application answers; None: there will be none."""
        self.app = self.app or app
        self._settled.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is None and scope["type"] == "http" and scope["path"] in PROBES:
            alive = scope["path"] == "/healthz"
            facts = {"status": "loading the voices", "version": __version__}
            await JSONResponse(facts, 200 if alive else 503, headers={"Retry-After": "1"})(scope, receive, send)
            return
        await self._settled.wait()
        if self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            ended = PlainTextResponse("the service ends\n", 503, headers={"Retry-After": "1"})
            await ended(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1001})


def build_server(app: Starlette | Loading, config: ServeConfig, *, log_level: str = "info") -> uvicorn.Server:
    """A server for the application; run it with `serve(sockets=[...])`."""
    return _Server(
        uvicorn.Config(
            app,
            http=transport.protocol_class(config.handshake_s),
            ws=transport.SocketProtocol,
            ssl_certfile=config.tls_cert,
            ssl_keyfile=config.tls_key,
            ws_max_size=config.max_message_bytes,
            # Speech does not shrink, and compressing it would cost time and memory for each client.
            ws_per_message_deflate=False,
            ws_ping_interval=PING_S,
            # Pings keep what is between us open. Their answers come late from a player, which reads them in their turn behind the
            # sound that came before: who is gone is found out by TCP, who takes nothing by how many bytes it has taken.
            ws_ping_timeout=None,
            timeout_graceful_shutdown=5,
            access_log=False,
            log_level=log_level,
            lifespan="off",
        ),
        app,
    )


class _Server(uvicorn.Server):
    """Told to end, it takes no one new and lets what is open be spoken before it hangs up."""

    def __init__(self, config: uvicorn.Config, app: Starlette | Loading) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A first signal ends it in order, a second one at once, whichever they are."""
        self.force_exit = self.should_exit
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        if isinstance(self._app, Loading):
            self._app.settle(None)
        app = self._app.app if isinstance(self._app, Loading) else self._app
        drain = asyncio.create_task(_drain(app), name="server.drain")
        while not drain.done() and not self.force_exit:
            await asyncio.wait([drain], timeout=0.1)
        drain.cancel()
        await asyncio.gather(drain, return_exceptions=True)
        await super().shutdown(sockets)


async def _drain(app: Starlette | None) -> None:
    """What is open is spoken, and its clients hear the last words."""
    if app is None:
        return
    service: Service = app.state.service
    conversations: ResumableSessions = app.state.conversations
    conversations.end_waiting()
    await service.drain()
    for _ in range(FAREWELL_STEPS):
        if not service.connections:
            return
        await asyncio.sleep(FAREWELL_STEP_S)

"""A language model behind OpenAI's `chat/completions`, on a free loopback port: tests write its answers."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


def event(piece: str | None, **choice: Any) -> bytes:
    """A server-sent event as OpenAI's server writes it."""
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {} if piece is None else {"content": piece}, **choice}],
    }
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


STOP = event(None, finish_reason="stop")
DONE = b"data: [DONE]\n\n"


@dataclass
class FakeLlm:
    """What it answers, and what it was asked.

    tokens: of every answer. raw: sent instead of them, as it is. status, body: refuse instead.
    """

    tokens: Sequence[str] = ("Hello", " there", ".")
    token_s: float = 0.0
    raw: Sequence[bytes] | None = None
    status: int = 200
    body: str = ""
    media_type: str = "text/event-stream"
    api_key: str | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    sent: int = 0
    cut_off: int = 0
    """Answers that the client did not want to the end."""
    url: str = ""

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
                Route("/v1/models", lambda _: JSONResponse({"data": [{"id": "first"}, {"id": "second"}]})),
            ]
        )

    async def _complete(self, request: Request) -> Response:
        self.requests.append(await request.json())
        if self.api_key is not None and request.headers.get("authorization") != f"Bearer {self.api_key}":
            return JSONResponse({"error": {"message": "Incorrect API key provided"}}, 401)
        if self.status != 200:
            return Response(self.body, self.status)
        return StreamingResponse(self._stream(), media_type=self.media_type)

    async def _stream(self) -> AsyncIterator[bytes]:
        pieces = list(self.raw) if self.raw is not None else [*map(event, self.tokens), STOP, DONE]
        left = len(pieces)
        try:
            for piece in pieces:
                yield piece
                left -= 1
                self.sent += 1
                await asyncio.sleep(self.token_s)
        finally:
            self.cut_off += left > 0


@asynccontextmanager
async def llm_server(llm: FakeLlm) -> AsyncIterator[FakeLlm]:
    """Serves it; its address is in `llm.url`."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(llm.app(), log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    llm.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    try:
        yield llm
    finally:
        server.should_exit = True
        await task
        listener.close()

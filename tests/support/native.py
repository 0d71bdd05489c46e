"""A client of the native protocol for tests, which keeps what it gets, and a server for it in the same loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from support.fakes import FakeChunker, FakeEngine
from uvicorn import Server
from websockets.asyncio.client import ClientConnection, connect

from voiceagent.adapters.app import bind, build_app, build_server
from voiceagent.protocol.wire import FLAG_LAST, decode_audio
from voiceagent.service.service import Service
from voiceagent.settings.serve import ServeConfig


@dataclass
class Heard:
    """What a client got for one utterance."""

    events: list[dict[str, Any]] = field(default_factory=list)
    payload: bytes = b""
    seqs: list[int] = field(default_factory=list)
    pts: list[int] = field(default_factory=list)
    streams: set[int] = field(default_factory=set)
    last: bool = False

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]


class Client:
    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws

    async def send(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            await self.ws.send(json.dumps(message))

    async def event(self) -> dict[str, Any]:
        message = await asyncio.wait_for(self.ws.recv(), 10)
        assert isinstance(message, str)
        event: dict[str, Any] = json.loads(message)
        return event

    async def hear(self, until: tuple[str, ...] = ("done", "error", "cancelled")) -> Heard:
        heard = Heard()
        while not heard.events or heard.events[-1]["type"] not in until:
            message = await asyncio.wait_for(self.ws.recv(), 10)
            if isinstance(message, str):
                heard.events.append(json.loads(message))
                continue
            (flags, stream, seq, pts), payload = decode_audio(message)
            heard.payload += payload
            heard.seqs.append(seq)
            heard.pts.append(pts)
            heard.streams.add(stream)
            heard.last = bool(flags & FLAG_LAST)
        return heard

    async def say(self, text: str, id_: str = "u", **start: Any) -> Heard:
        await self.send(
            {"type": "start", "id": id_, **start}, {"type": "text", "id": id_, "text": text}, {"type": "end", "id": id_}
        )
        return await self.hear()


@asynccontextmanager
async def server_of(engine: FakeEngine, /, **settings: Any) -> AsyncIterator[tuple[str, Service, Server]]:
    """A server in this loop: where it is, what its doors share, and itself, to be told to end."""
    config = ServeConfig(port=0, **settings)
    service = Service(engine, config, make_chunker=FakeChunker)
    listener = bind(config.host, config.port)
    server = build_server(build_app(service), config, log_level="warning")
    engine.start()
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}", service, server
    finally:
        server.should_exit = True
        await task
        listener.close()
        engine.close()


@asynccontextmanager
async def serving(engine: FakeEngine, /, **settings: Any) -> AsyncIterator[tuple[str, Service]]:
    async with server_of(engine, **settings) as (address, service, _):
        yield address, service


@asynccontextmanager
async def client_of(address: str, **options: Any) -> AsyncIterator[Client]:
    async with connect(address + "/v1/stream", compression=None, **options) as ws:
        client = Client(ws)
        assert (await client.event())["type"] == "ready"
        yield client


async def http_get(address: str, path: str) -> str:
    host, port = address.removeprefix("ws://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = (await asyncio.wait_for(reader.read(), 5)).decode()
    writer.close()
    await writer.wait_closed()
    return answer

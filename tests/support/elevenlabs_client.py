"""A plain client of ElevenLabs' WebSockets, for tests: it checks what every message of the protocol must have."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from support.loopback import Server
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed


@dataclass
class Said:
    """What came for one context."""

    audio: bytes = b""
    chars: str = ""
    span_ms: int = 0
    starts_ms: list[int] = field(default_factory=list)
    normalized_starts_ms: list[int] = field(default_factory=list)
    final: bool = False
    errors: list[dict[str, Any]] = field(default_factory=list)

    def take(self, message: dict[str, Any]) -> None:
        assert not self.final, f"a message after the last one: {message}"
        if "error" in message:
            self.errors.append(message)
            return
        assert message["isFinal"] is message["is_final"]
        if message["isFinal"]:
            assert message["audio"] is None
            self.final = True
            return
        self.audio += base64.b64decode(message["audio"] or "")
        assert (message["alignment"] is None) == (message["normalizedAlignment"] is None)
        if message["alignment"] is not None:
            self._align(message["alignment"], message["normalizedAlignment"])

    def _align(self, alignment: dict[str, Any], normalized: dict[str, Any]) -> None:
        starts, durations = alignment["charStartTimesMs"], alignment["charDurationsMs"]
        assert len(alignment["chars"]) == len(starts) == len(durations) > 0
        assert normalized["chars"] == alignment["chars"]
        assert normalized["charDurationsMs"] == durations
        self.chars += "".join(alignment["chars"])
        self.starts_ms += [self.span_ms + start for start in starts]
        self.normalized_starts_ms += normalized["charStartTimesMs"]
        self.span_ms += starts[-1] + durations[-1]

    def seconds(self, rate_hz: int = 24_000) -> float:
        """Length of the audio, where it is 16-bit PCM."""
        return len(self.audio) / 2 / rate_hz


class Client:
    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self.said: dict[str | None, Said] = {}

    async def send(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            await self.ws.send(json.dumps(message))

    async def message(self) -> dict[str, Any]:
        """The next message, which is also noted under its context."""
        received = await asyncio.wait_for(self.ws.recv(), 10)
        message: dict[str, Any] = json.loads(received)
        assert message.get("contextId") == message.get("context_id")
        self.said.setdefault(message.get("contextId"), Said()).take(message)
        return message

    async def until_final(self, name: str | None = None) -> Said:
        while not ((said := self.said.get(name)) and said.final):
            await self.message()
        return self.said.pop(name)

    async def until_audio(self, name: str | None = None) -> None:
        while not ((said := self.said.get(name)) and said.audio):
            await self.message()

    async def until_closed(self) -> tuple[int, str]:
        """Code and reason of the close, after everything before it has been noted."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.message()
        return self.ws.close_code or 0, self.ws.close_reason or ""


@asynccontextmanager
async def stream_input(server: Server, query: str = "", voice: str = "heart", **options: Any) -> AsyncIterator[Client]:
    address = f"{server.ws}/v1/text-to-speech/{voice}/stream-input?output_format=pcm_24000&{query}"
    async with connect(address, **options) as ws:
        yield Client(ws)


@asynccontextmanager
async def multi(server: Server, query: str = "", voice: str = "heart", **options: Any) -> AsyncIterator[Client]:
    address = f"{server.ws}/v1/text-to-speech/{voice}/multi-stream-input?output_format=pcm_24000&{query}"
    async with connect(address, **options) as ws:
        yield Client(ws)

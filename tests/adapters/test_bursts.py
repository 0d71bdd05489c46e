"""More text at once than there is room for, at every socket: reading goes on, and what is urgent passes what waits."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from support.fakes import FakeEngine
from support.loopback import running
from websockets.asyncio.client import ClientConnection, connect

from voiceagent.settings.serve import Limits, ServeConfig

ROOM = 2_000
TEXT = "word " * 37 + "end. "  # 190 characters
MESSAGES = 40  # nearly four times the room


@dataclass(frozen=True)
class Door:
    """What a burst, a cancel and their answers look like at one of the sockets."""

    path: str
    begin: tuple[dict[str, Any], ...]
    text: Callable[[str], dict[str, Any]]
    cancel: dict[str, Any]
    refused: Callable[[dict[str, Any]], bool]
    cancelled: Callable[[dict[str, Any]], bool]


DOORS = {
    "native": Door(
        "/v1/stream",
        ({"type": "start", "id": "u"},),
        lambda text: {"type": "text", "id": "u", "text": text},
        {"type": "cancel", "id": "u"},
        lambda said: said.get("code") == "text_buffer_full",
        lambda said: said.get("type") == "cancelled",
    ),
    "deepgram": Door(
        "/v1/speak?encoding=linear16",
        (),
        lambda text: {"type": "Speak", "text": text},
        {"type": "Clear"},
        lambda said: said.get("code") == "TEXT_BUFFER_FULL",
        lambda said: said.get("type") == "Cleared",
    ),
    "elevenlabs": Door(
        "/v1/text-to-speech/heart/multi-stream-input?output_format=pcm_24000",
        ({"text": " ", "context_id": "c"},),
        lambda text: {"text": text, "context_id": "c"},
        {"context_id": "c", "close_context": True},
        lambda said: said.get("error") == "text_buffer_full",
        lambda said: bool(said.get("isFinal") or said.get("is_final")),
    ),
}


async def said_until(socket: ClientConnection, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        while not said or not wanted(said[-1]):
            message = await socket.recv()
            if isinstance(message, str):
                said.append(json.loads(message))
    return said


@pytest.mark.parametrize("name", DOORS)
async def test_a_burst_is_read_to_its_end_and_a_ping_and_a_cancel_pass_it(name: str) -> None:
    door = DOORS[name]
    engine = FakeEngine(threaded=True, latency_s=0.02)
    config = ServeConfig(limits=Limits(max_text_buffer=ROOM, backlog_ms=1_000), text_wait_s=30)
    with running(engine, config) as server:
        async with connect(f"{server.ws}{door.path}", compression=None) as socket:
            for message in (*door.begin, *[door.text(TEXT)] * MESSAGES):
                await socket.send(json.dumps(message))
            began = time.monotonic()
            pong = await socket.ping()
            await socket.send(json.dumps(door.cancel))
            said = await said_until(socket, door.cancelled)
            took_s = time.monotonic() - began
            await asyncio.wait_for(pong, 10)
            assert any(map(door.refused, said))
            assert took_s < 5  # the text that waits would take minutes to speak, and may stand in line for 30 s
        assert socket.close_code in (1000, None)


async def test_text_in_line_is_spoken_in_order_when_there_is_room() -> None:
    engine = FakeEngine(threaded=True, word_s=0.02)
    config = ServeConfig(limits=Limits(max_text_buffer=400), text_wait_s=30)
    door = DOORS["native"]
    texts = [f"Number {number} is here. " for number in range(30)]
    with running(engine, config) as server:
        async with connect(f"{server.ws}{door.path}", compression=None) as socket:
            await socket.send(json.dumps(door.begin[0] | {"max_ahead_ms": 60_000}))
            for text in texts:
                await socket.send(json.dumps(door.text(text)))
            await socket.send(json.dumps({"type": "end", "id": "u"}))
            said = await said_until(socket, lambda message: message["type"] == "done")
    assert not any(map(door.refused, said))
    assert said[-1]["chars"] == sum(map(len, texts))
    assert "".join(engine.spoken) == "".join(texts)

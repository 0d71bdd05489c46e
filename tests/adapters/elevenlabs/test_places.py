"""Whoever has shown no key takes no place of those who have one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from support.fakes import FakeEngine
from support.loopback import Server, running
from support.waiting import eventually
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voiceagent.service.service import STRANGERS_MAX
from voiceagent.service.strangers import Strangers
from voiceagent.settings.serve import ServeConfig

PATHS = ("/v1/text-to-speech/heart/stream-input", "/v1/text-to-speech/heart/multi-stream-input")
KEY = {"text": " ", "xi_api_key": "key"}


def dial(server: Server, path: str, **options: Any) -> Any:
    return connect(f"{server.ws}{path}?output_format=pcm_24000", compression=None, **options)


async def spoken(socket: ClientConnection) -> bool:
    for message in (KEY, {"text": "Hello there. "}, {"text": ""}):
        await socket.send(json.dumps(message))
    async with asyncio.timeout(10):
        return any([json.loads(message).get("audio") async for message in socket])


async def test_silent_strangers_lock_nobody_out() -> None:
    config = ServeConfig(auth_tokens=("key",), max_connections=4, handshake_s=30)
    with running(FakeEngine(threaded=True), config) as server:
        silent = [await dial(server, PATHS[number % 2]) for number in range(3 * STRANGERS_MAX)]
        assert server.service.connections == 0
        assert len(server.service.strangers) == STRANGERS_MAX
        async with dial(server, PATHS[0]) as late:  # its key comes in its first message, behind all of them
            assert await spoken(late)
        async with dial(server, PATHS[0], additional_headers={"xi-api-key": "key"}) as early:
            assert await spoken(early)
        for socket in silent:
            await socket.close()
        await eventually(lambda: len(server.service.strangers) == 0)


@pytest.mark.parametrize("path", PATHS)
async def test_a_stranger_stays_for_a_moment_only(path: str) -> None:
    with running(FakeEngine(threaded=True), ServeConfig(auth_tokens=("key",), handshake_s=0.2)) as server:
        async with dial(server, path) as socket:
            async with asyncio.timeout(10):
                assert "API key" in json.loads(await socket.recv())["message"]
                with pytest.raises(ConnectionClosed):
                    await socket.recv()
        await eventually(lambda: len(server.service.strangers) == 0)


async def test_with_its_key_a_stranger_becomes_one_of_the_clients_or_is_told_that_there_is_no_place() -> None:
    config = ServeConfig(auth_tokens=("key",), max_connections=1)
    with running(FakeEngine(threaded=True), config) as server:
        async with dial(server, PATHS[1]) as first, dial(server, PATHS[1]) as second:
            await first.send(json.dumps(KEY))
            await eventually(lambda: server.service.connections == 1)
            await second.send(json.dumps(KEY))
            assert json.loads(await second.recv())["error"] == "system_busy"
        await eventually(lambda: server.service.connections == 0)


def test_the_one_that_has_been_there_longest_goes() -> None:
    strangers, gone = Strangers(2), list[str]()
    with strangers.enter(lambda: gone.append("a")), strangers.enter(lambda: gone.append("b")):
        with strangers.enter(lambda: gone.append("c")):
            assert (gone, len(strangers)) == (["a"], 2)
        assert len(strangers) == 1
    assert (gone, len(strangers)) == (["a"], 0)

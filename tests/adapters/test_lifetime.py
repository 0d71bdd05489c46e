"""How a connection ends from the server's side: nobody says anything, or the service is told to end."""

from __future__ import annotations

import asyncio
import json

import pytest
from support.fakes import FakeChunker, FakeEngine
from support.native import Client, client_of, server_of, serving
from support.waiting import eventually
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voiceagent.protocol import commands, events
from voiceagent.service.service import Service
from voiceagent.settings.serve import ServeConfig

LONG = "One two three four five six seven eight nine ten. " * 10


async def close_code(ws: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed) as closed:
        await asyncio.wait_for(ws.recv(), 10)
    return closed.value.rcvd.code if closed.value.rcvd else None


async def test_a_connection_where_nobody_says_anything_is_closed() -> None:
    async with (
        serving(FakeEngine(threaded=True), idle_timeout_s=0.5) as (address, service),
        client_of(address) as client,
    ):
        begin_s = asyncio.get_running_loop().time()
        await client.send({"type": "start", "id": "u"}, {"type": "text", "id": "u", "text": "waits for more"})
        heard = await client.hear(until=("error",))
        error = heard.events[-1]
        assert (error["code"], error["fatal"], error["retryable"]) == ("idle_timeout", True, True)
        assert heard.of("cancelled")
        assert await close_code(client.ws) == 4009
        assert asyncio.get_running_loop().time() - begin_s >= 0.45
        await eventually(lambda: service.connections == 0)


async def test_a_ping_keeps_a_connection_and_so_does_speech() -> None:
    async with serving(FakeEngine(threaded=True, word_s=1.0), idle_timeout_s=1.0) as (address, _):
        async with client_of(address) as client:
            for number in range(4):
                await asyncio.sleep(0.4)
                await client.send({"type": "ping", "t": number})
                assert (await client.event())["t"] == number
        async with client_of(address) as client:
            # 2 s of speech that are sent hardly faster than they are played
            assert (await client.say("One two.", max_ahead_ms=100)).of("done")


async def test_told_to_end_the_service_lets_what_is_open_be_spoken() -> None:
    engine = FakeEngine(threaded=True, latency_s=0.005)
    async with (
        server_of(engine) as (address, service, server),
        client_of(address) as client,
        client_of(address) as idle,
    ):
        await client.send(
            {"type": "start", "id": "u", "max_ahead_ms": 60_000}, {"type": "text", "id": "u", "text": LONG}
        )
        await client.hear(until=("words",))
        server.should_exit = True  # as on SIGTERM
        await eventually(service.draining.is_set)
        assert await close_code(idle.ws) == 1001
        with pytest.raises(OSError, match="Connect call failed"):
            await connect(address + "/v1/stream")
        await client.send({"type": "start", "id": "late"}, {"type": "text", "id": "late", "text": "Dropped."})
        error = (await client.hear(until=("error",))).events[-1]
        assert (error["id"], error["code"], error["retryable"]) == ("late", "no_capacity", True)
        await client.send({"type": "text", "id": "u", "text": "The end."}, {"type": "end", "id": "u"})
        done = (await client.hear(until=("done",))).events[-1]
        assert done["audio_ms"] == 102 * 200
        assert await close_code(client.ws) == 1001


async def test_what_takes_too_long_is_cancelled_and_told() -> None:
    async with server_of(FakeEngine(threaded=True), drain_s=0.3) as (address, _, server), client_of(address) as client:
        await client.send({"type": "start", "id": "u"}, {"type": "text", "id": "u", "text": "One two. And then"})
        await client.hear(until=("words",))
        server.should_exit = True  # as on SIGTERM
        cancelled = (await client.hear(until=("cancelled",))).events[-1]
        assert cancelled["text_spoken"] + cancelled["text_remaining"] == "One two. And then"
        assert await close_code(client.ws) == 1001


async def test_who_is_away_is_not_waited_for() -> None:
    engine = FakeEngine(threaded=True)
    async with server_of(engine, drain_s=60.0) as (address, service, server):
        ws = await connect(address + "/v1/stream")
        await Client(ws).send({"type": "start", "id": "u"}, {"type": "text", "id": "u", "text": LONG})
        assert json.loads(await ws.recv())["type"] == "ready"
        await eventually(lambda: bool(engine.live))
        ws.transport.abort()
        await eventually(lambda: service.connections == 0)
        assert engine.live, "it may come back"
        server.should_exit = True  # as on SIGTERM
        await eventually(lambda: not engine.live)


async def test_sessions_of_every_door_are_waited_for() -> None:
    service = Service(FakeEngine(), ServeConfig(drain_s=60.0), make_chunker=FakeChunker)
    idle, live = service.connect(paced=False), service.connect(paced=False)
    assert isinstance(await idle.next_event(), events.Ready)
    for command in (commands.Start("u"), commands.Text("u", "One two three."), commands.End("u")):
        live.handle(command)
    assert service.open_utterances == 1
    drain = asyncio.create_task(service.drain())
    await asyncio.sleep(0)
    live.handle(commands.Start("late"))
    taken: list[events.Event] = []
    while not (taken and isinstance(taken[-1], events.Done)):
        assert not drain.done()
        event = await live.next_event()
        assert event is not None
        taken.append(event)
    assert [(one.id, one.code) for one in taken if isinstance(one, events.Error)] == [("late", "no_capacity")]
    await asyncio.wait_for(drain, 10)
    assert service.full


async def test_a_session_made_while_the_service_ends_opens_nothing() -> None:
    engine = FakeEngine()
    service = Service(engine, ServeConfig(), make_chunker=FakeChunker)
    await service.drain()
    live = service.connect()
    live.handle(commands.Start("late"))
    assert isinstance(await live.next_event(), events.Ready)
    error = await live.next_event()
    assert isinstance(error, events.Error)
    assert (error.id, error.code) == ("late", "no_capacity")
    assert not engine.live

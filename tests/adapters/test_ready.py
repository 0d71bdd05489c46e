"""Ready means ready: what a balancer is told while the service loads, is full, is stuck or ends; and what Prometheus reads."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.fakes import FakeChunker, FakeEngine
from support.native import client_of, http_get, server_of
from support.waiting import eventually

from voiceagent.adapters import doors
from voiceagent.adapters.app import Loading, bind, build_app, build_server
from voiceagent.errors import ConfigError
from voiceagent.service.service import Service
from voiceagent.settings.serve import ServeConfig

TEXT = "One two three four five. "


async def probe(address: str, path: str = "/readyz") -> tuple[int, str]:
    head, _, body = (await http_get(address, path)).partition("\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["status"]


async def figures(address: str) -> dict[str, float]:
    _, _, body = (await http_get(address, "/metrics")).partition("\r\n\r\n")
    return {
        sample.name.removeprefix("voiceagent_"): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
        if not sample.labels
    }


async def test_it_is_ready_as_long_as_someone_new_can_be_spoken_to() -> None:
    async with server_of(FakeEngine(threaded=True, max_streams=2)) as (address, _, _):
        assert await probe(address) == (200, "ok")
        async with client_of(address) as client:
            for name in ("a", "b"):
                await client.send({"type": "start", "id": name})
                await client.hear(until=("started",))
            assert await probe(address) == (503, "full: all 2 streams are taken")
            assert await probe(address, "/healthz") == (200, "ok"), "nothing is wrong with the process"
            await client.send({"type": "cancel", "id": "a"})
            await client.hear(until=("cancelled",))
            assert await probe(address) == (200, "ok")
            await client.send({"type": "text", "id": "b", "text": TEXT}, {"type": "end", "id": "b"})
            await client.hear()


async def test_every_connection_taken() -> None:
    async with server_of(FakeEngine(), max_connections=1) as (address, _, _), client_of(address):
        assert await probe(address) == (503, "full: all 1 connections are taken")
        assert (await probe(address, "/healthz"))[0] == 200


async def test_what_is_told_and_counted_while_it_ends() -> None:
    service = Service(FakeEngine(), ServeConfig(), make_chunker=FakeChunker)
    assert service.unready is None
    service.draining.set()
    assert str(service.unready).startswith("draining")
    exposition = service.metrics.exposition().decode()
    assert "voiceagent_draining 1.0" in exposition
    assert "voiceagent_ready 0.0" in exposition


async def test_the_gauges() -> None:
    async with server_of(FakeEngine(threaded=True, max_streams=4)) as (address, _, _), client_of(address) as client:
        before = await figures(address)
        assert (before["slots"], before["slots_taken"], before["utterances_open"]) == (4, 0, 0)
        await client.send({"type": "start", "id": "a"}, {"type": "played", "id": "a", "ms": 0, "underruns": 3})
        await client.hear(until=("started",))
        await client.send({"type": "played", "id": "a", "ms": 0, "underruns": -1})
        assert "underruns" in (await client.hear(until=("error",))).events[-1]["message"]
        during = await figures(address)
        assert (during["slots_taken"], during["utterances_open"], during["underruns_total"]) == (1, 1, 3)
        assert {"queue", "late_ticks_total", "draining", "ready", "connections"} <= set(during)


async def test_while_it_loads_probes_are_answered_and_others_wait() -> None:
    config = ServeConfig(port=0)
    app = Loading()
    server = build_server(app, config, log_level="warning")
    loaded = asyncio.Event()
    engine = FakeEngine(threaded=True)

    async def load() -> Service:
        await loaded.wait()
        engine.start()
        service = Service(engine, config, make_chunker=FakeChunker)
        app.settle(build_app(service))
        return service

    with bind("127.0.0.1", 0) as listener:
        address = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        serving = asyncio.create_task(doors.serve(server, listener, load, []))
        try:
            assert await probe(address) == (503, "loading the voices")
            assert (await probe(address, "/healthz"))[0] == 200
            early = asyncio.create_task(http_get(address, "/v1/voices"))
            await asyncio.sleep(0.05)
            assert not early.done()
            loaded.set()
            assert '"heart"' in await early
            assert await probe(address) == (200, "ok")
            async with client_of(address) as client:
                assert (await client.say(TEXT)).of("done")
        finally:
            server.should_exit = True
            await asyncio.wait_for(serving, 20)
            engine.close()


async def test_told_to_end_while_it_loads_it_keeps_nobody_waiting() -> None:
    config = ServeConfig(port=0)
    server = build_server(Loading(), config, log_level="warning")
    told = asyncio.Event()

    async def load() -> Service:
        await told.wait()
        return Service(FakeEngine(), config, make_chunker=FakeChunker)

    async def opened(_: Service) -> None:
        raise AssertionError("no door is opened any more")

    with bind("127.0.0.1", 0) as listener:
        address = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        serving = asyncio.create_task(doors.serve(server, listener, load, [opened]))
        early = asyncio.create_task(http_get(address, "/v1/voices"))
        await asyncio.sleep(0.2)
        server.handle_exit(signal.SIGTERM, None)
        assert " 503 " in await early
        told.set()
        server._captured_signals.clear()  # it would raise them once more
        await asyncio.wait_for(serving, 20)


async def test_voices_that_cannot_be_loaded_end_it() -> None:
    config = ServeConfig(port=0)
    server = build_server(Loading(), config, log_level="warning")

    async def load() -> Service:
        raise ConfigError("no such weights")

    with bind("127.0.0.1", 0) as listener, pytest.raises(ConfigError, match="no such weights"):
        await asyncio.wait_for(doors.serve(server, listener, load, []), 20)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_at_once(second: signal.Signals) -> None:
    engine = FakeEngine(threaded=True)
    async with server_of(engine) as (address, service, server), client_of(address) as client:
        assert service.config.drain_s == 300, "long enough for a turn"
        await client.send({"type": "start", "id": "a"})
        await client.hear(until=("started",))
        server.handle_exit(signal.SIGTERM, None)
        await eventually(service.draining.is_set)
        forced = [server.force_exit]
        server.handle_exit(second, None)
        assert [*forced, server.force_exit] == [False, True]
        server._captured_signals.clear()

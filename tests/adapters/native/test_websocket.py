"""The native protocol over a real socket on loopback, with a fake engine."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import soxr
from support.fakes import FakeEngine
from support.native import Client, client_of, http_get, serving
from support.waiting import eventually
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from voiceagent.audio.formats import ENCODINGS
from voiceagent.protocol.wire import SUBPROTOCOL


async def test_an_utterance_as_the_protocol_has_it() -> None:
    async with (
        serving(FakeEngine(threaded=True)) as (address, _),
        connect(address + "/v1/stream", compression=None, subprotocols=[Subprotocol(SUBPROTOCOL)]) as ws,
    ):
        assert ws.subprotocol == SUBPROTOCOL
        client = Client(ws)
        ready = await client.event()
        assert ready["limits"] == {"max_text_buffer": 20_000, "max_open": 5}
        assert ready["formats"] == list(ENCODINGS)
        assert ready["voices_url"] == "/v1/voices"
        heard = await client.say("Hello there. Fine.")
    started, done = heard.of("started")[0], heard.of("done")[0]
    assert started == {
        "type": "started",
        "id": "u",
        "stream": 1,
        "format": {"encoding": "pcm_s16le", "sample_rate": 24_000, "bit_rate": None},
    }
    words = [word for event in heard.of("words") for word in event["words"]]
    assert words[0] == {"t": "Hello", "s": 0, "e": 200, "c0": 0, "c1": 5}
    assert [word["t"] for word in words] == ["Hello", "there", "Fine"]
    assert heard.seqs == list(range(len(heard.seqs)))
    assert heard.last
    assert {key: done[key] for key in ("id", "audio_ms", "chars", "last_seq")} == {
        "id": "u",
        "audio_ms": 600,
        "chars": 18,
        "last_seq": heard.seqs[-1],
    }
    assert done["ttfa_ms"] >= 0
    assert len(heard.payload) == 2 * 14_400
    assert set(np.frombuffer(heard.payload, "<i2")) == {round(FakeEngine.level(1) * 32767)}


@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le"])
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
async def test_every_rate_equals_the_whole_file_resampled(encoding: str, rate: int) -> None:
    async with serving(FakeEngine(threaded=True)) as (address, _), client_of(address) as client:
        heard = await client.say("Hello there. Fine.", format={"encoding": encoding, "sample_rate": rate})
    dtype = "<i2" if encoding == "pcm_s16le" else "<f4"
    samples = np.frombuffer(heard.payload, dtype).astype(np.float64) / (32767 if dtype == "<i2" else 1)
    source = np.full(14_400, FakeEngine.level(1), np.float32)
    whole = source if rate == 24_000 else soxr.resample(source, 24_000, rate)
    assert abs(len(samples) - len(whole)) <= 1
    n = min(len(samples), len(whole))
    assert np.max(np.abs(samples[:n] - whole[:n])) < 1e-4
    assert heard.pts == sorted(heard.pts)
    assert heard.of("done")[0]["audio_ms"] == 600


async def test_eight_clients_at_once_are_never_mixed() -> None:
    engine = FakeEngine(threaded=True)
    async with serving(engine) as (address, _):

        async def one(number: int) -> None:
            async with client_of(address) as client:
                for turn in range(3):
                    text = f"Client {number} turn {turn}. " * 10
                    await client.send({"type": "start", "id": "u", "seed": number * 10 + turn, "max_ahead_ms": 60_000})
                    for begin in range(0, len(text), 7):
                        await client.send({"type": "text", "id": "u", "text": text[begin : begin + 7]})
                    await client.send({"type": "end", "id": "u"})
                    heard = await client.hear()
                    (mine,) = [s for s, options in engine.options.items() if options.seed == number * 10 + turn]
                    values = set(np.frombuffer(heard.payload, "<i2").tolist())
                    assert values == {round(FakeEngine.level(mine) * 32767)}
                    assert len(heard.payload) == 2 * 40 * 4800

        await asyncio.gather(*(one(number) for number in range(8)))
    assert not engine.live


async def test_flush_and_two_utterances_on_one_connection() -> None:
    async with serving(FakeEngine(threaded=True)) as (address, _), client_of(address) as client:
        await client.send(
            {"type": "start", "id": "a"},
            {"type": "text", "id": "a", "text": "No full stop"},
            {"type": "flush", "id": "a"},
        )
        heard = await client.hear(until=("flushed",))
        assert heard.events[-1] == {"type": "flushed", "id": "a", "seq": heard.seqs[-1]}
        other = await client.say("Other one.", "b")
        assert other.of("done")[0]["id"] == "b"
        await client.send({"type": "end", "id": "a"})
        assert (await client.hear()).of("done")[0]["id"] == "a"


async def test_cancel_says_what_was_heard_and_nothing_follows() -> None:
    engine = FakeEngine(threaded=True, latency_s=0.002)
    async with serving(engine) as (address, _), client_of(address) as client:
        await client.send(
            {"type": "start", "id": "u"},
            {"type": "text", "id": "u", "text": "One two three four five. " * 200},
        )
        await client.hear(until=("words",))
        await client.send({"type": "cancel", "id": "u", "played_ms": 0}, {"type": "text", "id": "u", "text": "late"})
        cancelled = (await client.hear(until=("cancelled",))).events[-1]
        assert cancelled["text_spoken"] == ""
        assert cancelled["text_remaining"].startswith("One two")
        await client.send({"type": "ping", "t": 1})
        assert await client.event() == {"type": "pong", "t": 1}
        await eventually(lambda: not engine.live)
        assert (await client.say("Next.", "v")).of("done")


async def test_a_new_turn_preempts_what_is_spoken_and_what_is_still_heard() -> None:
    async with serving(FakeEngine(threaded=True)) as (address, _), client_of(address) as client:
        await client.say("Already sent. Still heard.", "sent", max_ahead_ms=60_000)
        for id_ in ("a", "b"):
            start = {"type": "start", "id": id_, "max_ahead_ms": 60_000}
            await client.send(
                start, {"type": "text", "id": id_, "text": f"This is {id_}. And"}, {"type": "flush", "id": id_}
            )
            await client.hear(until=("flushed",))
        await client.send({"type": "played", "id": "b", "ms": 400})
        await client.send({"type": "start", "id": "next", "preempt": True})
        heard = await client.hear(until=("started",))
        assert [(event["type"], event["id"]) for event in heard.events] == [
            *(("cancelled", id_) for id_ in ("sent", "a", "b")),
            ("started", "next"),
        ]
        cancelled = {event["id"]: event for event in heard.of("cancelled")}
        assert (cancelled["b"]["text_spoken"], cancelled["b"]["text_remaining"]) == ("This is", " b. And")
        await client.send({"type": "text", "id": "next", "text": "Next."}, {"type": "end", "id": "next"})
        rest = await client.hear()
        assert rest.streams == {4}
        await client.send({"type": "cancel", "id": "*", "played_ms": 0}, {"type": "cancel", "id": "*"})
        await client.send({"type": "ping", "t": 5})
        assert [event["type"] for event in (await client.hear(until=("pong",))).events] == ["cancelled", "pong"]


@pytest.mark.parametrize("resume_window_s", [0.0, 0.3])
async def test_a_client_that_vanishes_stops_its_speech(resume_window_s: float) -> None:
    engine = FakeEngine(threaded=True, latency_s=0.005)
    async with serving(engine, resume_window_s=resume_window_s) as (address, service):
        async with client_of(address) as gone:
            await gone.send({"type": "start", "id": "u"}, {"type": "text", "id": "u", "text": "One two. " * 500})
            await gone.hear(until=("words",))
            gone.ws.transport.abort()
        await eventually(lambda: not engine.live and service.connections == 0)
        spoken = len(engine.spoken)
        async with client_of(address) as client:
            assert (await client.say("Next.")).of("done")
        assert len(engine.spoken) <= spoken + 2  # the text and its empty end


async def test_health_voices_and_metrics() -> None:
    async with serving(FakeEngine(threaded=True)) as (address, _):
        async with client_of(address) as client:
            await client.say("Hello there.")
        health = await http_get(address, "/healthz")
        assert "200 OK" in health
        assert '"status":"ok"' in health
        assert '"id":"heart"' in await http_get(address, "/v1/voices")
        metrics = await http_get(address, "/metrics")
        assert 'voiceagent_utterances_total{outcome="done"} 1.0' in metrics
        assert "voiceagent_audio_seconds_total 0.4" in metrics
        assert "404" in await http_get(address, "/nothing")

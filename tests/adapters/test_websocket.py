"""The native protocol over a real socket on loopback, with a fake engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import soxr
from fakes import FakeChunker, FakeEngine
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from voiceagent.adapters.server import bind, build_app, build_server
from voiceagent.config import Limits, ServeConfig
from voiceagent.errors import InputError
from voiceagent.formats import ENCODINGS
from voiceagent.service import Service
from voiceagent.wire import FLAG_LAST, SUBPROTOCOL, decode_audio


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
async def serving(engine: FakeEngine, **settings: Any) -> AsyncIterator[tuple[str, Service]]:
    config = ServeConfig(port=0, **settings)
    service = Service(engine, config, make_chunker=FakeChunker)
    listener = bind(config.host, config.port)
    server = build_server(build_app(service), config, log_level="warning")
    engine.start()
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}", service
    finally:
        server.should_exit = True
        await task
        listener.close()
        engine.close()


@asynccontextmanager
async def client_of(address: str, **options: Any) -> AsyncIterator[Client]:
    async with connect(address + "/v1/stream", compression=None, **options) as ws:
        client = Client(ws)
        assert (await client.event())["type"] == "ready"
        yield client


async def eventually(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come to pass within five seconds")


async def http_get(address: str, path: str) -> str:
    host, port = address.removeprefix("ws://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = (await asyncio.wait_for(reader.read(), 5)).decode()
    writer.close()
    await writer.wait_closed()
    return answer


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


BAD: list[str | bytes] = [
    "not json",
    "",
    "[]",
    "null",
    '"text"',
    "{}",
    '{"type": 7}',
    '{"type": "sing"}',
    '{"type": "start"}',
    '{"type": "start", "id": 5}',
    '{"type": "start", "id": "x", "speed": NaN}',
    '{"type": "start", "id": "x", "speed": 1e999}',
    '{"type": "start", "id": "x", "seed": -1}',
    '{"type": "start", "id": "x", "language": "xx"}',
    '{"type": "start", "id": "x", "format": {"encoding": "mp4"}}',
    '{"type": "start", "id": "x", "format": {"sample_rate": 12345}}',
    '{"type": "start", "id": "x", "voice": "nobody"}',
    '{"type": "text", "id": "x"}',
    '{"type": "text", "id": "x", "text": 7}',
    '{"type": "text", "id": "never started", "text": "hello"}',
    '{"type": "cancel", "id": "never started"}',
    "[" * 100_000,
    '{"type": "start", "seed": ' + "9" * 5000 + "}",
    b"binary",
    b'{"type": "ping"}',
]


async def test_bad_messages_get_an_error_and_the_next_request_works() -> None:
    async with serving(FakeEngine(threaded=True)) as (address, _), client_of(address) as client:
        for number, message in enumerate(BAD):
            await client.ws.send(message)
            error = await client.event()
            assert error["type"] == "error", message[:80]
            assert error["code"] in ("bad_message", "unknown_voice")
            assert len(error["message"]) < 500
            if number % 5 == 0:
                assert (await client.say("Fine.", f"ok{number}")).of("done")
        assert (await client.say("Fine.", "x")).of("done")


async def test_an_unknown_encoding_is_refused_with_the_list() -> None:
    async with serving(FakeEngine(threaded=True)) as (address, _), client_of(address) as client:
        heard = await client.say("Dropped.", format={"encoding": "speex"})
        assert heard.events[-1]["id"] == "u"
        assert "pcm_s16le, pcm_f32le, mulaw" in heard.events[-1]["message"]
        assert (await client.say("Fine.", "v")).of("done")


async def test_unknown_fields_are_read_past() -> None:
    async with serving(FakeEngine(threaded=True)) as (address, _), client_of(address) as client:
        assert (await client.say("Fine.", mood="sunny")).of("done")


@pytest.mark.parametrize("text", ["", "a", "...", "😀", "\x00", "\ud800", "привет", "a" * 20_000])
async def test_odd_texts_end_and_the_next_one_works(text: str) -> None:
    async with serving(FakeEngine(threaded=True)) as (address, _), client_of(address) as client:
        done = (await client.say(text)).of("done")
        assert done[0]["chars"] == len(text)
        assert (await client.say("Fine.", "v")).of("done")


async def test_too_much_text_waits_and_is_then_refused_without_losing_what_was_taken() -> None:
    engine = FakeEngine(threaded=True, word_s=2.0)
    settings = {"text_wait_s": 0.05, "limits": Limits(max_text_buffer=100, backlog_ms=1000)}
    async with serving(engine, **settings) as (address, _), client_of(address) as client:
        text = {"type": "text", "id": "u", "text": "Five words are in here. "}
        await client.send({"type": "start", "id": "u"}, *[text] * 20)
        error = (await client.hear()).events[-1]
        assert (error["code"], error["retryable"]) == ("text_buffer_full", True)
        await client.send({"type": "cancel", "id": "u"})
        cancelled = (await client.hear(until=("cancelled",))).events[-1]
        sent = cancelled["text_spoken"] + cancelled["text_remaining"]
        assert sent == text["text"] * (len(sent) // len(text["text"]))


async def test_an_engine_that_fails_is_told_in_band() -> None:
    async with serving(FakeEngine(threaded=True, fail_on="bad")) as (address, _), client_of(address) as client:
        error = (await client.say("Good. Then bad.")).events[-1]
        assert (error["code"], error["retryable"], error["fatal"]) == ("synthesis_failed", True, False)
        assert (await client.say("Fine.", "v")).of("done")


async def test_close_says_what_was_heard_and_closes_normally() -> None:
    async with serving(FakeEngine(threaded=True)) as (address, _), client_of(address) as client:
        await client.send({"type": "start", "id": "u"}, {"type": "close"})
        assert (await client.hear()).of("cancelled")
        with pytest.raises(ConnectionClosed) as closed:
            await client.event()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1000


async def test_a_slow_reader_is_let_go_and_hurts_nobody() -> None:
    engine = FakeEngine(threaded=True, word_s=1.0)
    settings = {"send_stall_s": 0.3, "limits": Limits(backlog_ms=600_000, chunks_ahead=100)}
    async with serving(engine, **settings) as (address, service):
        start = {"format": {"encoding": "pcm_f32le", "sample_rate": 48_000}, "max_ahead_ms": 60_000}
        slow = await connect(address + "/v1/stream", compression=None)
        await slow.send(json.dumps({"type": "start", "id": "u", **start}))
        await slow.send(json.dumps({"type": "text", "id": "u", "text": "One two three four. " * 100}))
        slow.transport.pause_reading()
        async with client_of(address) as client:
            assert (await client.say("Fine.")).of("done")
            await eventually(lambda: service.connections == 1)
        slow.transport.abort()


async def test_one_connection_too_many_is_refused_before_the_upgrade() -> None:
    async with serving(FakeEngine(threaded=True), max_connections=1) as (address, service):
        async with client_of(address) as client:
            with pytest.raises(InvalidStatus) as refused:
                await connect(address + "/v1/stream")
            assert refused.value.response.status_code == 503
            assert refused.value.response.headers["Retry-After"]
            assert (await client.say("Fine.")).of("done")
        await eventually(lambda: service.connections == 0)
        async with client_of(address) as client:
            assert (await client.say("Fine.")).of("done")


@pytest.mark.parametrize(
    ("origin", "allowed"), [("https://evil.example", False), ("https://good.example", True), ("same", True)]
)
async def test_pages_of_other_origins_may_not_connect(origin: str, allowed: bool) -> None:
    async with serving(FakeEngine(threaded=True), origins=("https://good.example",)) as (address, _):
        origin = address.replace("ws:", "http:") if origin == "same" else origin
        if allowed:
            async with client_of(address, origin=Origin(origin)):
                return
        with pytest.raises(InvalidStatus) as refused:
            await connect(address + "/v1/stream", origin=Origin(origin))
        assert refused.value.response.status_code == 403


async def test_a_message_that_is_too_long_closes_with_1009() -> None:
    async with serving(FakeEngine(threaded=True), max_message_bytes=2000) as (address, _):
        async with client_of(address) as client:
            await client.send({"type": "text", "id": "u", "text": "a" * 3000})
            with pytest.raises(ConnectionClosed) as closed:
                await client.event()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009
        async with client_of(address) as client:
            assert (await client.say("Fine.")).of("done")


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


def test_a_port_in_use_is_told_in_one_line() -> None:
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    with pytest.raises(InputError, match=f"port {port} is in use"):
        bind("127.0.0.1", port)
    listener.close()
    with pytest.raises(InputError, match="cannot listen"):
        bind("192.0.2.1", port)

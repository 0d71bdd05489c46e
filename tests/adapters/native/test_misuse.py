"""What a client of the native protocol can do wrong, and what then happens to it and to others."""

from __future__ import annotations

import json

import pytest
from support.fakes import FakeEngine
from support.native import client_of, serving
from support.waiting import eventually
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from voiceagent.adapters.app import bind
from voiceagent.errors import InputError
from voiceagent.settings.serve import Limits

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


def test_a_port_in_use_is_told_in_one_line() -> None:
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    with pytest.raises(InputError, match=f"port {port} is in use"):
        bind("127.0.0.1", port)
    listener.close()
    with pytest.raises(InputError, match="cannot listen"):
        bind("192.0.2.1", port)

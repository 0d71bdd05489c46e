"""Deepgram's interface over a real socket, with a fake engine; tests/clients/test_deepgram.py has Deepgram's own clients."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import av
import httpx
import numpy as np
import pytest
from support.fakes import FakeEngine
from support.loopback import Server, running
from support.waiting import eventually
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from voiceagent.adapters.deepgram.socket import FLUSHES_MAX
from voiceagent.audio.pcm import alaw_values, mulaw_values
from voiceagent.errors.extras import install_hint
from voiceagent.settings.serve import Limits, ServeConfig

SPEAK = "/v1/speak"
TEXT = "Hello there. Fine."  # three words of 0.2 s
SAMPLES = 14_400


class Client:
    """What a client gets, in order: messages as objects, audio as bytes."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws

    async def send(self, *messages: dict[str, Any] | str) -> None:
        for message in messages:
            await self.ws.send(json.dumps({"type": message} if isinstance(message, str) else message))

    async def say(self, *texts: str) -> None:
        await self.send(*({"type": "Speak", "text": text} for text in texts))

    async def hear(self, until: str) -> tuple[bytes, list[dict[str, Any]]]:
        """Audio and messages up to and with one of this type."""
        async with asyncio.timeout(20):
            audio, messages = b"", list[dict[str, Any]]()
            while not messages or messages[-1]["type"] != until:
                received = await self.ws.recv()
                if isinstance(received, bytes):
                    audio += received
                else:
                    messages.append(json.loads(received))
        return audio, messages

    async def closed(self) -> tuple[int, str]:
        """How the server closes."""
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self.ws.recv()
            await self.ws.wait_closed()
        assert self.ws.close_code is not None
        return self.ws.close_code, self.ws.close_reason or ""


@asynccontextmanager
async def client_of(server: Server, query: str = "", **options: Any) -> AsyncIterator[Client]:
    async with connect(f"{server.ws}{SPEAK}?{query}", compression=None, proxy=None, **options) as ws:
        client = Client(ws)
        _, (metadata,) = await client.hear("Metadata")
        assert UUID(metadata["request_id"])
        yield client


def post(server: Server, query: str = "", **options: Any) -> httpx.Response:
    options.setdefault("json", {"text": TEXT})
    return httpx.post(f"{server.http}{SPEAK}?{query}", trust_env=False, timeout=20, **options)


async def test_text_in_pieces_until_a_flush() -> None:
    with running(FakeEngine(threaded=True)) as server:
        async with client_of(server, "model=aura-2-thalia-en&encoding=linear16&sample_rate=24000") as client:
            await client.say("Hel", "lo the", "re. F", "ine")
            await client.send("Flush")
            audio, (flushed,) = await client.hear("Flushed")
            assert flushed == {"type": "Flushed", "sequence_id": 0}
            samples = np.frombuffer(audio, "<i2")
            assert len(samples) == SAMPLES
            assert set(samples) == {round(FakeEngine.level(1) * 32767)}


async def test_metadata_names_the_model() -> None:
    with running(FakeEngine(threaded=True)) as server:
        async with connect(f"{server.ws}{SPEAK}?model=aura-2-zeus-en", proxy=None) as ws:
            metadata = json.loads(await ws.recv())
            assert ws.response is not None
            assert ws.response.headers["dg-request-id"] == metadata["request_id"]
    assert metadata["type"] == "Metadata"
    assert metadata["model_name"] == "aura-2-zeus-en"
    assert UUID(metadata["model_uuid"])
    assert set(metadata) >= {"model_version", "additional_model_uuids"}


async def test_every_flush_is_answered_in_order_with_the_audio_before_it() -> None:
    engine = FakeEngine(threaded=True, latency_s=0.005)
    with running(engine) as server:
        async with client_of(server) as client:
            await client.send("Flush")
            assert await client.hear("Flushed") == (b"", [{"type": "Flushed", "sequence_id": 0}])
            await client.say("One two three. ")
            await client.send("Flush", "Flush")
            await client.say("Four. ")
            await client.send("Flush", "Flush", "Flush")
            levels = []
            for number in range(1, 6):
                audio, messages = await client.hear("Flushed")
                assert [message for message in messages if message["type"] != "Warning"] == [
                    {"type": "Flushed", "sequence_id": number}
                ]
                levels.append(sorted(set(np.frombuffer(audio, "<i2").tolist())))
            first, second = ([round(FakeEngine.level(stream) * 32767)] for stream in (1, 2))
            assert levels == [first, [], second, [], []]


async def test_what_can_be_spoken_is_spoken_before_the_flush() -> None:
    with running(FakeEngine(threaded=True)) as server:
        async with client_of(server) as client:
            await client.say("Hello there. And th")
            async with asyncio.timeout(20):
                assert isinstance(await client.ws.recv(), bytes)


async def test_clear_stops_at_once_and_nothing_of_it_follows() -> None:
    engine = FakeEngine(threaded=True, latency_s=0.005)
    with running(engine) as server:
        async with client_of(server) as client:
            await client.say("Nobody hears all of this. " * 200)
            await client.send("Flush")
            await client.say("Nor this. ")
            await client.ws.recv()
            await client.send("Clear")
            await client.say("Next.")
            await client.send("Flush")
            _, messages = await client.hear("Cleared")
            assert messages == [{"type": "Cleared", "sequence_id": 0}]
            audio, messages = await client.hear("Flushed")
            assert messages == [{"type": "Flushed", "sequence_id": 0}]
            assert set(np.frombuffer(audio, "<i2")) == {round(FakeEngine.level(2) * 32767)}
            assert len(audio) == 2 * 4_800
            await client.send("Clear")
            assert await client.hear("Cleared") == (b"", [{"type": "Cleared", "sequence_id": 1}])
    assert engine.cancelled == [1]
    assert not [text for text in engine.spoken if "Nor" in text]


async def test_close_ends_at_once() -> None:
    engine = FakeEngine(threaded=True, latency_s=0.005)
    with running(engine) as server:
        async with client_of(server) as client:
            await client.say("Nobody hears all of this. " * 200)
            await client.send("Flush", "Close")
            assert await client.closed() == (1000, "")
        await eventually(lambda: not engine.live and server.service.connections == 0)


async def test_a_client_that_vanishes_stops_its_speech() -> None:
    engine = FakeEngine(threaded=True, latency_s=0.005)
    with running(engine) as server:
        async with client_of(server) as client:
            await client.say("Nobody hears all of this. " * 200)
            await client.ws.recv()
            client.ws.transport.abort()
        await eventually(lambda: not engine.live and server.service.connections == 0)
        assert len(engine.spoken) < 150


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("encoding", ["linear16", "mulaw", "alaw"])
async def test_encodings_and_rates_over_the_websocket(encoding: str, rate: int) -> None:
    with running(FakeEngine(threaded=True)) as server:
        async with client_of(server, f"encoding={encoding}&sample_rate={rate}") as client:
            await client.say(TEXT)
            await client.send("Flush")
            audio, _ = await client.hear("Flushed")
    heard = decoded(audio, encoding)
    assert abs(len(heard) - round(0.6 * rate)) <= 1
    middle = heard[len(heard) // 4 : -len(heard) // 4]
    assert abs(middle.astype(float) - FakeEngine.level(1) * 32767).max() < 20


def decoded(audio: bytes, encoding: str) -> np.ndarray[Any, np.dtype[np.int16]]:
    if encoding == "linear16":
        return np.frombuffer(audio, "<i2")
    values = mulaw_values() if encoding == "mulaw" else alaw_values()
    return values[np.frombuffer(audio, np.uint8)]


async def test_telephony_has_its_own_default_rate() -> None:
    with running(FakeEngine(threaded=True)) as server:
        async with client_of(server, "encoding=mulaw") as client:
            await client.say(TEXT)
            await client.send("Flush")
            audio, _ = await client.hear("Flushed")
    assert abs(len(audio) - 4_800) <= 1


@pytest.mark.parametrize(
    ("query", "voice", "speed"),
    [
        ("", "heart", 1.0),
        ("model=aura-2-thalia-en", "heart", 1.0),
        ("model=aura-asteria-en", "heart", 1.0),
        ("model=joe&speed=1.3", "joe", 1.3),
        ("model=aura-2-joe-en", "joe", 1.0),
        *((f"model=aura-2-{name}-en", "joe", 1.0) for name in ("angus", "apollo", "zeus")),
    ],
)
async def test_models_of_deepgram_have_a_voice_of_ours(query: str, voice: str, speed: float) -> None:
    with running(FakeEngine(threaded=True)) as server:
        async with client_of(server, f"{query}&mip_opt_out=true&tag=x") as client:
            await client.say("Hi.")
            await client.send("Flush")
            await client.hear("Flushed")
        options = server.fake.options[1]
        assert (options.voice, options.speed) == (voice, speed)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("", ""),
        ("model=joe&tag=a&tag=b&mip_opt_out=true&container=none&bit_rate=1&lexicon=", ""),
        ("pitch=1.1", "'pitch'"),
        ("Speed=1.1&tempo=2", "'Speed', 'tempo'"),
        ("é%0d%0aX=1", "not understood"),
        ("&".join(f"p{number}=1" for number in range(400)), "'p4' and more"),
    ],
)
async def test_parameters_that_are_not_followed_are_named(query: str, named: str) -> None:
    with running(FakeEngine(threaded=True)) as server:
        notice = post(server, query, json={"text": "Hi."}).headers.get("x-voiceagent-notice", "")
        async with client_of(server, query) as client:
            await client.say("Hi.")
            await client.send("Flush")
            _, messages = await client.hear("Flushed")
            warnings = [message for message in messages if message["type"] == "Warning"]
    assert bool(notice) == bool(named) == bool(warnings)
    assert named in notice
    assert [warning["code"] for warning in warnings] == ["UNKNOWN_QUERY_PARAMETER"] * bool(named)
    assert all(named in warning["description"] for warning in warnings)


@pytest.mark.parametrize(
    ("message", "code", "slug"),
    [
        (b"binary", 1003, "MESSAGE-0000"),
        ("not json", 1008, "DATA-0000"),
        ("", 1008, "DATA-0000"),
        ("[]", 1008, "DATA-0000"),
        ("[" * 100_000, 1008, "DATA-0000"),
        ('{"type": 7}', 1008, "DATA-0000"),
        ('{"type": ["Speak"]}', 1008, "DATA-0000"),
        ('{"type": "Sing"}', 1008, "DATA-0000"),
        ('{"type": "Speak"}', 1008, "DATA-0000"),
        ('{"type": "Speak", "text": 7}', 1008, "DATA-0000"),
    ],
)
async def test_bad_messages_close_with_a_reason(message: str | bytes, code: int, slug: str) -> None:
    with running(FakeEngine(threaded=True)) as server:
        async with client_of(server) as client:
            await client.ws.send(message)
            closed_with, reason = await client.closed()
            assert closed_with == code
            assert reason.startswith(f"{slug}: ")
        async with client_of(server) as client:
            await client.say("Fine.")
            await client.send("KeepAlive", "Flush")
            await client.hear("Flushed")


@pytest.mark.parametrize("text", ["", " ", "...", "😀", "\x00", "\ud800", "привет"])
async def test_odd_texts_are_flushed(text: str) -> None:
    with running(FakeEngine(threaded=True)) as server:
        async with client_of(server) as client:
            await client.say(text)
            await client.send("Flush")
            await client.hear("Flushed")
            await client.say("Fine.")
            await client.send("Flush")
            audio, _ = await client.hear("Flushed")
            assert len(audio) == 2 * 4_800


async def test_nothing_to_say_is_a_warning_in_both_spellings() -> None:
    with running(FakeEngine(threaded=True)) as server:
        async with client_of(server) as client:
            await client.say(" ")
            await client.send("Flush")
            _, (warning, _) = await client.hear("Flushed")
    assert warning["type"] == "Warning"
    assert warning["description"] == warning["warn_msg"]
    assert warning["code"] == warning["warn_code"] == "NOTHING_TO_SAY"


async def test_too_much_text_is_a_warning_and_what_was_taken_is_spoken() -> None:
    engine = FakeEngine(threaded=True, word_s=2.0)
    config = ServeConfig(text_wait_s=0.05, limits=Limits(max_text_buffer=100, backlog_ms=1000))
    with running(engine, config) as server:
        async with client_of(server) as client:
            await client.say("a" * 101)
            _, (warning,) = await client.hear("Warning")
            assert "these 101 were not taken" in warning["description"]
            await client.say("Five words are in here.")
            await client.send("Flush")
            await client.say("a" * 50, "b" * 51)
            before, _ = await client.hear("Warning")
            await client.send("Flush")
            audio, _ = await client.hear("Flushed")
            assert len(before + audio) == 2 * 5 * 48_000
            audio, _ = await client.hear("Flushed")
            assert len(audio) == 2 * 48_000
    assert "a" * 50 in "".join(engine.spoken)


async def test_too_many_flushes_are_a_warning_and_what_they_would_have_ended_is_spoken() -> None:
    engine = FakeEngine(threaded=True, word_s=0.02, latency_s=0.005)
    with running(engine) as server:
        async with client_of(server) as client:
            await client.say("Words are many here. " * 100)
            await client.send(*["Flush"] * FLUSHES_MAX)
            await client.say("Kept.")
            await client.send("Flush")
            _, (warning,) = await client.hear("Warning")
            assert warning["code"] == "TOO_MANY_FLUSHES"
            for number in range(FLUSHES_MAX):
                _, (*_, flushed) = await client.hear("Flushed")
                assert flushed["sequence_id"] == number
            await client.send("Flush")
            audio, _ = await client.hear("Flushed")
            assert len(audio) == 2 * 480
    assert "Kept." in engine.spoken


async def test_an_engine_that_fails_closes_with_1011() -> None:
    with running(FakeEngine(threaded=True, fail_on="bad")) as server:
        async with client_of(server) as client:
            await client.say("Good. Then bad.")
            await client.send("Flush")
            code, reason = await client.closed()
    assert code == 1011
    assert reason.startswith("NET-0000: ")


async def test_a_slow_reader_is_let_go() -> None:
    engine = FakeEngine(threaded=True, word_s=2.0)
    config = ServeConfig(send_stall_s=0.3, limits=Limits(backlog_ms=600_000, chunks_ahead=100))
    with running(engine, config) as server:
        async with client_of(server, "sample_rate=48000") as client:
            client.ws.transport.pause_reading()
            await client.say("One two three four. " * 100)
            await eventually(lambda: server.service.connections == 0)
            assert not engine.live
            client.ws.transport.abort()


REFUSED = [
    ("model=aura-2-celeste-es", "INVALID_QUERY_PARAMETER", "English"),
    ("model=nobody", "INVALID_QUERY_PARAMETER", "models here: heart, joe"),
    ("encoding=mp4", "UNSUPPORTED_AUDIO_FORMAT", "linear16, mulaw, alaw"),
    ("sample_rate=12345", "UNSUPPORTED_AUDIO_FORMAT", "24000"),
    ("sample_rate=fast", "INVALID_QUERY_PARAMETER", "sample_rate"),
    ("sample_rate=nan", "INVALID_QUERY_PARAMETER", "sample_rate"),
    ("sample_rate=24000.5", "INVALID_QUERY_PARAMETER", "whole"),
    ("speed=9", "INVALID_QUERY_PARAMETER", "0.7 and 1.5"),
    ("speed=%C3%BC", "INVALID_QUERY_PARAMETER", "speed"),
    ("callback=http://x", "INVALID_QUERY_PARAMETER", "callback"),
]


@pytest.mark.parametrize(("query", "code", "hint"), [*REFUSED, ("encoding=mp3", "UNSUPPORTED_AUDIO_FORMAT", "alaw")])
async def test_bad_parameters_refuse_the_handshake(query: str, code: str, hint: str) -> None:
    with running(FakeEngine(threaded=True)) as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{server.ws}{SPEAK}?{query}", proxy=None)
        response = refused.value.response
        assert response.status_code == 400
        body = json.loads(response.body or b"")
        assert body["err_code"] == code
        assert hint in body["err_msg"]
        assert response.headers["dg-request-id"] == body["request_id"]
        assert response.headers["dg-error"]


@pytest.mark.parametrize(
    ("query", "code", "hint"),
    [
        *REFUSED,
        ("container=ogg", "UNSUPPORTED_AUDIO_FORMAT", "wav, none"),
        ("bit_rate=9", "UNSUPPORTED_AUDIO_FORMAT", ""),
    ],
)
def test_bad_parameters_refuse_the_request(query: str, code: str, hint: str) -> None:
    with running(FakeEngine(threaded=True)) as server:
        answer = post(server, query)
        assert answer.status_code == 400
        body = answer.json()
        assert set(body) == {"err_code", "err_msg", "request_id"}
        assert body["err_code"] == code
        assert hint in body["err_msg"]
        assert post(server).status_code == 200


@pytest.mark.parametrize("body", ["", "[]", "{}", "not json", '{"text": 7}', '{"text": " "}', '{"url": "http://x"}'])
def test_bad_bodies(body: str) -> None:
    with running(FakeEngine(threaded=True)) as server:
        answer = post(server, json=None, content=body)
        assert (answer.status_code, answer.json()["err_code"]) == (400, "PAYLOAD_ERROR")
        too_long = post(server, json={"text": "a" * 20_001})
        assert (too_long.status_code, too_long.json()["err_code"]) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    ("query", "media_type", "first_bytes"),
    [
        ("", "audio/wav", b"RIFF"),
        ("encoding=linear16&container=none", "audio/pcm", b""),
        ("encoding=mulaw&container=none", "audio/mulaw", b""),
        ("encoding=mulaw", "audio/wav", b"RIFF"),
        ("encoding=alaw&sample_rate=16000", "audio/wav", b"RIFF"),
        ("encoding=mp3&bit_rate=48000", "audio/mpeg", b"\xff"),
        ("encoding=opus&container=ogg", "audio/ogg", b"OggS"),
        ("encoding=flac&sample_rate=48000", "audio/flac", b"fLaC"),
        ("encoding=aac", "audio/aac", b"\xff"),
    ],
)
def test_formats_over_http(query: str, media_type: str, first_bytes: bytes) -> None:
    with running(FakeEngine(threaded=True)) as server:
        answer = post(server, f"model=aura-2-zeus-en&{query}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["dg-model-name"] == "aura-2-zeus-en"
    assert answer.headers["dg-char-count"] == "18"
    assert answer.content.startswith(first_bytes)
    if "container=none" in query:
        assert len(answer.content) == (2 * SAMPLES if "linear16" in query else 4_800)
        return
    with av.open(io.BytesIO(answer.content), "r") as file:
        seconds = sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))
    assert seconds == pytest.approx(0.6, abs=0.0001 if "wav" in media_type or "flac" in media_type else 0.13)


def test_the_default_is_a_wav_file() -> None:
    with running(FakeEngine(threaded=True)) as server, wave.open(io.BytesIO(post(server).content)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (24_000, 2, 1)


async def test_a_client_of_the_request_that_goes_away_stops_its_speech() -> None:
    engine = FakeEngine(threaded=True, latency_s=0.01)
    with running(engine) as server:
        with httpx.stream(
            "POST", server.http + SPEAK, json={"text": "One two three four. " * 500}, trust_env=False, timeout=20
        ) as answer:
            next(answer.iter_bytes())
        await eventually(lambda: not engine.live and server.service.connections == 0)
        assert len(engine.spoken) < 400


def test_without_pyav_the_way_to_mend_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voiceagent.audio.encoders._have_pyav", lambda: False)
    with running(FakeEngine(threaded=True)) as server:
        answer = post(server, "encoding=mp3")
        assert (answer.status_code, answer.json()["err_code"]) == (400, "UNSUPPORTED_AUDIO_FORMAT")
        assert install_hint("files") in answer.json()["err_msg"]
        assert post(server).status_code == 200


def test_failures_of_the_engine_over_http() -> None:
    with running(FakeEngine(threaded=True, fail_on="Hello")) as server:
        answer = post(server)
        assert (answer.status_code, answer.json()["err_code"]) == (500, "INTERNAL_SERVER_ERROR")
    with running(FakeEngine(threaded=True, max_streams=0)) as server:
        answer = post(server)
        assert (answer.status_code, answer.json()["err_code"]) == (429, "TOO_MANY_REQUESTS")


async def test_keys_in_each_form_and_pages_of_other_origins() -> None:
    config = ServeConfig(auth_tokens=("secret",))
    with running(FakeEngine(threaded=True), config) as server:
        answer = post(server)
        assert (answer.status_code, answer.json()["err_code"]) == (401, "INVALID_AUTH")
        for headers in ({"Authorization": "Token secret"}, {"Authorization": "Bearer secret"}):
            assert post(server, headers=headers).status_code == 200
            async with client_of(server, additional_headers=headers):
                pass
        protocols = [Subprotocol("token"), Subprotocol("secret")]
        async with client_of(server, subprotocols=protocols) as client:
            assert client.ws.subprotocol == "token"
        for offered in (None, [Subprotocol("token"), Subprotocol("wrong")]):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{server.ws}{SPEAK}", proxy=None, subprotocols=offered)
            assert refused.value.response.status_code == 401
        with pytest.raises(InvalidStatus) as refused:
            await connect(
                f"{server.ws}{SPEAK}", proxy=None, origin=Origin("https://evil.example"), subprotocols=protocols
            )
        assert refused.value.response.status_code == 403

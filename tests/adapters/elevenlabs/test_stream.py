"""ElevenLabs' `stream-input` over a real socket: one text a connection, spoken while it comes."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from support.elevenlabs_client import stream_input
from support.fakes import FakeEngine
from support.loopback import Server, running
from websockets.exceptions import InvalidStatus

from voiceagent.settings.serve import Limits, ServeConfig

BEGIN = {"text": " ", "try_trigger_generation": True, "voice_settings": None}


async def test_a_text_in_pieces(server: Server) -> None:
    async with stream_input(server, "model_id=eleven_flash_v2_5") as client:
        await client.send(
            {**BEGIN, "generation_config": {"chunk_length_schedule": [50]}},
            {"text": "Hello there, ", "try_trigger_generation": True},
            {"text": "friend. "},
            {"text": ""},
        )
        said = await client.until_final()
        assert await client.until_closed() == (1000, "")
    assert said.seconds() == 0.6
    assert said.span_ms == 600
    assert said.chars == "Hello there, friend. "
    assert said.starts_ms[said.chars.index("friend")] == 400
    assert set(np.frombuffer(said.audio, "<i2")) == {round(FakeEngine.level(1) * 32767)}


async def test_the_socket_closes_as_soon_as_the_text_is_spoken(server: Server) -> None:
    async with stream_input(server) as client:
        await client.send(BEGIN, {"text": "Hello. "}, {"text": ""})
        await client.until_final()
        began = time.monotonic()
        await client.until_closed()
    assert time.monotonic() - began < 2


async def test_nothing_said_ends_as_well(server: Server) -> None:
    async with stream_input(server) as client:
        await client.send(BEGIN, {"text": ""})
        said = await client.until_final()
        assert await client.until_closed() == (1000, "")
    assert said.audio == b""


@pytest.mark.parametrize(
    "flush", [{"text": "No full stop", "flush": True}, {"text": "", "flush": True}, {"flush": True}]
)
async def test_flush_speaks_and_keeps_the_socket_open(server: Server, flush: dict[str, object]) -> None:
    async with stream_input(server) as client:
        await client.send(BEGIN)
        if not flush.get("text"):
            await client.send({"text": "No full stop"})
        await client.send(flush)
        await client.until_audio()
        await client.send({"text": "Then more."}, {"text": ""})
        said = await client.until_final()
    assert said.chars == "No full stop Then more. "
    assert said.seconds() == 1.0


async def test_text_is_not_held_back_for_reads(server: Server) -> None:
    """The SDK writes for a long time and hardly reads: text must go in all the same."""
    async with stream_input(server) as client:
        await client.send(BEGIN)
        for number in range(100):
            await client.send({"text": f"Word{number}. "})
        await client.send({"text": ""})
        said = await client.until_final()
    assert said.seconds() == 20.0
    assert said.span_ms == 20_000


async def test_single_spaces_keep_alive_and_separate_words(server: Server) -> None:
    async with stream_input(server) as client:
        await client.send(BEGIN, {"text": " "}, {"text": "One"}, {"text": " "}, {"text": " "}, {"text": "two."})
        await client.send({"text": " "}, {"text": ""})
        said = await client.until_final()
    assert said.chars == "One two. "
    assert server.fake.spoken[0] == "One two."


async def test_pieces_of_words_are_joined_as_they_come(server: Server) -> None:
    async with stream_input(server) as client:
        await client.send(
            {"text": "Hel"}, {"text": "lo wor"}, {"text": "ld."}, {"text": "", "flush": True}, {"text": ""}
        )
        said = await client.until_final()
    assert said.chars == "Hello world. "
    assert said.seconds() == 0.4


async def test_speed_seed_and_voice_reach_the_engine(server: Server) -> None:
    async with stream_input(server, "seed=7", voice="JBFqnCBsd6RMkjVDRZzb") as client:
        await client.send({"text": " ", "voice_settings": {"stability": 0.5, "speed": 1.2}}, {"text": ""})
        await client.until_closed()
    (options,) = server.fake.options.values()
    assert (options.voice, options.speed, options.seed) == ("joe", 1.2, 7)


@pytest.mark.parametrize(
    ("query", "voice", "sent", "reason", "said"),
    [
        ("", "nobody", [BEGIN], "voice_id_does_not_exist", "nobody does not exist"),
        ("output_format=pcm_7", "heart", [BEGIN], "invalid_output_format", "rates here: 8000"),
        ("output_format=mp3", "heart", [BEGIN], "invalid_output_format", "mp3_{22050_32"),
        ("output_format=wav_24000", "heart", [BEGIN], "invalid_output_format", "not one of"),
        ("seed=x", "heart", [BEGIN], "invalid_parameters", "seed"),
        ("language_code=tlh", "heart", [BEGIN], "invalid_settings", "tlh"),
        ("", "heart", [{"text": 5}], "invalid_input_message", "text"),
        ("", "heart", [[]], "invalid_input_message", "object"),
        ("", "heart", [{"text": " ", "voice_settings": {"speed": 9}}], "invalid_settings", "speed 9"),
        ("", "heart", [{"generation_config": {"chunk_length_schedule": [1]}}], "invalid_input_message", "50 and 500"),
    ],
)
async def test_what_is_wrong_is_said_before_the_close(
    server: Server, query: str, voice: str, sent: list[dict[str, object]], reason: str, said: str
) -> None:
    # The later of two equal parameters counts.
    async with stream_input(server, query, voice) as client:
        await client.send(*sent)
        code, closing = await client.until_closed()
    (error,) = client.said[None].errors
    assert code == error["code"] == 1008
    assert error["error"] == reason
    assert said in error["message"]
    assert error["message"].startswith(closing)
    assert len(closing.encode()) <= 123


async def test_not_json(server: Server) -> None:
    async with stream_input(server) as client:
        await client.ws.send("{")
        assert (await client.until_closed())[0] == 1008
    assert client.said[None].errors[0]["error"] == "invalid_input_message"


async def test_silence_of_the_client_ends_the_stream() -> None:
    with running(FakeEngine(threaded=True)) as server:
        async with stream_input(server, "inactivity_timeout=1") as client:
            await client.send(BEGIN, {"text": "Hello. "})
            began = time.monotonic()
            code, _ = await client.until_closed()
    assert code == 1008
    assert time.monotonic() - began >= 0.9
    assert client.said[None].errors[0]["error"] == "input_timeout_exceeded"
    assert client.said[None].seconds() == 0.2


@pytest.mark.parametrize(
    "key", [{"xi-api-key": "sesame"}, {"xi_api_key": "sesame"}, {"authorization": "Bearer sesame"}]
)
async def test_the_key_in_the_first_message(key: dict[str, str]) -> None:
    with running(FakeEngine(threaded=True), ServeConfig(auth_tokens=("sesame",))) as server:
        async with stream_input(server) as client:
            await client.send({**BEGIN, **key}, {"text": "Hello."}, {"text": ""})
            assert (await client.until_final()).seconds() == 0.2


async def test_the_key_in_the_header_and_none_at_all() -> None:
    with running(FakeEngine(threaded=True), ServeConfig(auth_tokens=("sesame",))) as server:
        async with stream_input(server, additional_headers={"xi-api-key": "sesame"}) as client:
            await client.send(BEGIN, {"text": "Hello."}, {"text": ""})
            assert (await client.until_final()).seconds() == 0.2
        async with stream_input(server, additional_headers={"xi-api-key": "open"}) as client:
            await client.send(BEGIN)
            assert (await client.until_closed())[0] == 1008
    assert client.said[None].errors == [{"message": "Invalid API key", "error": "invalid_api_key", "code": 1008}]


async def test_pages_of_other_sites_may_not_listen(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with stream_input(server, origin="https://elsewhere.example"):
            pass
    assert refused.value.response.status_code == 403


async def test_more_clients_than_there_is_room_for() -> None:
    with running(FakeEngine(threaded=True), ServeConfig(max_connections=1)) as server:
        async with stream_input(server):
            with pytest.raises(InvalidStatus) as refused:
                async with stream_input(server):
                    pass
    assert refused.value.response.status_code == 503


async def test_a_client_that_goes_stops_its_speech() -> None:
    with running(FakeEngine(threaded=True, latency_s=0.05)) as server:
        async with stream_input(server) as client:
            await client.send(BEGIN, {"text": "many words " * 200 + "."}, {"text": ""})
            await client.until_audio()
        for _ in range(400):
            if not server.fake.live:
                break
            await asyncio.sleep(0.01)
        assert server.fake.cancelled
        assert not server.fake.live


async def test_an_engine_that_fails() -> None:
    with running(FakeEngine(threaded=True, fail_on="bomb")) as server:
        async with stream_input(server) as client:
            await client.send(BEGIN, {"text": "First. "}, {"text": "A bomb. "}, {"text": ""})
            assert (await client.until_closed())[0] == 1011
    assert client.said[None].seconds() == 0.2
    assert client.said[None].errors[0]["error"] == "internal_error"


async def test_no_stream_left() -> None:
    with running(FakeEngine(threaded=True, max_streams=0)) as server:
        async with stream_input(server) as client:
            await client.send(BEGIN)
            assert (await client.until_closed())[0] == 1008
    assert client.said[None].errors[0]["error"] == "too_many_concurrent_requests"


async def test_text_that_finds_no_room_is_refused_and_the_rest_spoken() -> None:
    config = ServeConfig(limits=Limits(max_text_buffer=20), text_wait_s=0.1)
    with running(FakeEngine(threaded=True), config) as server:
        async with stream_input(server) as client:
            await client.send(BEGIN, {"text": "far too long " * 5}, {"text": "Short. "}, {"text": ""})
            said = await client.until_final()
    assert [error["error"] for error in said.errors] == ["text_buffer_full"]
    assert said.chars == "Short. "


@pytest.mark.parametrize(
    ("name", "begins", "low", "high"),
    [
        ("mp3_44100_128", b"\xff", 9_000, 12_000),
        ("mp3_22050_32", b"\xff", 2_000, 4_000),
        ("opus_48000_32", b"OggS", 500, 6_000),
        ("ulaw_8000", None, 4_800, 4_800),
        ("alaw_8000", None, 4_800, 4_800),
        ("pcm_8000", None, 9_600, 9_600),
        ("pcm_48000", None, 57_600, 57_600),
    ],
)
async def test_formats(server: Server, name: str, begins: bytes | None, low: int, high: int) -> None:
    async with stream_input(server, f"output_format={name}") as client:
        await client.send(BEGIN, {"text": "Hello there, friend."}, {"text": ""})
        said = await client.until_final()
    assert low <= len(said.audio) <= high
    assert begins is None or said.audio.startswith(begins)
    assert said.span_ms == 600
    assert said.chars == "Hello there, friend. "

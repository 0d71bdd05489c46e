"""ElevenLabs' own SDK, Pipecat's service and LiveKit's plug-in, all unmodified, against our server."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.client_programs import PROGRAMS, run_client, run_program
from support.elevenlabs_client import stream_input
from support.fakes import FakeEngine
from support.loopback import Server, running

from voiceagent.cli import tls
from voiceagent.settings.serve import ServeConfig

KEY = ServeConfig(auth_tokens=("secret",))


@pytest.fixture
def server() -> Iterator[Server]:
    """One that asks for a key and takes 10 ms a word of 200 ms: long enough to be interrupted."""
    with running(FakeEngine(threaded=True, latency_s=0.01), KEY) as server:
        yield server


def settled(server: Server) -> bool:
    """Whether the engine has been left with nothing to do, soon."""
    deadline = time.monotonic() + 10
    while server.fake.live and time.monotonic() < deadline:
        time.sleep(0.01)
    return not server.fake.live


@pytest.fixture(scope="module")
def sdk() -> dict[str, Any]:
    with running(FakeEngine(threaded=True), KEY) as server:
        return run_client("elevenlabs_sdk.py", server.http)


def test_the_sdk_gets_audio(sdk: dict[str, Any]) -> None:
    assert sdk["stream"] == 28_800
    assert 9_000 < sdk["convert_mp3"] < 12_000  # 0.6 s at 128 kbit/s


@pytest.mark.parametrize("way", ["timed", "lines"])
def test_the_sdk_gets_characters_with_their_times(sdk: dict[str, Any], way: str) -> None:
    told = sdk[way]
    assert told["bytes"] == 28_800
    assert told["text"] == "Hello there, friend."
    assert told["ends_at_s"] == 0.6


def test_the_sdk_finds_voices_and_models(sdk: dict[str, Any]) -> None:
    assert sdk["voices"] == sdk["found"] == ["heart", "joe"]
    assert sdk["voice"] == "joe"
    assert sdk["models"] == ["voiceagent"]


def test_the_sdk_understands_refusals(sdk: dict[str, Any]) -> None:
    assert sdk["refused"]["status"] == 404
    assert sdk["refused"]["body"]["detail"]["status"] == "voice_not_found"
    assert sdk["keyless"]["status"] == 401
    assert sdk["keyless"]["body"]["detail"]["status"] == "invalid_api_key"


def test_the_sdk_in_realtime_over_tls(tmp_path: Path) -> None:
    certificate, key = tls.self_signed(tmp_path)
    config = replace(KEY, tls_cert=str(certificate), tls_key=str(key))
    with running(FakeEngine(threaded=True), config) as server:
        url = "https://localhost:" + server.address.partition(":")[2]
        heard = run_client("elevenlabs_sdk.py", url, "--realtime", SSL_CERT_FILE=str(certificate))
        assert [options.voice for options in server.fake.options.values()] == ["heart", "joe"]
        assert server.fake.options[2].speed == 1.1
    assert heard["pcm"] == 28_800
    assert 9_000 < heard["mp3"] < 12_000
    assert heard["refused"]["status"] == 1008
    # The SDK tells the message, or the reason of the close where that came before it had read the message.
    assert "nobody does not exist" in str(heard["refused"]["body"])


def test_pipecat(server: Server) -> None:
    heard = run_client("pipecat_elevenlabs.py", server.ws)
    assert heard["errors"] == []
    assert heard["first"]["context"] == "Hello there. This is fine."
    words = [["Hello", 0], ["there.", 0.2], ["This", 0.4], ["is", 0.6], ["fine.", 0.8]]
    assert heard["first"]["words"] == words
    assert heard["last"]["context"] == "Good bye."
    # An interruption stops the audio, and the context keeps what was heard: about a second, five words or so.
    for cut, beginning in ((heard["cut"], ""), (heard["cut_after_end"], "Second ")):
        assert cut["late_s"] < 0.3
        kept = cut["context"].removeprefix(beginning).split()
        assert kept == [f"word{number}" for number in range(len(kept))]
        assert 2 <= len(kept) <= 12
    assert settled(server)
    assert 2 in server.fake.cancelled, "the interrupted turn is still being spoken"
    assert heard["ending_s"] < 1.5, "Pipecat waits two seconds for a server that does not close"


def test_livekit(server: Server) -> None:
    heard = run_client("livekit_elevenlabs.py", f"{server.http}/v1")
    assert heard["voices"] == ["heart", "joe"]
    assert heard["heard"]["samples"] == 24_000
    words = [["Hello ", 0, 0.2], ["there. ", 0.2, 0.4], ["This ", 0.4, 0.6], ["is ", 0.6, 0.8], ["fine. ", 0.8, 1.0]]
    assert heard["heard"]["words"] == words
    assert heard["after"]["words"] == [["Good ", 0, 0.2], ["bye. ", 0.2, 0.4]]
    assert heard["after"]["samples"] == 9_600
    assert 24_000 < heard["cut"] < 100_000
    assert abs(heard["whole"] - 9_600) < 480  # its emitter may end with a short frame of its own
    assert abs(heard["mp3"] - 1.4 * 22_050) < 2_400
    assert heard["refused"] == "APIStatusError"
    assert settled(server)
    assert server.fake.cancelled == [2], "the interrupted turn is still being spoken"


PAGE = (PROGRAMS.parent.parent.parent / "docs" / "elevenlabs.md").read_text(encoding="utf-8")
ON_THE_PAGE = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(5))
def test_the_programs_of_the_page_run(tmp_path: Path, number: int) -> None:
    block = ON_THE_PAGE[number]
    certificate, key = tls.self_signed(tmp_path)
    secure = "https://" in block
    config = ServeConfig(tls_cert=str(certificate), tls_key=str(key)) if secure else ServeConfig()
    program = tmp_path / "program.py"
    with running(FakeEngine(threaded=True), config) as server:
        program.write_text(block.replace("127.0.0.1:8080", server.address), encoding="utf-8")
        out = run_program(program, SSL_CERT_FILE=str(certificate))
        assert server.fake.spoken or "pipecat" in block, "nothing was said"
    assert out.strip() or "print" not in block
    assert "hello.mp3" not in block or (tmp_path / "hello.mp3").stat().st_size > 1_000


def test_the_page_has_no_other_program() -> None:
    assert len(ON_THE_PAGE) == 5


@pytest.mark.weights
async def test_characters_of_the_voice_that_ships_span_its_audio(real_server: Server) -> None:
    text = "The train leaves at 9:12, on track **4**, for $5. Well-known people say 'hello' (twice)!\n\nAnd so on. "
    async with stream_input(real_server, "sync_alignment=true") as client:
        await client.send({"text": " "}, *({"text": text[i : i + 7]} for i in range(0, len(text), 7)), {"text": ""})
        said = await client.until_final()
    assert said.chars.rstrip() == text.rstrip()
    assert said.starts_ms == sorted(said.starts_ms) == said.normalized_starts_ms
    assert abs(said.span_ms - said.seconds() * 1000) <= 1
    assert (
        said.starts_ms[text.index("train")] < said.starts_ms[text.index("9:12")] < said.starts_ms[text.index("track")]
    )
    assert said.seconds() > 3

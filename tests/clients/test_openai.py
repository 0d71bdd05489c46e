"""OpenAI's own package, Pipecat's service and LiveKit's plug-in, all unmodified, against our locked_server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from support.client_programs import run_client
from support.fakes import FakeEngine
from support.loopback import Server

SAMPLES = 14_400  # "Hello there. Fine.": three words of 0.2 s
BYTES = 2 * SAMPLES
BLOCK = 2_048  # no codec here has longer ones, flac aside, which is exact


@pytest.fixture(scope="module")
def sdk(locked_server: Server, folder: Path) -> dict[str, Any]:
    return run_client("openai_sdk.py", f"{locked_server.http}/v1", str(folder))


def samples_in(path: Path) -> int:
    if path.suffix == ".pcm":
        return path.stat().st_size // 2
    with av.open(str(path), "r") as file:
        return sum(24_000 * frame.samples // frame.sample_rate for frame in file.decode(audio=0))


@pytest.mark.parametrize("name", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
@pytest.mark.parametrize("way", ["whole", "streamed"])
def test_the_openai_package_gets_every_format(sdk: dict[str, Any], folder: Path, name: str, way: str) -> None:
    samples = samples_in(folder / f"{way}.{name}")
    assert abs(samples - SAMPLES) <= (0 if name in ("flac", "wav", "pcm") else BLOCK)


def test_the_openai_package_gets_mp3_where_it_names_no_format(sdk: dict[str, Any], folder: Path) -> None:
    assert abs(samples_in(folder / "default.mp3") - SAMPLES) <= BLOCK


def test_the_openai_package_reads_events(sdk: dict[str, Any]) -> None:
    events = sdk["events"]
    assert events["kinds"][:-1] == ["speech.audio.delta"] * (len(events["kinds"]) - 1)
    assert events["kinds"][-1] == "speech.audio.done"
    assert events["bytes"] == BYTES
    assert events["usage"]["total_tokens"] == events["usage"]["input_tokens"] + events["usage"]["output_tokens"] == 20
    assert events["request_id"].startswith("req_")


def test_the_openai_package_understands_refusals(sdk: dict[str, Any]) -> None:
    refused = sdk["refused"]
    assert (refused["type"], refused["param"], refused["code"]) == ("invalid_request_error", "voice", "invalid_value")
    assert "voices here: heart, joe" in refused["message"]
    assert sdk["keyless"] == "invalid_api_key"


def test_the_openai_package_lists_models(sdk: dict[str, Any]) -> None:
    assert "tts-1" in sdk["models"]


def test_the_openai_package_asynchronously(sdk: dict[str, Any], locked_server: Server) -> None:
    heard = sdk["asynchronous"]
    assert (heard["whole"], heard["streamed"]) == (BYTES, BYTES)
    assert heard["pieces"] > 3
    assert not locked_server.fake.live  # the text that it left in the middle


def test_pipecat_speaks_answers_and_interrupts(locked_server: Server) -> None:
    before = len(locked_server.fake.options)
    heard = run_client("pipecat_openai.py", f"{locked_server.http}/v1")
    assert heard["errors"] == []
    assert heard["answered"] == BYTES
    assert heard["next"] == 2 * 4_800
    last = len(locked_server.fake.options)
    assert heard["next_values"] == [round(FakeEngine.level(last) * 32767)]  # nothing of what was interrupted
    asked = [locked_server.fake.options[number] for number in range(before + 1, last + 1)]
    assert {(options.voice, options.speed) for options in asked} == {("joe", 1.25)}
    assert not locked_server.fake.live
    assert locked_server.service.connections == 0


def test_livekit_speaks_every_format_and_interrupts(locked_server: Server) -> None:
    heard = run_client("livekit_openai.py", f"{locked_server.http}/v1")
    assert len(heard["samples"]) == 8
    for name, samples in heard["samples"].items():
        assert abs(samples - SAMPLES) <= 2_400, name  # its decoder leaves out half of the last block of a flac
    assert not locked_server.fake.live


@pytest.mark.weights
def test_the_voice_is_heard_long_before_the_text_has_been_spoken(real_server: Server) -> None:
    text = "Good morning. The train leaves at nine from platform four, and it takes two hours. " * 4
    asked = {"model": "tts-1", "voice": "alloy", "input": text, "response_format": "pcm"}
    begin = time.monotonic()
    with httpx.stream(
        "POST", f"{real_server.http}/v1/audio/speech", json=asked, trust_env=False, timeout=120
    ) as answer:
        pieces = answer.iter_bytes()
        audio = next(pieces)
        first_s = time.monotonic() - begin
        audio += b"".join(pieces)
        whole_s = time.monotonic() - begin
    samples = np.frombuffer(audio, "<i2").astype(np.float32) / 32768
    assert 12 < len(samples) / 24_000 < 60
    assert 0.01 < np.sqrt(np.mean(samples**2)) < 0.5
    assert first_s < whole_s / 2

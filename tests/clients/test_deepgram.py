"""Deepgram's own package, Pipecat's service and LiveKit's plug-in, all unmodified, against our locked_server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest
from support.client_programs import run_client
from support.fakes import FakeEngine
from support.loopback import Server
from support.waiting import eventually

SAMPLES = 14_400  # "Hello there. Fine.": three words of 0.2 s


@pytest.fixture(scope="module")
def sdk(locked_server: Server, folder: Path) -> dict[str, Any]:
    return run_client("deepgram_sdk.py", locked_server.http, str(folder))


def test_the_deepgram_package_over_the_websocket(sdk: dict[str, Any]) -> None:
    heard = sdk["websocket"]
    assert heard["kinds"] == ["Metadata", "Flushed"]
    assert heard["bytes"] == 2 * SAMPLES
    assert len(heard["next_values"]) == 1  # one text alone: nothing of the one that was cleared


def test_the_deepgram_package_asynchronously(sdk: dict[str, Any]) -> None:
    heard = sdk["asynchronous"]
    assert heard["whole"] == 2 * SAMPLES
    assert abs(heard["telephony"] - 4_800) <= 1


@pytest.mark.parametrize("name", ["default.wav", "mulaw.wav", "speech.flac", "speech.mp3", "speech.ogg"])
def test_the_deepgram_package_gets_files(sdk: dict[str, Any], folder: Path, name: str) -> None:
    with av.open(str(folder / name), "r") as file:
        seconds = sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))
    assert seconds == pytest.approx(0.6, abs=0.13 if name in ("speech.mp3", "speech.ogg") else 0.0001)


def test_the_deepgram_package_understands_refusals(sdk: dict[str, Any]) -> None:
    refused = sdk["refused"]
    assert refused["status"] == 400
    assert refused["body"]["err_code"] == "INVALID_QUERY_PARAMETER"


async def test_pipecat_speaks_answers_and_interrupts(locked_server: Server) -> None:
    heard = run_client("pipecat_deepgram.py", locked_server.ws)
    assert heard["errors"] == []
    assert heard["answered"] == 2 * SAMPLES
    assert heard["next"] == 2 * 4_800
    last = len(locked_server.fake.options)
    assert heard["next_values"] == [round(FakeEngine.level(last) * 32767)]  # nothing of what was interrupted
    assert last - 1 in locked_server.fake.cancelled  # by Clear: Pipecat keeps its connection
    assert locked_server.fake.options[last].voice == "joe"
    await eventually(lambda: not locked_server.fake.live and locked_server.service.connections == 0)


async def test_livekit_speaks_word_by_word_and_interrupts(locked_server: Server) -> None:
    heard = run_client("livekit_deepgram.py", locked_server.http)
    for name, samples in {"words": SAMPLES, "whole": SAMPLES, "again": 4_800}.items():
        assert abs(heard[name] - samples) <= 480, name  # it fills its last frame
    await eventually(lambda: not locked_server.fake.live and locked_server.service.connections == 0)

"""Home Assistant's protocol as others speak it: the wyoming package's client, and wyoming-bench, both unmodified."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator

import pytest
from support.client_programs import client_environment, client_python, run_client
from support.doors import running_door
from support.fakes import FakeChunker, FakeEngine

from voiceagent.adapters.wyoming import server as wyoming
from voiceagent.service.service import Service
from voiceagent.settings.serve import ServeConfig, WyomingConfig


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(threaded=True, latency_s=0.001)


@pytest.fixture
def address(engine: FakeEngine) -> Iterator[str]:
    service = Service(engine, ServeConfig(), FakeChunker)
    with running_door(wyoming.run, service, WyomingConfig(port=0)) as uri:
        yield uri


def bench(*arguments: str) -> str:
    """What wyoming-bench prints."""
    program = client_python().with_name("wyoming-bench")
    done = subprocess.run(
        [program, *arguments], env=client_environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_the_client_of_the_package(engine: FakeEngine, address: str) -> None:
    heard = run_client("wyoming_client.py", address)
    assert heard == {"voices": ["heart", "joe"], "streams": True, "whole": 2 * 14_400, "pieces": 2 * 14_400}
    assert [options.voice for options in engine.options.values()] == ["heart", "joe", "heart"]
    deadline = time.monotonic() + 10
    while engine.live and time.monotonic() < deadline:
        time.sleep(0.01)
    assert engine.cancelled == [3], "the speech of the client that hung up goes on"


def test_wyoming_bench_describes_us(address: str) -> None:
    told = bench("info", address.removeprefix("tcp://"))
    assert "voiceagent" in told
    assert "heart" in told


def test_wyoming_bench_measures_both_modes(address: str) -> None:
    texts = ["--texts", "One sentence here. And one more.", "Short."]
    told = bench("tts", address.removeprefix("tcp://"), "--rounds", "1", "--warmup", "0", *texts)
    assert re.findall(r"\[(\w+)\] ok=(\d+) fail=(\d+)", told) == [("non_streaming", "2", "0"), ("streaming", "2", "0")]

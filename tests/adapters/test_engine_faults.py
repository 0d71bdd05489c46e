"""An engine that hangs, dies, or makes what is no sound, as clients of each door and whoever watches the service see it."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.fakes import FakeEngine
from support.loopback import Server, running
from support.native import client_of

from voiceagent.protocol.outputs import Output, Speech
from voiceagent.settings.serve import ServeConfig
from voiceagent.text.chunk import Chunk

STALL_S = 0.5
REQUESTS = {
    "/v1/audio/speech": {"model": "x", "voice": "heart", "response_format": "pcm", "input": ""},
    "/v1/text-to-speech/heart": {"text": ""},
    "/v1/speak?encoding=linear16": {"text": ""},
}


class Hanging(FakeEngine):
    """Its thread stops at a text with "hang" in it until it is let go."""

    def __init__(self) -> None:
        super().__init__(threaded=True)
        self.let_go = threading.Event()

    def _speak(self, stream: int, chunk: Chunk) -> None:
        if "hang" in chunk.text:
            self.let_go.wait(30)
        super()._speak(stream, chunk)


class Poisoned(FakeEngine):
    """Makes what is no number of a text with "bad" in it, and says that all went well."""

    value = float("nan")

    def _speak(self, stream: int, chunk: Chunk) -> None:
        self.poison = "bad" in chunk.text
        super()._speak(stream, chunk)

    def _deliver(self, stream: int, output: Output) -> None:
        if isinstance(output, Speech) and len(output.samples) and self.poison:
            samples = output.samples.copy()
            samples[len(samples) // 2] = self.value
            output = Speech(samples, output.words)
        super()._deliver(stream, output)


@pytest.fixture
def hanging() -> Iterator[Server]:
    engine = Hanging()
    with running(engine, ServeConfig(engine_stall_s=STALL_S)) as server:
        yield server
        engine.let_go.set()


def ask(server: Server, path: str, text: str) -> tuple[int, dict[str, Any]]:
    """The status, and what the answer says where it is no sound."""
    body = {name: value or text for name, value in REQUESTS[path].items()}
    request = urllib.request.Request(
        server.http + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            answer.read()
            return answer.status, {}
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def health(server: Server, path: str = "/healthz") -> int:
    try:
        with urllib.request.urlopen(server.http + path, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("path", REQUESTS)
def test_a_stuck_engine_is_told_to_the_client_and_to_who_watches(path: str, hanging: Server) -> None:
    assert health(hanging) == 200
    status, said = ask(hanging, path, "Now hang.")
    assert status == 500
    assert "silent" in json.dumps(said)
    assert (health(hanging), health(hanging, "/readyz")) == (503, 503)
    engine = hanging.fake
    assert isinstance(engine, Hanging)
    engine.let_go.set()
    assert ask(hanging, path, "All is well.")[0] == 200
    assert (health(hanging), health(hanging, "/readyz")) == (200, 200)


async def test_a_stuck_engine_ends_an_utterance_and_not_its_connection(hanging: Server) -> None:
    async with client_of(hanging.ws) as client:
        error = (await client.say("Now hang.")).events[-1]
        assert (error["code"], error["retryable"], error["fatal"]) == ("synthesis_failed", True, False)
        engine = hanging.fake
        assert isinstance(engine, Hanging)
        engine.let_go.set()
        assert (await client.say("All is well.", "v")).of("done")


def test_a_slow_engine_is_not_a_stuck_one() -> None:
    with running(FakeEngine(threaded=True, latency_s=0.2), ServeConfig(engine_stall_s=STALL_S)) as server:
        assert ask(server, "/v1/speak?encoding=linear16", "Many slow words are in this sentence here.")[0] == 200
        assert health(server) == 200


def test_an_engine_that_has_stopped_is_not_healthy() -> None:
    engine = FakeEngine(threaded=True)
    with running(engine) as server:
        engine.stopped = True  # type: ignore[attr-defined]
        assert (health(server), health(server, "/readyz")) == (503, 503)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("path", REQUESTS)
def test_what_is_no_sound_is_an_error_and_never_success(path: str, value: float) -> None:
    engine = Poisoned(threaded=True)
    engine.value = value
    with running(engine) as server:
        assert ask(server, path, "This is bad.")[0] == 500
        assert ask(server, path, "This is good.")[0] == 200
    assert engine.live == {}  # the engine was told to stop


async def test_what_is_no_sound_ends_an_utterance_in_the_middle() -> None:
    with running(Poisoned(threaded=True)) as server:
        async with client_of(server.ws) as client:
            heard = await client.say("This is good. This is bad. And more.")
            assert (heard.events[-1]["code"], heard.events[-1]["retryable"]) == ("synthesis_failed", True)
            assert 0 < len(heard.payload) <= 2 * 6 * 4_800
            assert np.isfinite(np.frombuffer(heard.payload, "<i2")).all()
            assert (await client.say("Fine.", "v")).of("done")

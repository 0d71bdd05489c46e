"""OpenAI's interface over a real socket, with a fake engine; tests/clients/test_openai.py has OpenAI's own clients."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import av
import httpx
import numpy as np
import pytest
from support.fakes import FakeEngine
from support.loopback import Server, running

from voiceagent.adapters.openai.messages import VOICES
from voiceagent.errors.extras import install_hint
from voiceagent.settings.serve import Limits, ServeConfig

SPEECH = "/v1/audio/speech"
TEXT = "Hello there. Fine."  # three words of 0.2 s
SAMPLES = 14_400


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.http, trust_env=False, timeout=20) as client:
        yield client


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def error_of(response: httpx.Response, status: int = 400) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["x-request-id"].startswith("req_")
    body: dict[str, Any] = response.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def sse_events(body: str) -> list[dict[str, Any]]:
    blocks = body.split("\n\n")
    assert blocks.pop() == ""
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


def test_pcm_is_the_samples_and_nothing_else(client: httpx.Client) -> None:
    answer = client.post(SPEECH, json={"model": "tts-1", "voice": "alloy", "input": TEXT, "response_format": "pcm"})
    assert answer.headers["content-type"] == "audio/pcm"
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["transfer-encoding"] == "chunked"
    samples = np.frombuffer(answer.content, "<i2")
    assert len(samples) == SAMPLES
    assert set(samples) == {round(FakeEngine.level(1) * 32767)}


@pytest.mark.parametrize(
    ("name", "media_type", "first_bytes"),
    [
        (None, "audio/mpeg", b"\xff"),
        ("mp3", "audio/mpeg", b"\xff"),
        ("opus", "audio/ogg", b"OggS"),
        ("aac", "audio/aac", b"\xff"),
        ("flac", "audio/flac", b"fLaC"),
        ("wav", "audio/wav", b"RIFF"),
    ],
)
@pytest.mark.parametrize("stream_format", ["audio", "sse"])
def test_every_format_decodes_to_the_speech(
    client: httpx.Client, name: str | None, media_type: str, first_bytes: bytes, stream_format: str
) -> None:
    asked = {"model": "tts-1", "voice": "alloy", "input": TEXT, "response_format": name, "stream_format": stream_format}
    answer = client.post(SPEECH, json=asked)
    content = answer.content
    if stream_format == "sse":
        assert answer.headers["content-type"].startswith("text/event-stream")
        deltas = [event for event in sse_events(answer.text) if event["type"] == "speech.audio.delta"]
        content = b"".join(base64.b64decode(delta["audio"]) for delta in deltas)
    else:
        assert answer.headers["content-type"] == media_type
    assert content.startswith(first_bytes)
    with av.open(io.BytesIO(content), "r") as file:
        frames = list(file.decode(audio=0))
    seconds = sum(frame.samples / frame.sample_rate for frame in frames)
    assert seconds == pytest.approx(0.6, abs=0.13)  # codecs fill their last block, some their first


def test_server_sent_events_are_those_of_openai(client: httpx.Client) -> None:
    asked = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": TEXT, "response_format": "pcm"}
    events = sse_events(client.post(SPEECH, json={**asked, "stream_format": "sse"}).text)
    *deltas, done = events
    assert all(set(delta) == {"type", "audio"} for delta in deltas)
    assert len(deltas) > 3
    assert len(b"".join(base64.b64decode(delta["audio"]) for delta in deltas)) == 2 * SAMPLES
    usage = {"input_tokens": 5, "output_tokens": 15, "total_tokens": 20}  # 18 characters; 0.6 s at 25 Hz
    assert done == {"type": "speech.audio.done", "usage": usage}


def test_the_first_sound_leaves_before_the_last_word_is_spoken() -> None:
    engine = FakeEngine(threaded=True, latency_s=0.05)
    asked = {"model": "tts-1", "voice": "alloy", "input": "One two three four. " * 20, "response_format": "pcm"}
    with (
        running(engine) as server,
        httpx.stream("POST", server.http + SPEECH, json=asked, trust_env=False, timeout=20) as answer,
    ):
        pieces = answer.iter_bytes()
        assert next(pieces)
        assert len(engine.spoken) < 10  # of twenty
        rest = b"".join(pieces)
    assert len(engine.spoken) == 21  # and the empty end
    assert len(rest) > 2 * 24_000


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
def test_a_client_that_goes_away_stops_its_speech(stream_format: str) -> None:
    engine = FakeEngine(threaded=True, latency_s=0.01)
    asked = {"model": "m", "input": "One two three four. " * 500, "response_format": "pcm"}
    with running(engine) as server:
        with httpx.stream(
            "POST", server.http + SPEECH, json={**asked, "stream_format": stream_format}, trust_env=False, timeout=20
        ) as answer:
            next(answer.iter_bytes())
        eventually(lambda: not engine.live and server.service.connections == 0)
        assert engine.cancelled == [1]
        assert len(engine.spoken) < 400
        fine = httpx.post(server.http + SPEECH, json={"input": "Fine."}, trust_env=False, timeout=20)
        assert fine.status_code == 200


def test_a_client_that_does_not_read_is_let_go() -> None:
    engine = FakeEngine(threaded=True, word_s=2.0)
    config = ServeConfig(send_stall_s=0.3, limits=Limits(max_text_buffer=1_000_000, backlog_ms=600_000))
    asked = {"model": "m", "input": "One two three four. " * 300, "response_format": "pcm"}
    with (
        running(engine, config) as server,
        httpx.stream("POST", server.http + SPEECH, json=asked, trust_env=False, timeout=20) as answer,
    ):
        pieces = answer.iter_bytes(100)
        next(pieces)
        eventually(lambda: server.service.connections == 0)
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)
    assert not engine.live


@pytest.mark.parametrize(
    ("asked", "ours"), [("alloy", "heart"), ("onyx", "joe"), ("heart", "heart"), ("joe", "joe"), ("Alloy", "heart")]
)
def test_voices_of_openai_have_one_of_ours(server: Server, client: httpx.Client, asked: str, ours: str) -> None:
    client.post(SPEECH, json={"model": "m", "voice": asked, "input": "Hi.", "response_format": "pcm"})
    assert server.fake.options[1].voice == ours


def test_a_voice_as_an_object(server: Server, client: httpx.Client) -> None:
    client.post(SPEECH, json={"model": "m", "voice": {"id": "joe"}, "input": "Hi.", "response_format": "pcm"})
    assert server.fake.options[1].voice == "joe"


def test_with_other_weights_their_names_mean_the_first_voice() -> None:
    engine = FakeEngine(threaded=True)
    engine.voices = ("anna", "ben")
    with running(engine) as server:
        httpx.post(server.http + SPEECH, json={"voice": "onyx", "input": "Hi.", "model": "m"}, trust_env=False)
    assert engine.options[1].voice == "anna"


@pytest.mark.parametrize(("asked", "ours"), [(0.25, 0.5), (0.5, 0.5), (1, 1.0), (1.5, 1.5), (4.0, 2.0)])
def test_speed_is_as_near_as_our_voices_come(server: Server, client: httpx.Client, asked: float, ours: float) -> None:
    client.post(SPEECH, json={"model": "m", "input": "Hi.", "speed": asked, "response_format": "pcm"})
    assert server.fake.options[1].speed == ours


def test_what_other_servers_understand_is_read_past(client: httpx.Client) -> None:
    more = {"instructions": "Whisper.", "stream": True, "lang_code": "a", "voice": None, "speed": None}
    assert client.post(SPEECH, json={"model": "no such model", "input": "Hi.", **more}).status_code == 200


FINE = {"model": "m", "input": "Hi.", "voice": "alloy"}
BAD: list[tuple[Any, str | None, str | None]] = [
    ("not json", None, None),
    ("", None, None),
    ("[]", None, None),
    ("[" * 100_000, None, None),
    ({}, "input", "missing_required_parameter"),
    ({"model": "m", "voice": "alloy"}, "input", "missing_required_parameter"),
    ({**FINE, "input": None}, "input", "missing_required_parameter"),
    ({**FINE, "input": ""}, "input", "empty_string"),
    ({**FINE, "input": " \n "}, "input", "empty_string"),
    ({**FINE, "input": 7}, "input", "invalid_type"),
    ({**FINE, "input": ["Hi."]}, "input", "invalid_type"),
    ({**FINE, "input": "a" * 20_001}, "input", "string_above_max_length"),
    ({**FINE, "model": 7}, "model", "invalid_type"),
    ({**FINE, "voice": "nobody"}, "voice", "invalid_value"),
    ({**FINE, "voice": {"name": "alloy"}}, "voice", "missing_required_parameter"),
    ({**FINE, "voice": 7}, "voice", "invalid_type"),
    ({**FINE, "response_format": "mp4"}, "response_format", "invalid_value"),
    ({**FINE, "stream_format": "websocket"}, "stream_format", "invalid_value"),
    ({**FINE, "speed": 0.1}, "speed", "invalid_value"),
    ({**FINE, "speed": 5}, "speed", "invalid_value"),
    ({**FINE, "speed": "fast"}, "speed", "invalid_type"),
]


@pytest.mark.parametrize(("body", "param", "code"), BAD, ids=lambda value: str(value)[:40])
def test_bad_requests_are_told_what_is_wrong(
    server: Server, client: httpx.Client, body: Any, param: str | None, code: str | None
) -> None:
    answer = client.post(SPEECH, content=body if isinstance(body, str) else json.dumps(body))
    error = error_of(answer)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert 0 < len(error["message"]) < 500
    assert not server.fake.options
    assert client.post(SPEECH, json=FINE).status_code == 200


def test_the_speed_that_is_not_a_number(client: httpx.Client) -> None:
    assert error_of(client.post(SPEECH, content='{"input": "Hi.", "speed": NaN}'))["param"] == "speed"


def test_a_body_that_is_too_long(client: httpx.Client) -> None:
    assert "262144 bytes" in error_of(client.post(SPEECH, json={**FINE, "x": "a" * 300_000}))["message"]
    assert client.post(SPEECH, json=FINE).status_code == 200


@pytest.mark.parametrize("text", ["😀", "...", "\x00", "привет"])
def test_a_text_with_nothing_to_say_is_silent(client: httpx.Client, text: str) -> None:
    assert client.post(SPEECH, json={**FINE, "input": text, "response_format": "wav"}).status_code == 200


def test_half_a_character_is_no_reason_to_fail(client: httpx.Client) -> None:
    body = '{"model": "m", "input": "Hi \\ud800 there.", "response_format": "pcm"}'
    assert client.post(SPEECH, content=body).status_code == 200


def test_an_engine_that_fails_at_once_is_a_status() -> None:
    with running(FakeEngine(threaded=True, fail_on="bad")) as server:
        answer = httpx.post(server.http + SPEECH, json={**FINE, "input": "bad."}, trust_env=False)
        error = error_of(answer, 500)
        assert (error["type"], error["code"]) == ("server_error", "synthesis_failed")
        assert httpx.post(server.http + SPEECH, json=FINE, trust_env=False).status_code == 200


def test_an_engine_that_fails_later_leaves_the_answer_incomplete() -> None:
    asked = {**FINE, "input": "Good. Then bad.", "response_format": "pcm"}
    with running(FakeEngine(threaded=True, fail_on="bad")) as server:
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            httpx.post(server.http + SPEECH, json=asked, trust_env=False)
        answer = httpx.post(server.http + SPEECH, json={**asked, "stream_format": "sse"}, trust_env=False)
        *deltas, last = sse_events(answer.text)
        assert deltas[0]["type"] == "speech.audio.delta"
        assert last["error"]["code"] == "synthesis_failed"
        eventually(lambda: server.service.connections == 0)


def test_without_pyav_the_formats_that_are_left_are_named(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voiceagent.audio.encoders._have_pyav", lambda: False)
    error = error_of(client.post(SPEECH, json=FINE))
    assert error["param"] == "response_format"
    assert install_hint("files") in error["message"]
    assert "wav or pcm" in error["message"]
    assert client.post(SPEECH, json={**FINE, "response_format": "wav"}).status_code == 200


def test_no_stream_left_is_a_429_that_clients_try_again() -> None:
    with running(FakeEngine(threaded=True, max_streams=0)) as server:
        answer = httpx.post(server.http + SPEECH, json=FINE, trust_env=False)
        assert error_of(answer, 429)["code"] == "rate_limit_exceeded"
        assert answer.headers["retry-after"] == "1"
        assert server.service.connections == 0


def test_the_key() -> None:
    with running(FakeEngine(threaded=True), ServeConfig(auth_tokens=("secret",))) as server:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            for path in (SPEECH, "/v1/models", "/v1/models/tts-1", "/v1/audio/voices"):
                method = "POST" if path == SPEECH else "GET"
                body = FINE if path == SPEECH else None
                answer = httpx.request(method, server.http + path, json=body, headers=headers, trust_env=False)
                assert error_of(answer, 401)["code"] == "invalid_api_key"
                assert "wrong" not in answer.text
        headers = {"Authorization": "Bearer secret"}
        assert httpx.post(server.http + SPEECH, json=FINE, headers=headers, trust_env=False).status_code == 200


def test_models_and_voices(client: httpx.Client) -> None:
    models = client.get("/v1/models").json()
    assert models["object"] == "list"
    assert {"tts-1", "tts-1-hd", "gpt-4o-mini-tts"} <= {model["id"] for model in models["data"]}
    assert client.get("/v1/models/tts-1").json()["object"] == "model"
    assert error_of(client.get("/v1/models/gpt-9"), 404)["code"] == "model_not_found"
    voices = [voice["id"] for voice in client.get("/v1/audio/voices").json()["voices"]]
    assert voices == ["heart", "joe", *VOICES]


def test_models_for_a_client_of_elevenlabs(client: httpx.Client) -> None:
    (model,) = client.get("/v1/models", headers={"xi-api-key": "x"}).json()
    assert model["model_id"] == "voiceagent"

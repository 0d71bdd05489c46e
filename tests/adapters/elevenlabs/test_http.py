"""ElevenLabs' HTTP interface, by a plain client against a fake engine."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Iterator

import httpx
import pytest
from support.fakes import FakeEngine
from support.loopback import Server, running

from voiceagent.settings.serve import Limits, ServeConfig

SPEECH = "/v1/text-to-speech/heart"
HELLO = {"text": "Hello there, friend.", "model_id": "eleven_multilingual_v2", "voice_settings": {"stability": 0.5}}

HTTP = httpx.Client(timeout=20)


@pytest.fixture(scope="module", autouse=True)
def leave() -> Iterator[None]:
    yield
    HTTP.close()


@pytest.mark.parametrize("path", ["", "/stream"])
@pytest.mark.parametrize(
    ("name", "kind", "low", "high"),
    [
        (None, "audio/mpeg", 9_000, 12_000),
        ("mp3_22050_32", "audio/mpeg", 2_000, 4_000),
        ("pcm_24000", "audio/pcm", 28_800, 28_800),
        ("ulaw_8000", "audio/mulaw", 4_800, 4_800),
        ("alaw_8000", "audio/alaw", 4_800, 4_800),
        ("opus_48000_64", "audio/opus", 500, 8_000),
        ("wav_16000", "audio/wav", 19_244, 19_244),
    ],
)
def test_audio(server: Server, path: str, name: str | None, kind: str, low: int, high: int) -> None:
    query = {"output_format": name} if name else {}
    answer = HTTP.post(server.http + SPEECH + path, params=query, json=HELLO)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind
    assert low <= len(answer.content) <= high
    assert answer.headers["character-cost"] == "20"
    assert answer.headers["request-id"]


def test_the_whole_with_times(server: Server) -> None:
    url = server.http + SPEECH + "/with-timestamps"
    answer = HTTP.post(url, params={"output_format": "pcm_24000"}, json=HELLO).json()
    assert len(base64.b64decode(answer["audio_base64"])) == 28_800
    assert answer["alignment"] == answer["normalized_alignment"]
    alignment = answer["alignment"]
    assert "".join(alignment["characters"]) == HELLO["text"]
    assert alignment["character_start_times_seconds"][alignment["characters"].index("f")] == 0.4
    assert alignment["character_end_times_seconds"][-1] == 0.6


def test_a_stream_with_times(server: Server) -> None:
    url = server.http + SPEECH + "/stream/with-timestamps"
    with HTTP.stream("POST", url, params={"output_format": "pcm_24000"}, json=HELLO) as answer:
        pieces = [json.loads(line) for line in answer.iter_lines()]
    assert len(pieces) > 3
    assert sum(len(base64.b64decode(piece["audio_base64"])) for piece in pieces) == 28_800
    aligned = [piece["alignment"] for piece in pieces if piece["alignment"]]
    assert "".join("".join(alignment["characters"]) for alignment in aligned) == HELLO["text"]
    ends = [end for alignment in aligned for end in alignment["character_end_times_seconds"]]
    assert ends == sorted(ends)
    assert ends[-1] == 0.6


def test_settings_reach_the_engine(server: Server) -> None:
    body = {"text": "Hi.", "seed": 3, "voice_settings": {"speed": 0.8}, "previous_text": "Before.", "nonsense": [1]}
    HTTP.post(f"{server.http}/v1/text-to-speech/default", json=body).raise_for_status()
    (options,) = server.fake.options.values()
    assert (options.voice, options.speed, options.seed) == ("heart", 0.8, 3)


@pytest.mark.parametrize(
    ("path", "body", "status", "reason", "said"),
    [
        ("nobody", HELLO, 404, "voice_not_found", "voices here: heart, joe"),
        ("heart?output_format=mp4", HELLO, 400, "invalid_output_format", "ulaw_8000"),
        ("heart", {"text": " "}, 400, "input_text_empty", "empty"),
        ("heart", {"text": "long " * 100}, 400, "max_character_limit_exceeded", "500"),
        ("heart", {"text": "Hi", "voice_settings": {"speed": 7}}, 400, "invalid_settings", "speed 7"),
        ("heart", {"text": "Hi", "language_code": "tlh"}, 400, "invalid_settings", "tlh"),
        ("heart", {"text": "A bomb."}, 500, "internal_error", "told to fail"),
    ],
)
@pytest.mark.parametrize("kind", ["", "/stream", "/with-timestamps", "/stream/with-timestamps"])
def test_refusals(kind: str, path: str, body: dict[str, object], status: int, reason: str, said: str) -> None:
    config = ServeConfig(limits=Limits(max_text_buffer=100))
    voice, _, query = path.partition("?")
    with running(FakeEngine(threaded=True, fail_on="bomb"), config) as server:
        answer = HTTP.post(f"{server.http}/v1/text-to-speech/{voice}{kind}?{query}", json=body)
    detail = answer.json()["detail"]
    assert answer.status_code == status
    assert detail["status"] == detail["code"] == reason
    assert said.lower() in detail["message"].lower()


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"voice": "heart"}', b'{"text": 5}', b"[" * 100_000])
def test_a_body_of_another_shape(server: Server, body: bytes) -> None:
    answer = HTTP.post(server.http + SPEECH, content=body)
    assert answer.status_code == 422
    (detail,) = answer.json()["detail"]
    assert detail["loc"] == ["body"]
    assert detail["msg"]


def test_busy() -> None:
    with running(FakeEngine(threaded=True, max_streams=0)) as server:
        answer = HTTP.post(server.http + SPEECH, json=HELLO)
    assert answer.status_code == 429
    assert answer.json()["detail"]["code"] == "too_many_concurrent_requests"


def test_keys() -> None:
    with running(FakeEngine(threaded=True), ServeConfig(auth_tokens=("sesame",))) as server:
        for path in (SPEECH, SPEECH + "/stream", SPEECH + "/with-timestamps", SPEECH + "/stream/with-timestamps"):
            refused = HTTP.post(server.http + path, json=HELLO, headers={"xi-api-key": "open"})
            assert refused.status_code == 401
            assert refused.json()["detail"]["status"] == "invalid_api_key"
            HTTP.post(server.http + path, json=HELLO, headers={"xi-api-key": "sesame"}).raise_for_status()
        assert HTTP.get(server.http + "/v1/voices/heart").status_code == 401


@pytest.mark.parametrize("path", ["/stream", "/with-timestamps"])
async def test_a_client_that_goes_stops_its_speech(path: str) -> None:
    with running(FakeEngine(threaded=True, latency_s=0.05)) as server:
        body = {"text": "many words " * 300 + "."}
        url, query = server.http + SPEECH + path, {"output_format": "pcm_8000"}
        with contextlib.suppress(httpx.ReadTimeout):
            client = httpx.AsyncClient(timeout=2)
            async with client, client.stream("POST", url, params=query, json=body) as answer:
                await anext(answer.aiter_raw())
        for _ in range(500):
            if not server.fake.live and not server.service.connections:
                break
            await asyncio.sleep(0.01)
        assert server.fake.cancelled == [1]
        assert not server.fake.live
        assert not server.service.connections


@pytest.mark.parametrize("path", ["/v1/voices", "/v2/voices"])
def test_voices_serve_our_clients_and_theirs(server: Server, path: str) -> None:
    answer = HTTP.get(server.http + path).json()
    assert [voice["id"] for voice in answer["voices"]] == ["heart", "joe"]
    for voice in answer["voices"]:
        assert voice["voice_id"] == voice["name"] == voice["id"]
        assert voice["category"]
    assert answer["has_more"] is False


def test_one_voice(server: Server) -> None:
    assert HTTP.get(server.http + "/v1/voices/JBFqnCBsd6RMkjVDRZzb").json()["voice_id"] == "joe"
    assert HTTP.get(server.http + "/v1/voices/nobody").status_code == 404

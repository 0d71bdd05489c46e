"""Hermes topics as Rhasspy and Snips devices use them, over a real Mosquitto."""

from __future__ import annotations

import io
import json
import time
import wave
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.fakes import FakeEngine
from support.mosquitto import Broker
from support.mqtt_ears import Ears, agent_at, listening
from support.waiting import eventually

from voiceagent.adapters.mqtt.hermes import FAILED, SAID, SAY
from voiceagent.audio.formats import AudioFormat
from voiceagent.settings.serve import Limits, ServeConfig


async def said(ears: Ears, number: int = 1) -> dict[str, Any]:
    await eventually(lambda: len(ears.on(SAID)) >= number, 20)
    answer: dict[str, Any] = json.loads(ears.on(SAID)[number - 1].payload)
    return answer


def wav_of(ears: Ears, topic: str = "hermes/audioServer/+/playBytes/+") -> tuple[int, int, NDArray[np.int16]]:
    """Rate, channels and samples of the one WAV file that was sent."""
    (message,) = ears.on(topic)
    with wave.open(io.BytesIO(message.payload)) as wav:
        assert wav.getsampwidth() == 2
        return wav.getframerate(), wav.getnchannels(), np.frombuffer(wav.readframes(wav.getnframes()), "<i2")


@pytest.mark.parametrize("rate", [24_000, 16_000])
async def test_a_text_becomes_a_wav_for_the_site(broker: Broker, rate: int) -> None:
    audio_format, engine = AudioFormat(sample_rate=rate), FakeEngine(threaded=True)
    async with agent_at(broker, engine, hermes=True, format=audio_format), listening(broker, "#") as ears:
        say = {"text": "Hello there.", "siteId": "kitchen", "id": "r1", "sessionId": "s1", "lang": "en_US"}
        await ears.ask(SAY, say)
        assert await said(ears) == {"siteId": "kitchen", "id": "r1", "sessionId": "s1"}
        sent_rate, channels, samples = wav_of(ears, "hermes/audioServer/kitchen/playBytes/r1")
        assert (sent_rate, channels) == (rate, 1)
        assert len(samples) == pytest.approx(0.4 * rate, abs=2)
    assert not ears.on(FAILED)


async def test_the_answer_spells_its_keys_as_the_request_did(broker: Broker) -> None:
    async with agent_at(broker, FakeEngine(threaded=True), hermes=True), listening(broker, "#") as ears:
        await ears.ask(SAY, {"text": "Hi.", "site_id": "default", "id": "r1", "session_id": "s1", "volume": None})
        assert await said(ears) == {"site_id": "default", "id": "r1", "session_id": "s1"}
        await ears.ask(SAY, {"text": "Hi."})
        assert await said(ears, 2) == {"siteId": "default", "id": None, "sessionId": None}


async def test_it_waits_for_the_player(broker: Broker) -> None:
    async with agent_at(broker, FakeEngine(threaded=True), hermes=True), listening(broker, "#") as ears:
        await ears.ask(SAY, {"text": "Many words. " * 50, "siteId": "kitchen", "id": "r1"})  # 20 s of speech
        await eventually(lambda: bool(ears.on("hermes/audioServer/kitchen/playBytes/r1")))
        begin_s = time.monotonic()
        for nonsense in ("no json", "[]", json.dumps({"id": "other"})):
            await ears.ask("hermes/audioServer/kitchen/playFinished", nonsense)
        assert not ears.on(SAID)
        await ears.ask("hermes/audioServer/kitchen/playFinished", {"id": "r1", "sessionId": None})
        await said(ears)
        assert time.monotonic() - begin_s < 15


async def test_volume(broker: Broker) -> None:
    async with agent_at(broker, FakeEngine(threaded=True), hermes=True), listening(broker, "#") as ears:
        await ears.ask(SAY, {"text": "Hello.", "volume": 0.5})
        await said(ears)
        _, _, samples = wav_of(ears)
    assert set(samples.tolist()) == {round(FakeEngine.level(1) * 32767 * 0.5)}


@pytest.mark.parametrize("key", ["siteId", "site_id"])
async def test_voices(broker: Broker, key: str) -> None:
    async with agent_at(broker, FakeEngine(), hermes=True), listening(broker, "#") as ears:
        await ears.ask("rhasspy/tts/getVoices", {"id": "q", key: "kitchen"})
        await eventually(lambda: bool(ears.on("rhasspy/tts/voices")))
        answer = json.loads(ears.on("rhasspy/tts/voices")[0].payload)
    assert answer["id"] == "q"
    assert answer[key] == "kitchen"
    assert [voice["voice_id" if key == "site_id" else "voiceId"] for voice in answer["voices"]] == ["heart", "joe"]


async def test_a_question_that_is_none_is_answered(broker: Broker) -> None:
    async with agent_at(broker, FakeEngine(), hermes=True), listening(broker, "#") as ears:
        await ears.ask("hermes/audioServer/kitchen/playFinished", "[" * 100_000)
        await ears.ask("rhasspy/tts/getVoices", "[" * 100_000)
        await eventually(lambda: bool(ears.on("rhasspy/tts/voices")))


async def test_a_fault_of_our_own_is_told_and_ends_nothing(broker: Broker) -> None:
    class Faulty(FakeEngine):
        def open(self, *_: Any, **__: Any) -> int:
            raise RuntimeError("a bug")

    async with agent_at(broker, Faulty(), hermes=True), listening(broker, "#") as ears:
        for number in (1, 2):
            await ears.ask(SAY, {"text": "Hi.", "siteId": "kitchen", "id": "r1", "sessionId": "s1"})
            assert await said(ears, number) == {"siteId": "kitchen", "id": "r1", "sessionId": "s1"}
        assert "the service failed" in json.loads(ears.on(FAILED)[0].payload)["error"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": "Das ist Deutsch.", "lang": "de_DE"}, "languages here: en"),
        ({"text": "x" * 300}, "at most 200 characters"),
        ({"text": "It will fail."}, "told to fail"),
    ],
)
async def test_what_cannot_be_spoken_is_told_and_finished(broker: Broker, fields: dict[str, Any], message: str) -> None:
    serve = ServeConfig(limits=Limits(max_text_buffer=200))
    engine = FakeEngine(threaded=True, fail_on="fail")
    async with agent_at(broker, engine, serve=serve, hermes=True), listening(broker, "#") as ears:
        await ears.ask(SAY, {**fields, "siteId": "kitchen", "id": "r1", "sessionId": "s1"})
        assert await said(ears) == {"siteId": "kitchen", "id": "r1", "sessionId": "s1"}
        failure = json.loads(ears.on(FAILED)[0].payload)
        assert message in failure["error"]
        assert (failure["siteId"], failure["sessionId"], failure["context"]) == ("kitchen", "s1", "r1")
        assert not ears.on("hermes/audioServer/+/playBytes/+")


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("nonsense", "not JSON"),
        ({"siteId": "kitchen"}, "with `text`"),
        ({"text": "Hi.", "siteId": "#"}, "a site is a text"),
        ({"text": "Hi.", "id": "a/b"}, "an id is a text"),
        ({"text": "Hi.", "id": 5}, "an id is a text"),
        ({"text": "Hi.", "siteId": "\ud800"}, "a site is a text"),
        ({"text": "Hi.", "siteId": "a\nb"}, "a site is a text"),
        ({"text": "Hi.", "siteId": "x" * 70_000}, "a site is a text of at most 1000"),
        ({"text": "Hi.", "id": "\ud800"}, "an id is a text"),
        ({"text": "Hi.", "sessionId": 5}, "session and language"),
        ({"text": "Hi.", "volume": 7}, "a volume is within"),
        ('{"text": "Hi.", "volume": NaN}', "a volume is within"),
    ],
)
async def test_requests_that_are_none(broker: Broker, payload: Any, message: str) -> None:
    async with agent_at(broker, FakeEngine(threaded=True), hermes=True), listening(broker, "#") as ears:
        await ears.ask(SAY, payload)
        await eventually(lambda: bool(ears.on(FAILED)))
        assert message in json.loads(ears.on(FAILED)[0].payload)["error"]
        await ears.ask(SAY, {"text": "Hello."})
        await said(ears)


async def test_more_texts_than_it_takes_at_once(broker: Broker) -> None:
    async with (
        agent_at(broker, FakeEngine(threaded=True), hermes=True, max_waiting=1),
        listening(broker, "#") as ears,
    ):
        await ears.ask(SAY, {"text": "Five words of a text.", "id": "a"})
        await ears.ask(SAY, {"text": "Hello.", "id": "b"})
        assert (await said(ears, 1))["id"] == "b"
        assert "ask again later" in json.loads(ears.on(FAILED)[0].payload)["error"]
        assert (await said(ears, 2))["id"] == "a"

"""Speech over a real Mosquitto on loopback, with a fake engine."""

from __future__ import annotations

import asyncio
from typing import Any

import aiomqtt
import pytest
from support.fakes import FakeEngine
from support.mosquitto import Broker
from support.mqtt_ears import Ears, agent_at, listening
from support.waiting import eventually

from voiceagent.settings.serve import Limits, ServeConfig

EVERYTHING = "voiceagent/#"
LONG = "These are many words of an answer. " * 40


def talkative(**options: Any) -> FakeEngine:
    """An engine that takes its time, so that its speech can be interrupted."""
    return FakeEngine(threaded=True, latency_s=0.002, **options)


async def started(ears: Ears, site: str = "kitchen", **fields: Any) -> dict[str, Any]:
    """The `started` of a request."""
    await ears.request(site, {"id": "u", **fields})
    return await ears.event(type="started", id=fields.get("id", "u"))


def _property(message: aiomqtt.Message, name: str) -> Any:
    return getattr(message.properties, name)


async def test_a_text_is_said_at_a_site(broker: Broker) -> None:
    engine = FakeEngine(threaded=True)
    async with agent_at(broker, engine), listening(broker, EVERYTHING) as ears:
        await ears.ask("voiceagent/v1/kitchen/say", "Dinner is ready. Come!")
        done = await ears.event(type="done")
        await eventually(lambda: [m.payload for m in ears.on("voiceagent/v1/kitchen/state")] == [b"speaking", b"idle"])
    started, generation = ears.events(type="started")[0], done["generation"]
    assert started["format"]["encoding"] == "pcm_s16le"
    assert started["site"] == "kitchen"
    assert started["agent"] == "one"
    assert started["command_topic"] == "voiceagent/v1/kitchen/command/one"
    assert started["audio_topic"] == f"voiceagent/v1/kitchen/audio/{generation}"
    sound = ears.audio(started["audio_topic"])
    assert sound.seqs == list(range(len(sound.seqs)))
    assert sound.pts == sorted(sound.pts)
    assert sound.last == [False] * (len(sound.last) - 1) + [True]
    assert set(sound.streams) == {started["stream"]}
    assert len(sound.payload) == 2 * 4 * 4800
    assert sound.values == {round(FakeEngine.level(1) * 32767)}
    assert [word["t"] for event in ears.events(type="words") for word in event["words"]] == [
        "Dinner",
        "is",
        "ready",
        "Come",
    ]


async def test_audio_expires_and_is_never_retained(broker: Broker) -> None:
    async with agent_at(broker, FakeEngine(threaded=True)):
        async with listening(broker, EVERYTHING) as ears:
            await ears.ask("voiceagent/v1/kitchen/say", "Dinner.")
            await ears.event(type="done")
            frames = ears.on("voiceagent/v1/kitchen/audio/+")
            assert frames
            assert all(0 < _property(frame, "MessageExpiryInterval") <= 3 for frame in frames)
            await eventually(lambda: len(ears.on("voiceagent/v1/kitchen/state")) == 2)
        async with listening(broker, EVERYTHING) as late:
            await eventually(lambda: bool(late.on("voiceagent/agents/one/status")))
            await asyncio.sleep(0.1)
            assert {str(message.topic) for message in late.heard} == {
                "voiceagent/agents/one/status",
                "voiceagent/v1/home/state",
                "voiceagent/v1/kitchen/state",
            }


async def test_a_text_in_pieces(broker: Broker) -> None:
    engine = FakeEngine(threaded=True)
    async with agent_at(broker, engine), listening(broker, EVERYTHING) as ears:
        topic = (await started(ears, text="Hel", end=False, voice="joe"))["command_topic"]
        await ears.ask(topic, {"type": "text", "id": "u", "text": "lo. No full stop", "n": 0})
        await ears.ask(topic, {"type": "flush", "id": "u", "n": 1})
        await ears.ask(topic, {"type": "text", "id": "u", "text": "lo. No full stop", "n": 0})  # came twice
        await ears.event(type="flushed")
        await ears.ask(topic, {"type": "text", "id": "u", "text": " here.", "n": 2})
        await ears.ask(topic, {"type": "end", "id": "u", "n": 3})
        done = await ears.event(type="done")
    assert [spoken.strip() for spoken in engine.spoken] == ["Hello.", "No full stop", "here.", ""]
    assert [options.voice for options in engine.options.values()] == ["joe"]
    assert done["audio_ms"] == 1_000
    assert len(ears.audio().payload) == 2 * 24_000
    assert not ears.events(type="error")


async def test_a_missing_piece_is_noticed(broker: Broker) -> None:
    engine = FakeEngine(threaded=True)
    async with agent_at(broker, engine), listening(broker, EVERYTHING) as ears:
        topic = (await started(ears))["command_topic"]
        await ears.ask(topic, {"type": "text", "id": "u", "text": "One.", "n": 0})
        await ears.ask(topic, {"type": "text", "id": "u", "text": "Three.", "n": 2})
        assert "command 1 is missing" in (await ears.event(type="error"))["message"]
        assert (await ears.event(type="cancelled"))["reason"] == "a command is missing"
    assert "Three." not in engine.spoken


async def test_the_answer_goes_where_the_requester_wants_it(broker: Broker) -> None:
    async with agent_at(broker, FakeEngine(threaded=True)), listening(broker, EVERYTHING, "bot/#") as ears:
        await ears.request("kitchen", {"text": "Hello there."}, response_topic="bot/7/speech", correlation=b"q-1")
        await ears.event("bot/7/speech", type="done")
        answers = ears.on("bot/7/speech")
        assert {_property(answer, "CorrelationData") for answer in answers} == {b"q-1"}
        kinds = {_property(answer, "ContentType") for answer in answers}
        assert kinds == {"application/json", "audio/pcm;rate=24000"}
        assert len(ears.audio("bot/7/speech").payload) == 2 * 2 * 4800
        assert not ears.on("voiceagent/v1/kitchen/event")
        assert not ears.on("voiceagent/v1/kitchen/audio/+")
        # Heard in the kitchen, told to both.
        request = {"id": "k", "text": "Hello.", "audio": "site"}
        await ears.request("kitchen", request, response_topic="bot/8", correlation=b"q-2")
        await ears.event("bot/8", type="done")
        await ears.event("voiceagent/v1/kitchen/event", type="done", id="k")
        assert not ears.audio("bot/8").payload
        assert len(ears.audio("voiceagent/v1/kitchen/audio/+").payload) == 2 * 4800


async def test_a_response_topic_that_is_not_allowed(broker: Broker) -> None:
    async with (
        agent_at(broker, FakeEngine(threaded=True), response_topics=("bot/+",)),
        listening(broker, EVERYTHING, "#") as ears,
    ):
        await ears.request("kitchen", {"text": "Hello."}, response_topic="homeassistant/light/set")
        assert "not allowed here" in (await ears.event(type="error"))["message"]
        await ears.request("kitchen", {"text": "Hello."}, response_topic="bot/1")
        await ears.event("bot/1", type="done")
    assert not ears.on("homeassistant/light/set")


async def test_after_cancelled_nothing_follows(broker: Broker) -> None:
    engine = talkative()
    async with agent_at(broker, engine), listening(broker, EVERYTHING) as ears:
        first = await started(ears, text=LONG)
        await eventually(lambda: len(ears.audio().seqs) > 3)
        await ears.ask(first["command_topic"], {"type": "cancel", "id": "u", "played_ms": 200})
        cancelled = await ears.event(type="cancelled")
        assert cancelled["text_spoken"] == "These"
        assert cancelled["text_spoken"] + cancelled["text_remaining"] == LONG
        assert cancelled["reason"] == "asked for"
        heard = len(ears.on(first["audio_topic"]))
        await ears.request("kitchen", {"id": "v", "text": "Next."})
        await ears.event(type="done", id="v")
        assert len(ears.on(first["audio_topic"])) == heard
        second = ears.events(type="started", id="v")[0]
        assert second["generation"] != first["generation"]
        assert second["stream"] != first["stream"]
        await eventually(lambda: not engine.live)


async def test_stop_and_preempt(broker: Broker) -> None:
    async with agent_at(broker, talkative()), listening(broker, EVERYTHING) as ears:
        await started(ears, text=LONG, id="a")
        await started(ears, text=LONG, id="b")
        await started(ears, "attic", text=LONG, id="c")
        await ears.ask("voiceagent/v1/kitchen/stop", b"")
        assert (await ears.event(type="cancelled", id="a"))["reason"] == "stop"
        assert (await ears.event(type="cancelled", id="b"))["played_ms"] == 0
        assert not ears.events(type="cancelled", id="c")
        await started(ears, "attic", text="Fire!", id="d", preempt=True)
        assert (await ears.event(type="cancelled", id="c"))["reason"] == "preempted"
        await ears.event(type="done", id="d")


async def test_a_cancel_reaches_what_was_sent_ahead_but_is_not_heard_yet(broker: Broker) -> None:
    async with agent_at(broker, FakeEngine(threaded=True)), listening(broker, EVERYTHING) as ears:
        topic = (await started(ears, text="One two three four five six seven eight."))["command_topic"]
        await ears.event(type="done")
        await ears.ask(topic, {"type": "cancel", "id": "u", "played_ms": 400})
        cancelled = await ears.event(type="cancelled")
        assert cancelled["text_spoken"] == "One two"


async def test_utterances_at_a_site_take_turns(broker: Broker) -> None:
    async with agent_at(broker, talkative(), max_waiting=2), listening(broker, EVERYTHING) as ears:
        for number in range(4):
            await ears.request("kitchen", {"id": f"u{number}", "text": "One two three."})
        refused = await ears.event(type="error", id="u3")
        assert refused["code"] == "no_capacity"
        assert refused["retryable"]
        await ears.request("attic", {"id": "elsewhere", "text": "Not in the kitchen."})
        await ears.event(type="done", id="u2")
        order = ears.audio("voiceagent/v1/kitchen/audio/+").streams
        assert order == sorted(order)
        assert len(set(order)) == 3
        ended = [event["id"] for event in ears.events(type="done")]
        assert ended.index("elsewhere") < ended.index("u2")


async def test_nobody_wants_late_speech(broker: Broker) -> None:
    async with agent_at(broker, talkative()), listening(broker, EVERYTHING) as ears:
        await started(ears, text=LONG, id="first")
        await ears.request("kitchen", {"id": "late", "text": "Too late."}, expiry_s=1)
        assert (await ears.event(type="error", id="late"))["code"] == "expired"
        await ears.ask("voiceagent/v1/kitchen/stop", b"")
        await ears.event(type="cancelled", id="first")
        await started(ears, text="Hello.", id="next")
        await ears.event(type="done", id="next")


async def test_a_requester_that_vanishes_keeps_nobody_waiting(broker: Broker) -> None:
    async with agent_at(broker, FakeEngine(threaded=True), idle_s=0.3), listening(broker, EVERYTHING) as ears:
        await started(ears, text="No end", end=False, id="forgotten")
        await ears.request("kitchen", {"id": "next", "text": "Hello."})
        assert (await ears.event(type="error", id="forgotten"))["code"] == "idle"
        await ears.event(type="done", id="forgotten")
        await ears.event(type="done", id="next")


async def test_agents_share_the_work_and_a_site_has_one_of_them(broker: Broker) -> None:
    engines = {"one": talkative(), "two": talkative()}
    async with (
        agent_at(broker, engines["one"], "one"),
        agent_at(broker, engines["two"], "two"),
        listening(broker, EVERYTHING, "bot/#") as ears,
    ):
        await eventually(lambda: len(ears.on("voiceagent/agents/+/status")) == 2)
        await asyncio.sleep(0.2)  # until each has heard of the other
        for number in range(8):
            await ears.request("any", {"text": "Hello."}, response_topic=f"bot/{number}")
        for number in range(8):
            await ears.event(f"bot/{number}", type="done")
        assert {event["agent"] for event in ears.events("bot/+", type="started")} == {"one", "two"}
        for number in range(16):
            await ears.request(f"room{number % 8}", {"id": f"u{number}", "text": "Hello."})
        for number in range(16):
            await ears.event(type="done", id=f"u{number}")
        homes = {(event["site"], event["agent"]) for event in ears.events(type="started")}
        assert len(homes) == 8
        assert {agent for _, agent in homes} == {"one", "two"}
        # Pieces of an utterance find the agent that speaks it.
        begins = [await started(ears, f"room{number}", id=f"p{number}") for number in range(4)]
        for begun in begins:
            piece = {"type": "text", "id": begun["id"], "text": f"Piece for {begun['id']}."}
            await ears.ask(begun["command_topic"], piece)
            await ears.ask(begun["command_topic"], {"type": "end", "id": begun["id"]})
        for begun in begins:
            await ears.event(type="done", id=begun["id"])
            assert f"Piece for {begun['id']}." in engines[begun["agent"]].spoken
    assert not ears.events(type="error")


async def test_the_work_of_an_agent_that_goes_is_done_by_the_others(broker: Broker) -> None:
    async with agent_at(broker, talkative(), "one"), listening(broker, EVERYTHING) as ears:
        async with agent_at(broker, talkative(), "two"):
            await eventually(lambda: len(ears.on("voiceagent/agents/two/status")) == 1)
        await eventually(lambda: [m.payload for m in ears.on("voiceagent/agents/two/status")][-1:] == [b"offline"])
        for number in range(4):
            await ears.request(f"room{number}", {"id": f"u{number}", "text": "Hello."})
        for number in range(4):
            await ears.event(type="done", id=f"u{number}")
        assert {event["agent"] for event in ears.events(type="started")} == {"one"}


@pytest.mark.parametrize("size", [64, 300, 4096])
@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le", "mulaw"])
async def test_no_message_is_longer_than_a_device_can_take(broker: Broker, size: int, encoding: str) -> None:
    audio_format = {"encoding": encoding, "sample_rate": 8_000}
    async with (
        agent_at(broker, FakeEngine(threaded=True), max_payload_bytes=size),
        listening(broker, EVERYTHING) as ears,
    ):
        await ears.request("kitchen", {"id": "u", "text": "Hello there.", "format": audio_format})
        await ears.event(type="done")
    sound = ears.audio()
    sample_bytes = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1}[encoding]
    assert max(sound.sizes) <= size
    assert sound.seqs == list(range(len(sound.seqs)))
    assert len(sound.payload) == sample_bytes * 3_200
    begins = [sum(map(len, sound.payloads[:number])) // sample_bytes for number in range(len(sound.pts))]
    assert sound.pts == begins
    assert sound.last == [False] * (len(sound.last) - 1) + [True]


async def test_opus_over_mqtt(broker: Broker) -> None:
    async with agent_at(broker, FakeEngine(threaded=True)), listening(broker, EVERYTHING) as ears:
        request = {"id": "u", "text": "Hello there.", "format": {"encoding": "opus", "sample_rate": 24_000}}
        await ears.request("kitchen", request)
        await ears.event(type="done")
    sound = ears.audio()
    assert sound.payload.startswith(b"OggS")
    assert sound.last[-1]


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ("not json", "bad_message", "not JSON"),
        ("[]", "bad_message", "a JSON object"),
        ("[" * 100_000, "bad_message", "not JSON"),
        ({"text": 5}, "bad_message", "`text` is a text"),
        ({"text": "Hi.", "end": "yes"}, "bad_message", "`end` is true or false"),
        ({"text": "Hi.", "audio": "response"}, "bad_message", "`audio` is site"),
        ({"text": "Hi.", "speed": 9}, "bad_message", "speed 9"),
        ({"text": "Hi.", "voice": "nobody"}, "unknown_voice", "voices here: heart, joe"),
        ({"text": "Hi.", "language": "de"}, "bad_message", "languages here: en"),
        ({"text": "Hi.", "format": {"encoding": "mp9"}}, "bad_message", "unknown encoding"),
        ({"text": "x" * 300_000}, "bad_message", "at most 262144 bytes"),
        ({"text": "x" * 30_000, "end": False}, "text_buffer_full", "send it in pieces"),
        ({"text": "It will fail."}, "synthesis_failed", "told to fail"),
    ],
)
async def test_what_is_wrong_is_said(broker: Broker, fields: Any, code: str, message: str) -> None:
    engine = FakeEngine(threaded=True, fail_on="fail")
    async with agent_at(broker, engine), listening(broker, EVERYTHING) as ears:
        await ears.ask("voiceagent/v1/kitchen/request", fields)
        error = await ears.event(type="error")
        assert error["code"] == code
        assert message in error["message"]
        await ears.request("kitchen", {"id": "next", "text": "Hello."})
        await ears.event(type="done", id="next")
    assert not engine.live


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("nonsense", "not JSON"),
        ({"type": "text", "id": "u"}, "text"),
        ({"type": "text", "id": "other", "text": "Hi."}, "'other' is not open at 'kitchen' here"),
        ({"type": "start", "id": "u"}, "start belongs elsewhere"),
        ({"type": "text", "id": "u", "text": "Hi.", "n": "1"}, "`n` is a number"),
        ({"type": "text", "id": "u", "text": "x" * 300}, "were not taken"),
    ],
)
async def test_commands_that_are_wrong(broker: Broker, fields: Any, message: str) -> None:
    serve = ServeConfig(limits=Limits(max_text_buffer=200))
    async with agent_at(broker, FakeEngine(threaded=True), serve=serve), listening(broker, EVERYTHING) as ears:
        topic = (await started(ears))["command_topic"]
        await ears.ask(topic, fields)
        assert message in (await ears.event(type="error"))["message"]
        await ears.ask(topic, {"type": "text", "id": "u", "text": "Still here."})
        await ears.ask(topic, {"type": "end", "id": "u"})
        assert (await ears.event(type="done"))["audio_ms"] == 400


@pytest.mark.parametrize("topic", ["voiceagent/v1/{}/say", "voiceagent/agents/{}/status"])
async def test_a_name_too_long_for_the_topics_of_its_answers_is_dropped(broker: Broker, topic: str) -> None:
    async with agent_at(broker, FakeEngine(threaded=True)), listening(broker, EVERYTHING) as ears:
        await ears.ask(topic.format("x" * (65_535 - len(topic) + 2)), "online")
        await started(ears, text="Hello.")
        await ears.event(type="done")


async def test_the_same_id_twice_and_an_engine_that_is_full(broker: Broker) -> None:
    async with agent_at(broker, talkative(max_streams=1)), listening(broker, EVERYTHING) as ears:
        await started(ears, text=LONG)
        await ears.request("kitchen", {"id": "u", "text": "Again."})
        assert "open already" in (await ears.event(type="error", id="u"))["message"]
        await ears.request("attic", {"id": "v", "text": "No room."})
        assert (await ears.event(type="error", id="v"))["code"] == "no_capacity"


async def test_a_whole_text_longer_than_the_buffer(broker: Broker) -> None:
    serve = ServeConfig(limits=Limits(max_text_buffer=100))
    async with (
        agent_at(broker, FakeEngine(threaded=True, word_s=0.001), serve=serve),
        listening(broker, EVERYTHING) as ears,
    ):
        await ears.ask("voiceagent/v1/kitchen/say", "Good. " * 60)
        assert (await ears.event(type="done"))["audio_ms"] == 60


async def test_what_was_retained_by_mistake_is_not_said(broker: Broker) -> None:
    async with listening(broker) as ears:
        await ears.client.publish("voiceagent/v1/kitchen/stop", b"", qos=1, retain=True)
        await ears.client.publish("voiceagent/v1/kitchen/say", b"Old news.", qos=1, retain=True)
    engine = FakeEngine(threaded=True)
    async with agent_at(broker, engine), listening(broker, EVERYTHING) as ears:
        await started(ears, text="Hello.")
        await ears.event(type="done")
    assert engine.spoken == ["Hello.", ""]

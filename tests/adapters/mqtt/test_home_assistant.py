"""What Home Assistant finds at the broker, and that writing to what it finds does what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.fakes import FakeEngine
from support.mosquitto import Broker
from support.mqtt_ears import Ears, agent_at, listening
from support.waiting import eventually

from voiceagent.adapters.mqtt.home_assistant import discovery

CONFIG = "homeassistant/device/voiceagent_kitchen/config"


def device(ears: Ears, number: int = -1) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(ears.on(CONFIG)[number].payload)
    return described


async def test_a_site_is_a_device(broker: Broker) -> None:
    engine = FakeEngine(threaded=True)
    async with agent_at(broker, engine, sites=("kitchen",)), listening(broker, "#") as ears:
        await eventually(lambda: bool(ears.on(CONFIG)))
        assert ears.on(CONFIG)[0].retain
        described = device(ears)
        assert described["dev"]["ids"] == ["voiceagent_kitchen"]
        assert described["o"]["name"] == "voiceagent"
        assert described["availability"] == [{"topic": "voiceagent/agents/one/status"}]
        entities = described["cmps"]
        assert {key: entity["p"] for key, entity in entities.items()} == {
            "say": "notify",
            "stop": "button",
            "voice": "select",
            "speed": "number",
            "state": "sensor",
        }
        assert len({entity["unique_id"] for entity in entities.values()}) == 5
        assert entities["voice"]["options"] == ["heart", "joe"]
        # What Home Assistant does when somebody uses them.
        await ears.client.publish(entities["voice"]["command_topic"], "joe", qos=1, retain=entities["voice"]["retain"])
        await ears.client.publish(entities["speed"]["command_topic"], "1.5", qos=1, retain=entities["speed"]["retain"])
        await ears.client.publish(entities["say"]["command_topic"], "Dinner is ready.", qos=1)
        await ears.event(type="done")
        options = engine.options[1]
        assert (options.voice, options.speed) == ("joe", 1.5)
        await eventually(lambda: [m.payload for m in ears.on(entities["state"]["state_topic"])][-1] == b"idle")
        await ears.client.publish(entities["say"]["command_topic"], "Many words. " * 50, qos=1)
        await eventually(lambda: [m.payload for m in ears.on(entities["state"]["state_topic"])][-1] == b"speaking")
        await ears.client.publish(entities["stop"]["command_topic"], "PRESS", qos=1)
        await ears.event(type="cancelled")


async def test_what_was_chosen_outlives_the_agent(broker: Broker) -> None:
    async with listening(broker, "#") as ears:
        await ears.client.publish("voiceagent/v1/kitchen/voice", "joe", qos=1, retain=True)
        engine = FakeEngine(threaded=True)
        async with agent_at(broker, engine):
            await ears.ask("voiceagent/v1/kitchen/say", "Hello.")
            await ears.event(type="done")
            await ears.request("kitchen", {"id": "mine", "text": "Hello.", "voice": "heart"})
            await ears.event(type="done", id="mine")
            await ears.client.publish("voiceagent/v1/kitchen/voice", "", qos=1, retain=True)
            await ears.ask("voiceagent/v1/kitchen/say", "Hello.")
            await eventually(lambda: len(ears.events(type="done")) == 3)
        assert [options.voice for options in engine.options.values()] == ["joe", "heart", "heart"]


@pytest.mark.parametrize(
    ("topic", "value", "message"),
    [("voice", "nobody", "voices here: heart, joe"), ("speed", "fast", "speed"), ("speed", "9", "speed 9.0 is not")],
)
async def test_a_choice_that_is_none(broker: Broker, topic: str, value: str, message: str) -> None:
    engine = FakeEngine(threaded=True)
    async with agent_at(broker, engine), listening(broker, "#") as ears:
        await ears.client.publish(f"voiceagent/v1/kitchen/{topic}", value, qos=1, retain=True)
        assert message in (await ears.event(type="error"))["message"]
        await ears.ask("voiceagent/v1/kitchen/say", "Hello.")
        await ears.event(type="done")


async def test_it_is_told_again_when_home_assistant_starts_and_when_an_agent_comes(broker: Broker) -> None:
    async with listening(broker, "homeassistant/device/#") as ears, agent_at(broker, FakeEngine(), sites=("kitchen",)):
        await eventually(lambda: len(ears.on(CONFIG)) == 1)
        await ears.client.publish("homeassistant/status", "online", qos=1)
        await eventually(lambda: len(ears.on(CONFIG)) == 2)
        assert device(ears, 0) == device(ears, 1)
        async with agent_at(broker, FakeEngine(), "two", sites=("kitchen",)):
            both = [{"topic": f"voiceagent/agents/{name}/status"} for name in ("one", "two")]
            await eventually(lambda: device(ears)["availability"] == both)
            assert device(ears)["availability_mode"] == "any"


async def test_it_can_be_left_out(broker: Broker) -> None:
    async with agent_at(broker, FakeEngine(), home_assistant=False), listening(broker, "#") as ears:
        await eventually(lambda: bool(ears.on("voiceagent/agents/one/status")))
        assert not ears.on("homeassistant/#")


def test_names_that_home_assistant_takes() -> None:
    told = discovery("ha", "Küche & Bad", ["heart"], ["one"])
    assert told.topic.startswith("ha/device/voiceagent_K")
    name = told.topic.split("/")[2]
    assert name.isascii()
    assert " " not in name
    assert name != discovery("ha", "Kuche & Bad", ["heart"], ["one"]).topic.split("/")[2]

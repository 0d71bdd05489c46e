"""What docs/smart-home.md shows works: its settings are settings, its program speaks, its topics are the ones there are."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.fakes import FakeEngine
from support.mosquitto import Broker
from support.mqtt_ears import agent_at, listening

from voiceagent.adapters.mqtt import messages as mqtt_messages
from voiceagent.adapters.mqtt.home_assistant import discovery
from voiceagent.settings.serve import load_serve_config

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "smart-home.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("number", range(3))
def test_its_settings_are_settings(number: int, tmp_path: Path) -> None:
    file = tmp_path / "serve.toml"
    file.write_text(blocks("toml")[number])
    settings = load_serve_config(file)
    assert settings.wyoming.enabled or settings.mqtt.enabled
    assert len(blocks("toml")) == 3


async def test_its_program_speaks(broker: Broker) -> None:
    (program,) = blocks("python")
    engine = FakeEngine(threaded=True)
    namespace: dict[str, Any] = {"__name__": "smart_home"}
    exec(program.replace("asyncio.run(main())", ""), namespace)  # the program of the page itself
    printed = io.StringIO()
    async with agent_at(broker, engine), listening(broker, "voiceagent/#") as ears:
        with contextlib.redirect_stdout(printed):
            await asyncio.wait_for(namespace["main"]("127.0.0.1", broker.port), 20)
        await ears.event(type="done", id="u1")
    assert "'type': 'done'" in printed.getvalue()
    assert engine.spoken[0] == "Good morning."
    assert len(ears.audio().payload) == 2 * 2 * 4800


def test_its_topics_are_those_of_the_code() -> None:
    table = set(re.findall(r"^\| `([a-z]+)", PAGE, re.MULTILINE))
    documented = set(re.findall(r"voiceagent/v1/SITE/([a-z]+)", mqtt_messages.__doc__ or ""))
    assert documented - table == set()
    device = discovery("homeassistant", "kitchen", ["heart"], ["one"])
    assert device.topic in PAGE
    assert {entity["name"] for entity in json.loads(device.payload)["cmps"].values()} <= set(
        re.findall(r"\*(\w+)\*", PAGE)
    )

"""Rhasspy's own command, unmodified, has a sentence spoken over a real Mosquitto."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from support.client_programs import client_environment, client_python
from support.doors import running_door
from support.fakes import FakeChunker, FakeEngine
from support.mosquitto import Broker

from voiceagent.adapters.mqtt import connection as mqtt
from voiceagent.service.service import Service
from voiceagent.settings.serve import MqttConfig, ServeConfig


def test_rhasspy_has_a_sentence_spoken(broker: Broker) -> None:
    engine = FakeEngine(threaded=True)
    settings = MqttConfig(host="127.0.0.1", port=broker.port, hermes=True)
    hermes: list[str | Path] = [
        client_python(".venv-hermes"),
        "-m",
        "rhasspyhermes",
        "--host",
        "127.0.0.1",
        "--port",
        str(broker.port),
    ]
    with running_door(mqtt.run, Service(engine, ServeConfig(), FakeChunker), settings):
        done = subprocess.run(
            [*hermes, "--site-id", "kitchen", "--print-topics", "speak-sentence", "Hello there.", "Fine."],
            env=client_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    answers = [line.partition(" ") for line in done.stdout.splitlines()]
    assert [topic for topic, _, _ in answers] == ["hermes/tts/sayFinished"] * 2
    assert [json.loads(answer)["site_id"] for _, _, answer in answers] == ["kitchen"] * 2
    assert [text.strip() for text in engine.spoken if text] == ["Hello there.", "Fine."]

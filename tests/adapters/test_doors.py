"""`voiceagent serve` with everything open, as a process of its own."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from support.fakes import FakeChunker, FakeEngine
from support.mosquitto import Broker
from support.mqtt_ears import listening
from support.waiting import eventually
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info

from voiceagent.adapters import doors
from voiceagent.adapters.app import bind, build_app, build_server
from voiceagent.errors import ConfigError, InputError
from voiceagent.service.service import Service
from voiceagent.settings.serve import MqttConfig, ServeConfig, WyomingConfig

TESTS = Path(__file__).resolve().parent.parent
PROGRAM = textwrap.dedent("""
    import sys
    sys.path.insert(0, sys.argv.pop(1))
    import voiceagent.agent
    from support.fakes import FakeEngine
    voiceagent.agent.load_engine = lambda *_: FakeEngine(threaded=True)
    from voiceagent.cli.commands import main
    main()
""")


def started(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(TESTS), "serve", "--port", "0", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def health(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{address}/healthz", timeout=10) as answer:
        told: dict[str, Any] = json.load(answer)
        return told


async def test_every_door_of_one_process(broker: Broker, tmp_path: Path) -> None:
    settings = tmp_path / "serve.toml"
    settings.write_text('[wyoming]\nport = 0\n[mqtt]\nagent = "one"\n')
    process = started("--config", str(settings), "--wyoming", "--mqtt", f"127.0.0.1:{broker.port}")
    try:
        assert process.stdout is not None
        told = ""
        while not ("mqtt://" in told and "tcp://" in told):
            line = process.stdout.readline()
            assert line, told
            told += line
        (http,) = re.findall(r"ws://(\S+)/v1/stream", told)
        (port,) = re.findall(r"tcp://127.0.0.1:(\d+)", told)
        assert f"mqtt://127.0.0.1:{broker.port}" in told
        assert (await asyncio.to_thread(health, http))["status"] == "ok"
        tcp = AsyncTcpClient("127.0.0.1", int(port))
        await tcp.connect()
        await tcp.write_event(Describe().event())
        described = await tcp.read_event()
        assert described is not None
        assert [voice.name for voice in Info.from_event(described).tts[0].voices] == ["heart", "joe"]
        await tcp.disconnect()
        async with listening(broker, "voiceagent/#") as ears:
            await ears.ask("voiceagent/v1/kitchen/say", "Hello.")
            await ears.event(type="done")
            process.send_signal(signal.SIGTERM)
            await eventually(
                lambda: [m.payload for m in ears.on("voiceagent/agents/one/status")] == [b"online", b"offline"], 20
            )
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
    finally:
        process.kill()
        process.communicate()


def test_a_door_that_cannot_be_opened_ends_it_with_one_line(tmp_path: Path) -> None:
    settings = tmp_path / "serve.toml"
    settings.write_text('[wyoming]\nhost = "192.0.2.1"\n')
    begin_s = time.monotonic()
    process = started("--config", str(settings), "--wyoming")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2, errors
    assert "voiceagent: cannot listen on 192.0.2.1:10200" in errors
    assert "Traceback" not in errors
    assert time.monotonic() - begin_s < 60


async def test_what_a_door_finds_missing_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    settings = ServeConfig(wyoming=WyomingConfig(enabled=True, port=0, announce="Home"))
    service = Service(FakeEngine(), settings, FakeChunker)
    server = build_server(build_app(service), settings, log_level="warning")

    async def load() -> Service:
        return service

    with bind("127.0.0.1", 0) as listener, pytest.raises(ConfigError, match="announcing 'Home' needs more"):
        await doors.serve(server, listener, load, doors.doors_of(settings, lambda _: None))


def test_what_the_command_line_asks_for() -> None:
    settings = doors.with_doors(ServeConfig(), wyoming=True, mqtt="broker.lan")
    assert settings.wyoming.enabled
    assert (settings.mqtt.enabled, settings.mqtt.host, settings.mqtt.port) == (True, "broker.lan", 1883)
    assert doors.with_doors(ServeConfig(), wyoming=False, mqtt="[::1]:1884").mqtt == MqttConfig(
        enabled=True, host="::1", port=1884
    )
    assert doors.with_doors(ServeConfig(), wyoming=False, mqtt=None) == ServeConfig()


@pytest.mark.parametrize("address", ["", ":1883", "host:port", "host:99999", "mqtt://host", "user@host/x"])
def test_what_is_no_broker(address: str) -> None:
    with pytest.raises(InputError, match="HOST:PORT of a broker"):
        doors.with_doors(ServeConfig(), wyoming=False, mqtt=address)


@pytest.mark.parametrize("missing", ["wyoming", "aiomqtt"])
def test_a_package_that_is_missing(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("voiceagent.adapters.", f"{missing}."))]:
        monkeypatch.delitem(sys.modules, name)
    package = sys.modules["voiceagent.adapters"]
    for name in ("wyoming", "mqtt"):
        if hasattr(package, name):
            monkeypatch.delattr(package, name)
    monkeypatch.setitem(sys.modules, missing, None)
    settings = ServeConfig(wyoming=WyomingConfig(enabled=True), mqtt=MqttConfig(enabled=True))
    with pytest.raises(ConfigError, match="pip install"):
        doors.doors_of(settings, lambda _: None)


def test_secrets_are_read_before_the_voices_are_loaded(tmp_path: Path) -> None:
    settings = ServeConfig(mqtt=MqttConfig(enabled=True, password_file=str(tmp_path / "none")))
    with pytest.raises(ConfigError, match="password_file"):
        doors.doors_of(settings, lambda _: None)

"""What happens when the broker goes and comes back, refuses us, or has somebody else under our name."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
from base64 import b64encode
from pathlib import Path

import aiomqtt
import pytest
from support.fakes import FakeEngine
from support.mosquitto import Broker
from support.mqtt_ears import Ears, agent_at, listening
from support.waiting import eventually

from voiceagent.adapters.mqtt import connection as mqtt
from voiceagent.adapters.mqtt import link as mqtt_link
from voiceagent.errors import ConfigError
from voiceagent.service.service import Service
from voiceagent.settings.serve import MqttConfig

EVERYTHING = "voiceagent/#"
LONG = "These are many words of an answer. " * 40
LOST = "the connection to the broker was lost"


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[aiomqtt.Client]:
    """The clients that an agent makes, one a connection."""
    made: list[aiomqtt.Client] = []

    def client_of(settings: MqttConfig, agent: str) -> aiomqtt.Client:
        made.append(real(settings, agent))
        return made[-1]

    real = mqtt_link.client_of
    monkeypatch.setattr(mqtt, "client_of", client_of)
    return made


def cut(client: aiomqtt.Client) -> None:
    """Cuts the connection without a word, as a cable that is pulled."""
    connection = client._client.socket()
    assert isinstance(connection, socket.socket)
    connection.shutdown(socket.SHUT_RDWR)


async def test_small_messages_do_not_wait_for_each_other(broker: Broker, clients: list[aiomqtt.Client]) -> None:
    async with agent_at(broker, FakeEngine()):
        connection = clients[-1]._client.socket()
        assert isinstance(connection, socket.socket)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def statuses(ears: Ears, *expected: bytes) -> None:
    await eventually(lambda: tuple(m.payload for m in ears.on("voiceagent/agents/one/status")) == expected)


async def test_a_broker_that_restarts_in_the_middle_of_a_word(broker: Broker) -> None:
    engine = FakeEngine(threaded=True, latency_s=0.002)
    ready: list[str] = []
    async with agent_at(broker, engine, on_ready=ready.append):
        async with listening(broker, EVERYTHING) as before:
            await before.request("kitchen", {"id": "u", "text": LONG})
            await eventually(lambda: len(before.audio().seqs) > 3)
            await before.request("kitchen", {"id": "waiting", "text": "Said after the break."})
            old = before.events(type="started", id="u")[0]["generation"]
            await before.event(type="started", id="waiting")
            broker.stop()
            await eventually(lambda: before.deaf)
        broker.start()
        async with listening(broker, EVERYTHING) as ears:
            # It says what was heard of the one, and goes on with the other, which had not begun.
            cancelled = await ears.event(type="cancelled")
            assert (cancelled["id"], cancelled["generation"], cancelled["reason"]) == ("u", old, LOST)
            assert cancelled["text_spoken"] + cancelled["text_remaining"] == LONG
            await ears.event(type="done", id="waiting")
            await ears.request("kitchen", {"id": "v", "text": "Fresh."})
            fresh = await ears.event(type="started", id="v")
            await ears.event(type="done", id="v")
            assert fresh["generation"] != old
            assert not ears.on(f"voiceagent/v1/kitchen/audio/{old}"), "stale audio is played"
            assert ears.on(fresh["audio_topic"])
            await eventually(lambda: not engine.live)
    assert len(ready) == 2


async def test_a_cut_connection_is_made_again(broker: Broker, clients: list[aiomqtt.Client]) -> None:
    engine = FakeEngine(threaded=True, latency_s=0.002)
    async with listening(broker, EVERYTHING) as ears, agent_at(broker, engine):
        await statuses(ears, b"online")
        await ears.request("kitchen", {"id": "u", "text": LONG})
        await eventually(lambda: len(ears.audio().seqs) > 3)
        cut(clients[-1])
        await statuses(ears, b"online", b"offline", b"online")  # the last will speaks for it
        old = (await ears.event(type="cancelled", id="u", reason=LOST))["generation"]
        heard = len(ears.on(f"voiceagent/v1/kitchen/audio/{old}"))
        await ears.ask("voiceagent/v1/kitchen/say", "Back again.")
        await ears.event(type="done")
        assert len(ears.on(f"voiceagent/v1/kitchen/audio/{old}")) == heard
        states = [message.payload for message in ears.on("voiceagent/v1/kitchen/state")]
        assert states[:3] == [b"speaking", b"idle", b"speaking"]
    assert len(clients) == 2


async def test_going_in_order(broker: Broker) -> None:
    engine = FakeEngine(threaded=True, latency_s=0.002)
    async with listening(broker, EVERYTHING) as ears:
        async with agent_at(broker, engine):
            await ears.request("kitchen", {"id": "u", "text": LONG})
            await ears.request("kitchen", {"id": "v", "text": "Never begun."})
            await eventually(lambda: len(ears.audio().seqs) > 3)
            await ears.event(type="started", id="v")
        await statuses(ears, b"online", b"offline")
        for id_ in ("u", "v"):
            assert (await ears.event(type="cancelled", id=id_))["reason"] == "the agent is being stopped"
    assert not engine.live


async def test_a_broker_that_comes_later(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    broker.stop()
    starting = asyncio.create_task(_start_later(broker))
    async with agent_at(broker, FakeEngine(threaded=True)), listening(broker, EVERYTHING) as ears:
        await ears.ask("voiceagent/v1/kitchen/say", "Hello.")
        await ears.event(type="done")
    await starting
    assert any("MQTT broker" in record.message and "refused" in record.message for record in caplog.records)


async def _start_later(broker: Broker) -> None:
    await asyncio.sleep(0.5)
    broker.start()


async def test_two_agents_of_one_name_are_told_apart(
    broker: Broker, caplog: pytest.LogCaptureFixture, clients: list[aiomqtt.Client]
) -> None:
    with caplog.at_level(logging.WARNING):
        async with agent_at(broker, FakeEngine(threaded=True)), agent_at(broker, FakeEngine(threaded=True)):
            await eventually(lambda: "give it a name of its own" in caplog.text, 60)


def _passwords(folder: Path, **of: str) -> Path:
    """A file of passwords as Mosquitto wants it: PBKDF2 with SHA-512, which its own tool need not be here for."""
    salt, rounds = b"twelve bytes", 101
    lines = []
    for name, password in of.items():
        key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
        lines.append(f"{name}:$7${rounds}${b64encode(salt).decode()}${b64encode(key).decode()}\n")
    passwords = folder / "passwords"
    passwords.write_text("".join(lines))
    return passwords


async def test_a_broker_that_wants_a_password(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker(tmp_path, "allow_anonymous false", f"password_file {_passwords(tmp_path, voice='secret')}")
    broker.start()
    mine = tmp_path / "mine"
    try:
        mine.write_text("wrong\n")
        wrong = MqttConfig(
            host="127.0.0.1", port=broker.port, reconnect_s=0.2, username="voice", password_file=str(mine)
        )
        task = asyncio.create_task(mqtt.run(Service(FakeEngine()), wrong))
        await eventually(lambda: "see [mqtt] username and password_file" in caplog.text)
        mine.write_text("secret\nsecond line\n")  # read again for each connection
        async with listening(broker, EVERYTHING, username="voice", password="secret") as ears:
            await eventually(lambda: bool(ears.on("voiceagent/agents/+/status")))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    finally:
        broker.stop()


async def test_what_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    service = Service(FakeEngine())
    with pytest.raises(ConfigError, match="password_file: cannot read"):
        await mqtt.run(service, MqttConfig(password_file=str(tmp_path / "none")))
    with pytest.raises(ConfigError, match="ca_file: cannot use"):
        await mqtt.run(service, MqttConfig(tls=True, ca_file=str(tmp_path / "none")))

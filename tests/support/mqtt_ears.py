"""The other side of MQTT in tests: an agent with a fake engine, and a client that hears and asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
import numpy as np
from support.fakes import FakeChunker, FakeEngine
from support.mosquitto import Broker
from support.waiting import eventually

from voiceagent.adapters.mqtt import connection as mqtt
from voiceagent.adapters.mqtt.messages import properties, site_topic
from voiceagent.protocol.wire import FLAG_LAST, decode_audio
from voiceagent.service.service import Service
from voiceagent.settings.serve import MqttConfig, ServeConfig


class Ears:
    """A client that remembers everything it hears."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.heard: list[aiomqtt.Message] = []
        self.deaf = False
        """The connection is lost."""
        self._events: list[tuple[aiomqtt.Message, dict[str, Any]]] = []

    async def listen(self) -> None:
        try:
            async for message in self.client.messages:
                self.heard.append(message)
                if message.payload[:1] == b"{":
                    self._events.append((message, json.loads(message.payload)))
        except aiomqtt.MqttError:
            self.deaf = True

    def on(self, pattern: str) -> list[aiomqtt.Message]:
        return [message for message in self.heard if message.topic.matches(pattern)]

    def events(self, pattern: str = "voiceagent/v1/+/event", **fields: Any) -> list[dict[str, Any]]:
        return [
            event
            for message, event in self._events
            if all(event.get(key) == value for key, value in fields.items()) and message.topic.matches(pattern)
        ]

    async def event(self, pattern: str = "voiceagent/v1/+/event", **fields: Any) -> dict[str, Any]:
        """The first event with these fields, as soon as it is there."""
        await eventually(lambda: bool(self.events(pattern, **fields)), 20)
        return self.events(pattern, **fields)[0]

    def audio(self, pattern: str = "voiceagent/v1/+/audio/+") -> Sound:
        return Sound([message.payload for message in self.on(pattern) if message.payload[:1] == b"\x01"])

    async def ask(self, topic: str, payload: dict[str, Any] | str | bytes, **made: Any) -> None:
        encoded = json.dumps(payload) if isinstance(payload, dict) else payload
        await self.client.publish(topic, encoded, qos=1, properties=properties(**made))

    async def request(self, site: str, fields: dict[str, Any], **made: Any) -> None:
        await self.ask(site_topic(site, "request"), fields, **made)


class Sound:
    """Audio messages, in the order they came."""

    def __init__(self, messages: list[bytes]) -> None:
        split = [decode_audio(message) for message in messages]
        self.sizes = [len(message) for message in messages]
        self.streams = [header[1] for header, _ in split]
        self.seqs = [header[2] for header, _ in split]
        self.pts = [header[3] for header, _ in split]
        self.last = [bool(header[0] & FLAG_LAST) for header, _ in split]
        self.payload = b"".join(payload for _, payload in split)
        self.payloads = [payload for _, payload in split]

    @property
    def values(self) -> set[int]:
        return set(np.frombuffer(self.payload, "<i2").tolist())


@asynccontextmanager
async def listening(broker: Broker, *topics: str, **options: Any) -> AsyncIterator[Ears]:
    """A client that hears these topics."""
    client = aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5, **options)
    async with client:
        ears = Ears(client)
        for topic in topics:
            await client.subscribe(topic, qos=1)
        task = asyncio.create_task(ears.listen())
        try:
            yield ears
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def agent_at(
    broker: Broker,
    engine: FakeEngine,
    name: str = "one",
    serve: ServeConfig | None = None,
    on_ready: Callable[[str], None] | None = None,
    **settings: Any,
) -> AsyncIterator[Service]:
    """An agent that is connected, and gone afterwards."""
    service = Service(engine, serve or ServeConfig(), FakeChunker)
    ready = asyncio.Event()

    def note(address: str) -> None:
        ready.set()
        if on_ready is not None:
            on_ready(address)

    engine.start()
    config = MqttConfig(host="127.0.0.1", port=broker.port, agent=name, reconnect_s=0.2, **settings)
    task = asyncio.create_task(mqtt.run(service, config, note))
    try:
        await asyncio.wait_for(ready.wait(), 20)
        yield service
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        engine.close()

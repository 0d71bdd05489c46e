"""The order in which an utterance over MQTT takes its text, without a broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.fakes import FakeChunker, FakeEngine
from support.waiting import eventually

from voiceagent.adapters.mqtt.link import Link
from voiceagent.adapters.mqtt.messages import Outgoing, Piece, Reply, Request
from voiceagent.adapters.mqtt.speech import SiteUtterance
from voiceagent.errors import NoCapacity, ProtocolError, TextBufferFull
from voiceagent.protocol import commands
from voiceagent.service.service import Service
from voiceagent.settings.serve import MqttConfig, ServeConfig

LONG = "Good morning. " * 1_400  # 19,600 characters: nearly all that may wait


class Told(Link):
    """Remembers what was told, and has no broker."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    async def tell(self, messages: Iterable[Outgoing]) -> None:
        self.events += [json.loads(message.payload) for message in messages]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]


@asynccontextmanager
async def speaking(text: str, *, end: bool) -> AsyncIterator[tuple[SiteUtterance, Told]]:
    """An utterance that has been started and waits for its turn."""
    service = Service(FakeEngine(), ServeConfig(), FakeChunker)
    link, request = Told(), Request(commands.Start("u"), Reply("kitchen"), text, end)
    speech = SiteUtterance(service, MqttConfig(), link, request, generation="g", stream=1, extra={})
    running = asyncio.create_task(speech.run())
    await eventually(lambda: bool(link.of("started")))
    yield speech, link
    speech.cancel("the test is over")
    await running


async def written(speech: SiteUtterance, link: Told) -> str:
    """All of its text, in the order in which it was taken."""
    speech.cancel("enough")
    await speech.over.wait()
    (cancelled,) = link.of("cancelled")
    return str(cancelled["text_spoken"] + cancelled["text_remaining"])


async def test_what_comes_after_started_comes_after_the_text_of_the_request() -> None:
    async with speaking(LONG, end=False) as (speech, link):
        speech.obey(Piece(commands.Text("u", "Later."), 0))
        assert await written(speech, link) == LONG + "Later."


@pytest.mark.parametrize("command", [commands.Text("u", "Later."), commands.Flush("u"), commands.End("u")])
async def test_nothing_gets_into_a_whole_text(command: commands.Text | commands.Flush | commands.End) -> None:
    async with speaking(LONG * 2, end=True) as (speech, link):  # half of it waits for room
        with pytest.raises(ProtocolError, match=f"has been ended: no {command.type} may follow"):
            speech.obey(Piece(command))
        assert "Later." not in await written(speech, link)


async def test_text_refused_for_want_of_room_is_taken_when_it_is_sent_again() -> None:
    async with speaking(LONG, end=False) as (speech, link):
        # More than may ever wait, however fast the rest is read.
        refused = Piece(commands.Text("u", "Later. " * 3_000), 0)
        for _ in range(2):
            with pytest.raises(TextBufferFull):
                speech.obey(refused)
        with pytest.raises(NoCapacity, match="command 0 found no room: send it again before 1"):
            speech.obey(Piece(commands.End("u"), 1))
        speech.obey(Piece(commands.Text("u", "Short."), 0))
        assert await written(speech, link) == LONG + "Short."

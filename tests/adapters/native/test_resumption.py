"""Connections that are lost anywhere, as often as one likes: what is heard equals what is heard without."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis import given, settings
from support.fakes import FakeChunker, FakeEngine

from voiceagent.adapters.native.resumption import ResumableSession, ResumableSessions
from voiceagent.audio.formats import AudioFormat
from voiceagent.protocol import commands
from voiceagent.protocol.wire import decode_audio
from voiceagent.service.service import Service
from voiceagent.settings.serve import ServeConfig

TEXTS = {"a": "One two three. Four five six. ", "b": "Seven eight. Nine. Ten eleven twelve. "}
FORMATS = st.sampled_from([AudioFormat("pcm_s16le", 16_000), AudioFormat("alaw", 8_000), AudioFormat("mp3", 24_000)])


@dataclass
class Ear:
    """What a client has got: of each utterance its frames and its other messages, each once."""

    names: dict[int, str] = field(default_factory=dict)
    frames: dict[str, list[bytes]] = field(default_factory=dict)
    others: dict[str, list[str]] = field(default_factory=dict)

    def take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            (_, stream, seq, _), _ = decode_audio(message)
            mine = self.frames[self.names[stream]]
            assert seq == len(mine)
            mine.append(message)
            return
        event = json.loads(message)
        if event["type"] == "started":
            self.names[event["stream"]] = event["id"]
            self.frames.setdefault(event["id"], [])
        if event["type"] == "done":
            del event["ttfa_ms"]  # that is the clock's
        if event.get("id") and (said := json.dumps(event)) not in self.others.setdefault(event["id"], []):
            self.others[event["id"]].append(said)

    @property
    def over(self) -> bool:
        return sum("done" in said for all_of_it in self.others.values() for said in all_of_it) == len(TEXTS)

    def have(self) -> dict[str, int]:
        return {id_: len(self.frames.get(id_, [])) - 1 for id_ in TEXTS}


async def listen(audio_format: AudioFormat, losses: list[tuple[int, int]]) -> Ear:
    """Hears both texts; each loss is after how many messages, and how many of them never arrive."""
    service = Service(FakeEngine(word_s=0.25), ServeConfig(), make_chunker=FakeChunker)
    conversation = ResumableSession(service)
    for id_, text in TEXTS.items():
        start = commands.Start(id_, format=audio_format, max_ahead_ms=60_000, timestamps="char")
        for command in (start, commands.Text(id_, text), commands.Flush(id_), commands.End(id_)):
            conversation.handle(command)
    ear = Ear()
    for messages, lost in losses:
        under_way = [await conversation.next_message() for _ in range(messages) if not ear.over]
        for message in under_way[: max(0, len(under_way) - lost)]:
            assert message is not None
            ear.take(message)
        conversation.rewind(ear.have())
    while not ear.over:
        message = await asyncio.wait_for(conversation.next_message(), 10)
        assert message is not None
        ear.take(message)
    return ear


@settings(max_examples=25, deadline=None)
@given(
    audio_format=FORMATS,
    losses=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=4),
)
def test_losing_messages_changes_nothing(audio_format: AudioFormat, losses: list[tuple[int, int]]) -> None:
    whole = asyncio.run(listen(audio_format, []))
    pieced = asyncio.run(listen(audio_format, losses))
    assert pieced.frames == whole.frames
    assert pieced.others == whole.others


async def test_too_many_who_are_away_are_not_kept() -> None:
    service = Service(FakeEngine(), ServeConfig(max_connections=3), make_chunker=FakeChunker)
    conversations = ResumableSessions(service)
    away = [conversations.open() for _ in range(5)]
    for conversation in away:
        conversation.handle(commands.Start("u"))
        conversations.park(conversation)
    assert conversations.waiting == 3
    assert [conversation.live.closed for conversation in away] == [True, True, False, False, False]
    assert conversations.resume(away[0].live.id, away[0].token) is None
    assert conversations.resume(away[4].live.id, away[4].token) is away[4]
    assert conversations.waiting == 2
    conversations.end_waiting()
    assert conversations.waiting == 0
    assert len(service.engine.live) == 1  # type: ignore[attr-defined]


async def test_one_that_has_said_goodbye_does_not_wait() -> None:
    conversations = ResumableSessions(Service(FakeEngine(), make_chunker=FakeChunker))
    conversation = conversations.open()
    conversation.handle(commands.Close())
    conversations.park(conversation)
    assert conversations.waiting == 0

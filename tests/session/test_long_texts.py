"""A long text is cut into chunks piece by piece, so that no call holds up those who share the event loop."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from support.fakes import FakeChunker
from support.session_client import Client, of

from voiceagent.protocol import commands, events
from voiceagent.protocol.text_pieces import PIECE_CHARS
from voiceagent.session.session import Session
from voiceagent.text.chunk import Chunk

LONG = "Yes. " * 2_000


class Diary(FakeChunker):
    """Notes what is asked of it."""

    def __init__(self, speech: Mapping[str, str | bool] | None = None, /) -> None:
        super().__init__(speech)
        self.calls: list[str | int] = []

    def feed(self, text: str) -> list[Chunk]:
        self.calls.append(len(text))
        return super().feed(text)

    def flush(self) -> list[Chunk]:
        self.calls.append("flush")
        return super().flush()

    def end(self) -> list[Chunk]:
        self.calls.append("end")
        return super().end()


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def client(diary: Diary) -> Client:
    client = Client()
    client.session = Session(client.engine, client._post, make_chunker=lambda _=None: diary, paced=False)
    client.take()
    client.feed(commands.Start("u"))
    return client


def test_a_call_reads_a_piece_at_most(client: Client, diary: Diary) -> None:
    client.feed(commands.Text("u", LONG))
    assert diary.calls == [PIECE_CHARS]
    while client.session.wait_s(client.now) == 0.0:
        before = len(diary.calls)
        client.session.next_event(client.now)
        assert len(diary.calls) <= before + 1
    assert diary.calls == [PIECE_CHARS] * (len(LONG) // PIECE_CHARS)


def test_flush_end_and_later_text_keep_their_place(client: Client, diary: Diary) -> None:
    client.feed(
        commands.Text("u", "a" * (3 * PIECE_CHARS)), commands.Flush("u"), commands.Text("u", "b"), commands.End("u")
    )
    taken = client.take()
    assert diary.calls == [*[PIECE_CHARS] * 3, "flush", 1, "end"]
    assert [event.type for event in taken if event.type in ("flushed", "done")] == ["flushed", "done"]
    assert of(events.Done, taken)[0].chars == 3 * PIECE_CHARS + 1


def test_a_cancel_does_not_wait_for_what_is_not_read_yet(client: Client, diary: Diary) -> None:
    client.hold = True
    client.feed(commands.Text("u", LONG), commands.Cancel("u", None))
    cancelled = of(events.Cancelled, client.take())
    assert [event.text_remaining for event in cancelled] == [LONG]
    assert diary.calls == [PIECE_CHARS]


def test_others_are_served_between_the_pieces(client: Client, diary: Diary) -> None:
    client.feed(commands.Text("u", LONG), commands.Ping(7))
    assert of(events.Pong, [event for event in (client.session.next_event(client.now) for _ in range(2)) if event])
    assert len(diary.calls) < len(LONG) // PIECE_CHARS


def test_text_behind_a_flush_is_not_left_waiting(client: Client, diary: Diary) -> None:
    client.feed(commands.Text("u", LONG), commands.Flush("u"), commands.Text("u", "No full stop"))
    client.take()
    for _ in range(3):  # phrases first, then what leads on, then the last word, which might have gone on
        client.now += 600
        client.take()
    assert "".join(client.engine.spoken).endswith("No full stop") or client.engine.spoken[-2:] == ["No full", "stop"]


def test_without_buffering_what_is_spoken_ends_where_a_text_ends(client: Client, diary: Diary) -> None:
    client.feed(commands.Start("v", buffering="none"), commands.Text("v", LONG + "No full stop"))
    client.take()
    assert [call for call in diary.calls if call == "flush"] == ["flush"]
    assert client.engine.spoken[-1].strip() == "No full stop"

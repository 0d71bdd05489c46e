"""Whatever clients and the engine do, and in whatever order: what always holds of a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.fakes import FakeEngine
from support.session_client import Client

from voiceagent.protocol import commands, events
from voiceagent.settings.serve import Limits

IDS = st.sampled_from(["a", "b", "c"])
PIECES = st.sampled_from(["One ", "two. ", "Three", "! ", "", "four five. Six seven. ", "\ud83d", "..."])
MAX_OPEN = 2


class Conversation(RuleBasedStateMachine):
    """A client that does what it likes, an engine whose outputs may be late, a clock that goes on."""

    def __init__(self) -> None:
        super().__init__()
        limits = Limits(max_open=MAX_OPEN, max_text_buffer=200, backlog_ms=1_000)
        self.client = Client(FakeEngine(max_streams=3, fail_on="Six"), limits=limits, paced=True)
        self.next_seq: dict[int, int] = {}
        self.next_pts: dict[int, int] = {}
        self.stream_of: dict[str, int] = {}
        self.over: set[int] = set()

    @rule(
        id_=IDS, preempt=st.sampled_from([False, False, True]), buffering=st.sampled_from(["auto", "sentence", "none"])
    )
    def start(self, id_: str, preempt: bool, buffering: Any) -> None:
        self.client.feed(commands.Start(id_, preempt=preempt, buffering=buffering, max_ahead_ms=500))
        self.client.feed(commands.Text(id_, "One two three. "))

    @rule(id_=IDS, piece=PIECES)
    def text(self, id_: str, piece: str) -> None:
        self.client.feed(commands.Text(id_, piece))

    @rule(id_=IDS, command=st.sampled_from([commands.Flush, commands.End, commands.Cancel]))
    def command(self, id_: str, command: Callable[[str], commands.Command]) -> None:
        self.client.feed(command(id_))

    @rule(id_=IDS, ms=st.integers(-100, 3_000))
    def played(self, id_: str, ms: int) -> None:
        self.client.feed(commands.Played(id_, ms))

    @rule()
    def cancel_all(self) -> None:
        self.client.feed(commands.Cancel("*"))

    @rule(ms=st.integers(1, 2_000))
    def wait(self, ms: int) -> None:
        self.client.now += ms / 1000

    @rule(hold=st.booleans())
    def hold_the_engine(self, hold: bool) -> None:
        self.client.hold = hold

    @precondition(lambda self: self.client.late)
    @rule(n=st.integers(1, 5))
    def deliver(self, n: int) -> None:
        for _ in range(min(n, len(self.client.late))):
            self.client.session.receive(*self.client.late.pop(0))

    @rule(n=st.integers(1, 40))
    def take(self, n: int) -> None:
        for _ in range(n):
            event = self.client.session.next_event(self.client.now)
            if event is None:
                return
            self.check(event)

    def check(self, event: events.Event) -> None:
        match event:
            case events.Started(id=id_, stream=stream):
                assert stream not in self.next_seq, "a number is given once"
                self.stream_of[id_] = stream
                self.next_seq[stream] = self.next_pts[stream] = 0
            case events.Audio(id=id_, stream=stream):
                assert stream == self.stream_of[id_]
                assert stream not in self.over, "nothing follows the end"
                assert event.seq == self.next_seq[stream], "no hole"
                assert event.pts_samples == self.next_pts[stream]
                assert set(event.samples.tolist()) <= {FakeEngine.level(stream)}, "nobody else's speech"
                self.next_seq[stream] += 1
                self.next_pts[stream] += len(event.samples)
            case events.Words(id=id_) | events.Flushed(id=id_):
                assert self.stream_of[id_] not in self.over
            case events.Done(id=id_, last_seq=last_seq, audio_ms=audio_ms):
                stream = self.stream_of[id_]
                assert stream not in self.over
                assert last_seq == self.next_seq[stream] - 1
                assert audio_ms == self.next_pts[stream] // 24
                self.over.add(stream)
            case events.Cancelled(id=id_):
                assert 0 <= event.played_ms <= event.sent_ms + 1
                # What is done may still be cancelled while it is being heard; a cancelled one is over for good.
                self.over.add(self.stream_of[id_])
            case events.Error(id=str(id_), code="synthesis_failed"):
                self.over.add(self.stream_of[id_])
            case _:
                pass

    @invariant()
    def bounds_hold(self) -> None:
        received = self.client.session.received
        assert len(received) <= MAX_OPEN
        assert len(self.client.engine.live) <= MAX_OPEN

    @invariant()
    def time_always_tells_when_to_ask_again(self) -> None:
        wait_s = self.client.session.wait_s(self.client.now)
        assert wait_s is None or wait_s >= 0

    def teardown(self) -> None:
        """Everything that is open can always be brought to its end."""
        self.client.hold = False
        for one in self.client.session.received:
            if not one.ended:
                self.client.feed(commands.End(one.id))
        for _ in range(1_000):
            for event in self.client.take():
                self.check(event)
            if not self.client.session.busy:
                break
            self.client.now += 0.5
        assert not self.client.session.busy
        assert not self.client.engine.live
        assert set(self.next_seq) == self.over


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

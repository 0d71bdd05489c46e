"""Turns of a conversation in the state machine: cancelled, preempted, side by side, one after another."""

from __future__ import annotations

import numpy as np
from support.fakes import FakeEngine
from support.session_client import Client, of

from voiceagent.protocol import commands, events


def test_cancel_says_what_was_heard_and_nothing_follows() -> None:
    client = Client()
    client.feed(commands.Start("u"), commands.Text("u", "Hello, there you are. And more"))
    client.take()
    client.hold = True
    client.feed(commands.Text("u", " to come. Later."))
    client.feed(commands.Cancel("u", played_ms=450))
    cancelled = client.take()
    assert cancelled == [events.Cancelled("u", 800, 450, "Hello, there", " you are. And more to come. Later.")]
    client.hold = False
    client.feed(commands.Text("u", "late token"), commands.End("u"), commands.Cancel("u"), commands.Played("u", 9))
    assert client.take() == []
    assert client.engine.cancelled == [1]


def test_cancel_before_the_first_sound_has_heard_nothing() -> None:
    client = Client()
    client.hold = True
    client.feed(commands.Start("u"), commands.Text("u", "Hello. "), commands.Cancel("u"))
    assert client.take()[-1] == events.Cancelled("u", 0, 0, "", "Hello. ")


def test_cancel_without_played_ms_goes_by_the_clock() -> None:
    client = Client(paced=True)
    client.feed(commands.Start("u"), commands.Text("u", "One two three four five."))
    client.take()
    client.now += 0.45
    client.feed(commands.Cancel("*"))
    assert client.take() == [events.Cancelled("u", 1000, 450, "One two", " three four five.")]


def test_cancel_after_done_still_says_what_was_heard() -> None:
    client = Client()
    client.speak("One two three.")
    client.feed(commands.Cancel("u", played_ms=200))
    assert client.take() == [events.Cancelled("u", 600, 200, "One", " two three.")]
    client.feed(commands.Cancel("u", played_ms=200))
    assert client.take() == []


def test_an_id_can_be_used_again_and_late_audio_of_the_old_one_is_dropped() -> None:
    client = Client()
    client.hold = True
    client.feed(commands.Start("u"), commands.Text("u", "Old words. "), commands.Cancel("u"))
    client.take()
    stale = list(client.late)
    client.feed(commands.Start("u"), commands.Text("u", "New. "), commands.End("u"))
    client.late = stale + [late for late in client.late if late not in stale]
    client.hold = False
    frames = of(events.Audio, client.take())
    assert {frame.stream for frame in frames} == {2}
    assert sum(len(frame.samples) for frame in frames) == 4800


def test_preempt_cancels_what_is_open() -> None:
    client = Client()
    client.feed(commands.Start("a"), commands.Start("b"), commands.Start("c", preempt=True))
    assert [event.type for event in client.take()] == [
        "ready",
        "started",
        "started",
        "cancelled",
        "cancelled",
        "started",
    ]


def test_five_open_and_no_more() -> None:
    client = Client()
    client.feed(*(commands.Start(str(i)) for i in range(6)), commands.Text("5", "dropped"))
    errors = of(events.Error, client.take())
    assert [(error.id, error.code, error.retryable) for error in errors] == [("5", "no_capacity", True)]
    client.feed(commands.End("0"))
    client.take()
    client.feed(commands.Start("5"))
    assert of(events.Started, client.take())


def test_utterances_take_turns() -> None:
    client = Client()
    client.hold = True
    client.feed(*(command for i in "ab" for command in (commands.Start(i), commands.Text(i, "One two three four."))))
    client.take()
    client.hold = False
    frames = [frame.id for frame in of(events.Audio, client.take())]
    assert set(frames[-8:]) == {"a", "b"}
    assert all(np.all(frame.samples == FakeEngine.level(frame.stream)) for frame in of(events.Audio, client.take()))


def test_a_failing_engine_ends_its_utterance_alone() -> None:
    client = Client(FakeEngine(fail_on="bad"))
    client.feed(commands.Start("a"), commands.Text("a", "Good one. "), commands.Start("b"), commands.Text("b", "bad."))
    taken = client.take()
    errors = of(events.Error, taken)
    assert [(error.id, error.code, error.retryable) for error in errors] == [("b", "synthesis_failed", True)]
    client.feed(commands.Text("b", "late token"), commands.End("a"))
    assert [event.type for event in client.take()] == ["audio", "done"]


def test_close_cancels_everything_and_frees_the_engine() -> None:
    client = Client()
    client.feed(commands.Start("a"), commands.Start("b"), commands.Close())
    assert [event.type for event in client.take()][-2:] == ["cancelled", "cancelled"]
    assert client.session.closed
    assert not client.engine.live


def test_cancel_all_stops_each_and_says_of_each_what_was_heard() -> None:
    client = Client(paced=True)
    client.feed(*(command for i in "abc" for command in (commands.Start(i), commands.Text(i, f"First {i} is here."))))
    client.take()
    client.feed(commands.Played("a", 400), commands.Played("b", 200), commands.Played("c", 0), commands.Cancel("*"))
    assert client.take() == [
        events.Cancelled("a", 800, 400, "First a", " is here."),
        events.Cancelled("b", 800, 200, "First", " b is here."),
        events.Cancelled("c", 800, 0, "", "First c is here."),
    ]
    assert not client.engine.live


def test_cancel_all_reaches_what_was_sent_to_its_end_but_is_still_to_be_heard() -> None:
    client = Client(paced=True)
    client.speak("One two three.", "played out")
    client.now += 1.0
    client.speak("One two three.", "being played")
    client.now += 0.25
    client.feed(commands.Start("next", preempt=True))
    taken = client.take()
    assert taken[0] == events.Cancelled("being played", 600, 250, "One", " two three.")
    assert [event.type for event in taken[1:]] == ["started"]


def test_an_utterance_that_waits_for_text_holds_up_no_other() -> None:
    client = Client(paced=True)
    client.feed(commands.Start("open"), commands.Text("open", "Waits for"))
    taken = client.speak("One two.", "b")
    assert of(events.Done, taken)[0].id == "b"
    client.feed(commands.Text("open", " more. "), commands.End("open"))
    assert of(events.Done, client.take())[0].id == "open"


def test_credit_is_each_utterances_own() -> None:
    client = Client(FakeEngine(word_s=1.0), paced=True)
    client.feed(
        *(command for i in "ab" for command in (commands.Start(i, max_ahead_ms=1000), commands.Text(i, "x y z.")))
    )
    client.take()
    client.feed(commands.Played("a", 2000))
    assert {frame.id for frame in of(events.Audio, client.take())} == {"a"}


def test_a_session_says_whether_it_is_busy_and_what_it_has_received() -> None:
    client = Client()
    states = [client.session.busy]
    client.take()
    states.append(client.session.busy)
    client.feed(commands.Start("u"), commands.Text("u", "Hello"), commands.Resume("s", "t"))
    assert client.session.received == (events.Received("u", 5, ended=False),)
    assert of(events.Error, client.take())[0].code == "bad_message"
    client.feed(commands.End("u"))
    assert client.session.received == (events.Received("u", 5, ended=True),)
    client.take()
    assert [*states, client.session.busy] == [True, False, False], "at first, ready waits to be taken"

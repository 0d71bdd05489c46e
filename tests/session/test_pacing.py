from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceagent.session.pacing import Pacer, Playhead


def test_a_loudspeaker_stops_where_nothing_is_left() -> None:
    head = Playhead()
    assert head.advance(5.0) == 0.0
    head.deliver(1.0, 5.0)
    assert head.advance(5.5) == pytest.approx(0.5)
    assert head.advance(7.0) == pytest.approx(1.0)
    head.deliver(1.0, 8.0)
    assert head.underruns == 1
    assert head.starved_s == pytest.approx(2.0)
    assert head.advance(8.25) == pytest.approx(1.25)


def test_audio_in_time_is_no_underrun() -> None:
    head = Playhead()
    for i in range(1000):
        head.deliver(0.08, i * 0.08)
    assert head.underruns == 0


def test_a_prebuffer_waits_before_it_plays() -> None:
    head = Playhead(prebuffer_s=0.2)
    head.deliver(0.1, 0.0)
    assert head.advance(1.0) == 0.0
    head.deliver(0.2, 1.0)
    assert head.advance(1.1) == pytest.approx(0.1)
    short = Playhead(prebuffer_s=0.2)
    short.deliver(0.1, 0.0, last=True)
    assert short.advance(1.0) == pytest.approx(0.1)


def test_credit() -> None:
    pacer = Pacer(1.0)
    assert pacer.wait_s(0.0) == 0.0
    pacer.sent(1.5, 0.0)
    assert pacer.wait_s(0.0) == pytest.approx(0.5)
    assert pacer.wait_s(0.5) == pytest.approx(0.0)
    pacer.acknowledge(1.2)
    assert pacer.wait_s(0.5) == 0.0
    assert Pacer(None).wait_s(0.0) == 0.0


def test_heard_is_the_listeners_word_and_never_more_than_was_sent() -> None:
    pacer = Pacer(1.0)
    pacer.sent(1.0, 0.0)
    assert pacer.heard_s(0.3) == pytest.approx(0.3)
    pacer.acknowledge(0.1)
    assert pacer.heard_s(0.9) == pytest.approx(0.1)
    pacer.acknowledge(99.0)
    assert pacer.heard_s(0.9) == pytest.approx(1.0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-1, 2), st.floats(0, 1)), max_size=50))
def test_what_was_played_never_shrinks_and_never_passes_what_was_sent(steps: list[tuple[float, float]]) -> None:
    pacer, now, heard_s = Pacer(0.5), 0.0, 0.0
    for step_s, duration_s in steps:
        now += step_s  # clocks may jump back
        pacer.sent(duration_s, now)
        assert heard_s <= pacer.heard_s(now) + 1e-9
        heard_s = pacer.heard_s(now)
        assert heard_s <= pacer.sent_s + 1e-9
        assert pacer.wait_s(now) >= 0.0

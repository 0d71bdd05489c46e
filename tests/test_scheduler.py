"""Whose block comes next."""

from __future__ import annotations

from voiceagent.scheduler import Scheduler


def test_first_sound_comes_before_everything() -> None:
    scheduler = Scheduler(4)
    for stream in (1, 2, 3):
        scheduler.admit(stream)
    scheduler.sent(1, 0.1, now_s=10.0)
    assert scheduler.pick([1, 2, 3], now_s=10.0) == [2, 3, 1]
    assert scheduler.pick([1, 3], now_s=10.0) == [3, 1]
    assert scheduler.pick([1], now_s=10.0) == [1]
    assert scheduler.pick([], now_s=10.0) == []


def test_those_far_ahead_wait_for_a_first_sound() -> None:
    scheduler = Scheduler(4)
    for stream, audio_s in ((1, 0.5), (2, 5.0)):
        scheduler.admit(stream)
        scheduler.sent(stream, audio_s, now_s=10.0)
    scheduler.admit(3)
    assert scheduler.pick([1, 2, 3], now_s=10.1) == [3, 1]
    assert scheduler.pick([1, 2], now_s=10.1) == [1, 2]
    assert scheduler.pick([1, 2, 3], now_s=14.5) == [3, 1, 2]


def test_a_tick_has_so_many_rows() -> None:
    scheduler = Scheduler(8, max_rows=3)
    for stream in range(8):
        scheduler.admit(stream)
    assert scheduler.pick(range(8), now_s=0.0) == [0, 1, 2]


def test_the_driest_listener_is_next() -> None:
    scheduler = Scheduler(4)
    for stream, audio_s in ((1, 0.9), (2, 0.4)):
        scheduler.admit(stream)
        scheduler.sent(stream, audio_s, now_s=5.0)
    assert scheduler.pick([1, 2], now_s=5.1) == [2, 1]
    scheduler.sent(2, 0.6, now_s=5.1)
    assert scheduler.pick([1, 2], now_s=5.1) == [1, 2]


def test_nobody_starves() -> None:
    scheduler = Scheduler(8, max_rows=1)
    for stream in range(8):
        scheduler.admit(stream)
    turns: list[int] = []
    for tick in range(80):
        (turn,) = scheduler.pick(range(8), now_s=tick * 0.05)
        turns.append(turn)
        scheduler.sent(turn, 0.64, now_s=tick * 0.05)
    assert min(turns.count(stream) for stream in range(8)) >= 9


def test_capacity() -> None:
    scheduler = Scheduler(1)
    full = [scheduler.full]
    scheduler.admit(1)
    full.append(scheduler.full)
    scheduler.retire(1)
    full.append(scheduler.full)
    assert full == [False, True, False]
    assert scheduler.pick([1], now_s=0.0) == []

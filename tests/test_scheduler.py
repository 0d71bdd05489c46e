"""Whose block comes next."""

from __future__ import annotations

from voiceagent.scheduler import Scheduler


def test_first_sound_comes_before_everything() -> None:
    scheduler = Scheduler(4)
    for stream in (1, 2, 3):
        scheduler.admit(stream)
    scheduler.sent(1, 0.1, now_s=10.0)
    assert scheduler.next([1, 2, 3]) == 2
    assert scheduler.next([1, 3]) == 3
    assert scheduler.next([1]) == 1
    assert scheduler.next([]) is None


def test_the_driest_listener_is_next() -> None:
    scheduler = Scheduler(4)
    for stream, audio_s in ((1, 0.9), (2, 0.4)):
        scheduler.admit(stream)
        scheduler.sent(stream, audio_s, now_s=5.0)
    assert scheduler.next([1, 2]) == 2
    scheduler.sent(2, 0.6, now_s=5.1)
    assert scheduler.next([1, 2]) == 1


def test_nobody_starves() -> None:
    scheduler = Scheduler(8)
    for stream in range(8):
        scheduler.admit(stream)
    turns: list[int] = []
    for tick in range(80):
        turn = scheduler.next(list(range(8)))
        assert turn is not None
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
    assert scheduler.next([1]) is None

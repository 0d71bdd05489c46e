"""Whose block comes next."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from voiceagent.engine.scheduler import Scheduler


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


def test_a_connection_brings_one_new_stream_at_a_time() -> None:
    scheduler = Scheduler(16)
    for stream in range(8):
        scheduler.admit(stream, owner="many")
    assert scheduler.pick(range(8), now_s=0.0) == list(range(8))  # nobody else is there
    scheduler.admit(8, owner="one")
    assert scheduler.pick(range(9), now_s=0.1) == [0, 8]
    scheduler.sent(0, 0.3, now_s=0.2)
    assert scheduler.pick(range(9), now_s=0.2) == [1, 8, 0]


def test_who_has_waited_longer_is_before_a_newcomer() -> None:
    scheduler = Scheduler(64, max_rows=1)
    scheduler.admit(0)
    scheduler.pick([0], now_s=0.0)
    scheduler.sent(0, 0.3, now_s=0.0)  # dry at 0.3
    for newcomer in range(1, 50):
        scheduler.admit(newcomer)
        ready = range(newcomer + 1)
        (turn,) = scheduler.pick(ready, now_s=newcomer * 0.1)
        if turn == 0:
            break
        scheduler.sent(turn, 0.3, now_s=newcomer * 0.1)
    assert newcomer <= 4


def test_a_pause_of_the_text_is_no_claim() -> None:
    scheduler = Scheduler(4)
    for stream in (1, 2):
        scheduler.admit(stream, owner=stream)
    scheduler.pick([1], now_s=0.0)
    scheduler.sent(1, 0.3, now_s=0.0)
    scheduler.pick([2], now_s=8.0)  # somebody waits for a first sound when text of the other comes again
    assert scheduler.pick([1, 2], now_s=9.0) == [2, 1]


@dataclass
class World:
    """Streams of several connections that always have something to say, and what they were given."""

    owners: list[int]
    rows: int
    tick_s: float

    def run(self, ticks: int, arrivals: list[int]) -> dict[int, list[int]]:
        """Which ticks each stream was part of; stream n arrives at tick arrivals[n] and sounds every second tick it is in."""
        scheduler = Scheduler(len(self.owners), max_rows=self.rows)
        turns: dict[int, list[int]] = {}
        for tick in range(ticks):
            for stream, arrival in enumerate(arrivals):
                if arrival == tick:
                    scheduler.admit(stream, self.owners[stream])
                    turns[stream] = []
            picked = scheduler.pick(list(turns), tick * self.tick_s)
            assert bool(picked) == bool(turns)
            assert len(picked) == len(set(picked)) <= self.rows
            assert set(picked) <= set(turns)
            for stream in picked:
                turns[stream].append(tick)
                if len(turns[stream]) % 2 == 0:
                    scheduler.sent(stream, 0.3, tick * self.tick_s)
        return turns


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, list[int]]:
    """Up to a dozen streams of up to four connections, on machines that keep up and on machines that do not."""
    owners = draw(st.lists(st.integers(0, 3), min_size=1, max_size=12))
    arrivals = draw(st.lists(st.integers(0, 40), min_size=len(owners), max_size=len(owners)))
    return World(owners, draw(st.integers(1, 16)), draw(st.sampled_from([0.005, 0.05, 0.5]))), arrivals


@settings(max_examples=40)
@given(worlds())
def test_whoever_has_something_to_say_gets_there(drawn: tuple[World, list[int]]) -> None:
    world, arrivals = drawn
    turns = world.run(200, arrivals)
    for stream, arrival in enumerate(arrivals):
        assert len(turns[stream]) >= 2  # sounded
        assert turns[stream][0] - arrival <= 2 * len(arrivals)
    first_sounds = [turns[stream][1] for stream in turns]
    end = (
        max(first_sounds) + 1
    )  # then the driest is next, and nobody waits longer than all others together and what they are ahead
    if world.tick_s == 0.5:  # a machine that cannot keep up: nobody is ahead
        for ticks in turns.values():
            later = [tick for tick in ticks if tick >= end] + [199]
            assert all(after - before <= 2 * len(turns) for before, after in pairwise([end, *later]))


@settings(max_examples=40)
@given(worlds(), st.integers(0, 40))
def test_a_new_connection_does_not_wait_for_the_streams_of_another(drawn: tuple[World, list[int]], at: int) -> None:
    """However many streams the others have, one that comes alone shares its first tick with one new stream of each of them."""
    world, arrivals = drawn
    world.rows = 32
    world.owners.append(99)
    turns = world.run(120, [*arrivals, at])
    newcomer = len(arrivals)
    assert turns[newcomer][:2] == [at, at + 1]
    for tick in (at, at + 1):
        opening = [s for s in range(newcomer) if tick in turns[s][:2]]
        assert len({world.owners[s] for s in opening}) == len(opening)

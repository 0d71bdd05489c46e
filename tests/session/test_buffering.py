"""When text goes to the engine: no gap while it comes fast enough, a pause where it stalls, and nobody waits forever."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from instruments.pretend_llm import tokens_of
from instruments.simulation import Heard, Speed, Text, Timed, Turn, simulate
from support.fakes import FakeEngine
from support.session_client import of

from voiceagent.protocol import commands, events, outputs
from voiceagent.session.buffering import BUFFERINGS, Latency, Lead, Pace
from voiceagent.session.chunkers import default_chunker
from voiceagent.session.session import Session
from voiceagent.settings.buffering import BufferingName
from voiceagent.settings.serve import Limits
from voiceagent.text.chunker import Chunker
from voiceagent.text.sound_length import sound_length_s

Schedule = Callable[[str, int], Sequence[tuple[float, str]]]
# How the voice heart says 24 sentences that no choice was made on: characters and seconds of every word.
LINES = (Path(__file__).parent / "spoken_lengths.jsonl").read_text(encoding="utf-8").splitlines()
ROWS = [json.loads(line) for line in LINES]
TEXTS = [Text(row["text"], tuple(Timed(*word) for word in row["words"]), row["end_s"]) for row in ROWS]


def steady(tokens_per_s: float) -> Schedule:
    return lambda text, _: [(index / tokens_per_s, token) for index, token in enumerate(tokens_of(text))]


def stalling(stall_s: float) -> Schedule:
    def schedule(text: str, number: int) -> Sequence[tuple[float, str]]:
        tokens = tokens_of(text)
        at = len(tokens) // 3 + number % 3
        return [(index / 30 + (stall_s if index >= at else 0.0), token) for index, token in enumerate(tokens)]

    return schedule


def listen(schedule: Schedule, clients: int, buffering: BufferingName = "auto") -> list[Heard]:
    turns: list[list[Turn]] = [[] for _ in range(clients)]
    for number, text in enumerate(TEXTS):
        turns[number % clients].append((text, schedule(text.text, number)))
    return simulate(turns, Speed(), {"buffering": buffering})


def gaps(heard: Sequence[Heard]) -> int:
    return sum(one.player.underruns for one in heard)


def first_sounds_s(heard: Sequence[Heard]) -> list[float]:
    return [one.first_sound_s for one in heard if one.first_sound_s is not None]


@pytest.mark.parametrize("clients", [1, 4])
@pytest.mark.parametrize("tokens_per_s", [15, 30, 60, 100])
def test_no_gap_while_text_comes(tokens_per_s: float, clients: int) -> None:
    heard = listen(steady(tokens_per_s), clients)
    assert gaps(heard) == 0
    assert len(first_sounds_s(heard)) == len(TEXTS)
    if tokens_per_s == 30:
        p50, p95 = np.percentile(first_sounds_s(heard), [50, 95])
        assert p50 < 0.25
        assert p95 < 0.4


@pytest.mark.parametrize("clients", [1, 4])
def test_hardly_a_gap_where_text_comes_slowly(clients: int) -> None:
    assert gaps(listen(steady(8), clients)) <= 1


def test_each_setting_waits_longer_than_the_one_before_and_the_last_never_falls_silent() -> None:
    heard = {name: listen(stalling(2.0), 1, name) for name in ("low", "auto", "safe", "whole")}
    medians = [float(np.median(first_sounds_s(each))) for each in heard.values()]
    assert medians == sorted(medians)
    silent = [sum(one.player.starved_s for one in each) for each in heard.values()]
    assert silent[2] < silent[1]
    assert gaps(heard["whole"]) == 0


def test_a_stall_is_heard_where_a_phrase_ends() -> None:
    """What is heard before a stall ends as before a comma, and what leads on is held until more comes."""
    chunker = Chunker()
    chunker.feed("We drove to the ")
    (chunk,) = chunker.cut(stalled=True)
    assert (chunk.text, chunk.spoken, chunk.lookahead) == ("We drove ", "We drove,", "to the")
    assert chunker.cut(stalled=True) == []
    chunker.feed("sea. ")
    (rest,) = chunker.end()
    assert rest.spoken == "to the sea."


@pytest.mark.parametrize("text", ["call 555 123 ", "it is 5 ", "$3 "])
def test_haste_never_cuts_a_number(text: str) -> None:
    chunker = Chunker()
    chunker.feed(text)
    for chunk in [*chunker.cut(), *chunker.cut()]:
        assert not chunk.text.rstrip()[-1].isdigit()


WORDS = st.sampled_from(
    [
        "a ",
        "the ",
        "house ",
        "5 ",
        "million ",
        "go. ",
        "Yes! ",
        "and, ",
        "New ",
        "York ",
        "\n",
        "\n\n",
        "**x** ",
        "tele",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(WORDS, st.sampled_from(["cut", "stalled", "poll", "flush"])), max_size=30),
    st.sampled_from([0.0, 0.3, 0.7]),
)
def test_haste_loses_nothing(steps: list[str], least_s: float) -> None:
    """Whenever text is closed before its time, the chunks join to the text, and what waits is never negative."""
    chunker = Chunker()
    chunks = []
    for step in steps:
        match step:
            case "cut":
                chunks += chunker.cut(least_s=least_s)
            case "stalled":
                chunks += chunker.cut(stalled=True)
            case "poll":
                chunks += chunker.poll(float("inf"))
            case "flush":
                chunks += chunker.flush()
            case _:
                chunks += chunker.feed(step)
        assert chunker.waiting_s >= 0
    chunks += chunker.end()
    assert "".join(chunk.text for chunk in chunks) == "".join(
        s for s in steps if s not in ("cut", "stalled", "poll", "flush")
    )
    assert all(chunk.sound_s >= 0 for chunk in chunks)


PIECES = st.sampled_from(["Well ", "then, ", "so ", "it is. ", "Good ", "day to ", "you", "! ", "1", "23 ", "the "])


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(get_args(BufferingName)),
    st.lists(st.tuples(PIECES, st.sampled_from([0.0, 0.01, 0.1, 0.6, 3.0])), min_size=1, max_size=25),
    st.sampled_from(["flush", "end", "cancel", "wait"]),
)
def test_nobody_waits_forever_and_order_is_kept(
    buffering: BufferingName, pieces: list[tuple[str, float]], last: str
) -> None:
    """A flush, the end and a cancel take effect at once; without them, text that can be spoken alone is, by time alone."""
    engine = FakeEngine()
    now = 100.0
    late: list[tuple[int, outputs.Output]] = []
    session = Session(engine, lambda *output: late.append(output), make_chunker=default_chunker)

    def take() -> list[events.Event]:
        taken: list[events.Event] = []
        for _ in range(10_000):
            while late:
                session.receive(*late.pop(0))
            event = session.next_event(now)
            if event is None and not late:
                return taken
            taken += [event] if event else []
        raise AssertionError("it never comes to rest")

    def rest() -> None:
        nonlocal now
        for _ in range(1_000):
            take()
            if (wait_s := session.wait_s(now)) is None:
                return
            now += max(wait_s, 0.001)
        raise AssertionError("it asks to be asked again without end")

    session.handle(commands.Start("u", buffering=buffering), now)
    for text, wait_s in pieces:
        session.handle(commands.Text("u", text), now)
        take()
        now += wait_s
    sent = "".join(text for text, _ in pieces)
    match last:
        case "cancel":
            session.handle(commands.Cancel("u"), now)
            (cancelled,) = of(events.Cancelled, take())
            assert cancelled.text_spoken + cancelled.text_remaining == sent
        case "wait":
            rest()
            if buffering in ("low", "auto", "safe"):  # all but a word that may go on
                assert len("".join(engine.spoken).split()) >= len(sent.split()) - 1
            session.handle(commands.End("u"), now)
            rest()
            assert "".join(engine.spoken).strip() == sent.strip()
        case _:
            session.handle(commands.Flush("u") if last == "flush" else commands.End("u"), now)
            rest()
            assert "".join(engine.spoken).strip() == sent.strip()


def test_the_end_and_a_flush_do_not_wait() -> None:
    for last in (commands.Flush("u"), commands.End("u")):
        for buffering in get_args(BufferingName):
            engine = FakeEngine()
            session = Session(engine, lambda *_: None, make_chunker=default_chunker)
            for command in (commands.Start("u", buffering=buffering), commands.Text("u", "Well then"), last):
                session.handle(command, 1.0)
            assert "".join(engine.spoken) == "Well then", (last, buffering)


def test_the_services_own_choice_holds_where_a_client_makes_none() -> None:
    for start, spoken in ((commands.Start("u"), []), (commands.Start("u", buffering="low"), ["One two three. "])):
        engine = FakeEngine()
        limits = Limits(buffering="whole")
        session = Session(engine, lambda *_: None, make_chunker=default_chunker, limits=limits)
        session.handle(start, 1.0)
        session.handle(commands.Text("u", "One two three. "), 1.0)
        assert engine.spoken == spoken


@pytest.mark.parametrize("rate", [5.0, 30.0, 200.0])
def test_the_pace_is_that_of_the_text_and_a_stall_is_no_part_of_it(rate: float) -> None:
    pace = Pace()
    now = 0.0
    for index in range(200):
        pace.came(4, now)
        now += 1 / rate + (2.0 if index == 150 else 0.0)
    assert pace.chars_per_s(now) == pytest.approx(4 * rate, rel=0.3)


@given(st.floats(0, 20), st.floats(0.5, 100), st.sampled_from(list(BUFFERINGS)))
def test_more_that_is_known_never_makes_speech_start_later(known_s: float, rate: float, name: Any) -> None:
    lead = Lead(BUFFERINGS[name], Latency())
    for index in range(5):
        lead.pace.came(4, index / rate)
    if lead.suffices(known_s, 5 / rate):
        assert lead.suffices(known_s + 1.0, 5 / rate)


def test_the_length_of_words_is_about_right() -> None:
    """Within a fifth of what the voice says, over the sentences."""
    for said in (TEXTS[:12], TEXTS[12:]):
        about_s = sum(sound_length_s(word) for text in said for word in text.text.split())
        assert about_s == pytest.approx(math.fsum(text.end_s for text in said), rel=0.2)

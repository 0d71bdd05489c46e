"""Callers of a server under load: when they call, what they hear, and what that adds up to."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from instruments.listening import SAMPLE_RATE_HZ, Arrival, first_sound_at
from instruments.pretend_llm import speak_slowly
from voiceagent import client
from voiceagent.errors import NoCapacity, VoiceAgentError
from voiceagent.session.pacing import Playhead

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Due:
    """A call that is to be made."""

    at_s: float  # from the beginning of the run
    text: str


@dataclass(slots=True, eq=False)
class Call:
    """A call that was made, and everything that came of it."""

    text: str
    due_s: float  # on the clock of arrivals
    sent_s: float = 0.0  # when the first token left
    arrivals: list[Arrival] = field(default_factory=list)
    refused: bool = False
    failed: str | None = None

    @property
    def audio_s(self) -> float:
        """Length of what arrived."""
        return sum(len(arrival.samples) for arrival in self.arrivals) / SAMPLE_RATE_HZ

    def first_sound_s(self) -> float | None:
        """From the first token to the first audible sample; None for silence."""
        sound_s = first_sound_at(self.arrivals)
        return None if sound_s is None else sound_s - self.sent_s

    def gaps_s(self) -> list[float]:
        """Times between one frame and the next."""
        return [later.at_s - earlier.at_s for earlier, later in pairwise(self.arrivals)]

    def played(self) -> Playhead:
        """A player without any buffer, after everything has arrived."""
        player = Playhead()
        for arrival in self.arrivals:
            player.deliver(len(arrival.samples) / SAMPLE_RATE_HZ, arrival.at_s, last=arrival.last)
        return player


def poisson(rate: float, seconds: float, texts: Sequence[str], seed: int) -> list[Due]:
    """Calls at this many a second on average, independent of each other and of how the server does."""
    chance = random.Random(seed)
    dues, at_s = [], chance.expovariate(rate)
    while at_s < seconds:
        dues.append(Due(at_s, chance.choice(texts)))
        at_s += chance.expovariate(rate)
    return dues


@dataclass(frozen=True, slots=True)
class Caller:
    """How calls are made: over a WebSocket of its own each, the text in tokens at a rate (0: at once)."""

    url: str
    voice: str
    tokens_per_s: float
    max_ahead_ms: int

    async def __call__(self, call: Call) -> None:
        """Make the call and hear it to its end; a refusal or a failure is noted, not raised."""
        try:
            async with (
                client.connect(self.url, reconnect=False, voice=self.voice, max_ahead_ms=self.max_ahead_ms) as line,
                line.utterance() as utterance,
            ):
                await self.talk(utterance, call)
        except NoCapacity:
            call.refused = True
        except VoiceAgentError as error:
            call.failed = str(error)

    async def talk(self, utterance: client.Utterance, call: Call) -> None:
        """Send the tokens and collect the frames."""

        async def write() -> None:
            async for token in speak_slowly(call.text, self.tokens_per_s):
                call.sent_s = call.sent_s or time.perf_counter()
                await utterance.send(token)
            await utterance.end()

        writer = asyncio.create_task(write(), name="caller.write")
        try:
            async for frame in utterance:
                call.arrivals.append(Arrival(time.perf_counter(), frame.samples, last=frame.last))
            await writer
        finally:
            writer.cancel()
            await asyncio.wait([writer])
            if not writer.cancelled():
                writer.exception()  # what went wrong is what the reader was told


async def open_loop(dues: Sequence[Due], make: Callable[[Call], Awaitable[None]]) -> list[Call]:
    """Every call when it is due, whether or not earlier ones are done; returns when all are."""
    begin_s = time.perf_counter()
    calls = [Call(due.text, begin_s + due.at_s) for due in dues]

    async def one(call: Call) -> None:
        await asyncio.sleep(call.due_s - time.perf_counter())
        await make(call)

    async with asyncio.TaskGroup() as group:
        for index, call in enumerate(calls):
            group.create_task(one(call), name=f"load.call-{index}")
    return calls


async def streams(
    count: int,
    seconds: float,
    turns: Callable[[int], Iterator[str]],
    make: Callable[[Call], Awaitable[None]],
    seed: int,
) -> list[Call]:
    """So many listeners at once, turn after turn; each begins at a moment of its own in the first second."""
    chance, calls = random.Random(seed), list[Call]()
    until_s = time.perf_counter() + seconds

    async def listener(number: int, begin_s: float) -> None:
        await asyncio.sleep(begin_s)
        for text in turns(7 * number + 31 * seed):
            call = Call(text, time.perf_counter())
            calls.append(call)
            await make(call)
            if call.refused:
                await asyncio.sleep(1.0)  # as the server asks
            if time.perf_counter() > until_s:
                return

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(listener(number, chance.random()), name=f"load.stream-{number}")
    return calls


def percentiles(values: Sequence[float], digits: int = 1) -> dict[str, float | None]:
    """Nearest-rank percentiles; None where there is nothing."""
    names = [f"p{percent}" for percent in PERCENTILES]
    if not values:
        return dict.fromkeys(names)
    found = np.percentile(values, PERCENTILES, method="inverted_cdf")
    return {name: round(float(value), digits) for name, value in zip(names, found, strict=True)}


def most_at_once(calls: Sequence[Call]) -> int:
    """How many calls were under way at the same time."""
    edges = [(call.sent_s, 1) for call in calls if call.arrivals] + [
        (c.arrivals[-1].at_s, -1) for c in calls if c.arrivals
    ]
    most = now = 0
    for _, change in sorted(edges):
        now += change
        most = max(most, now)
    return most


def summary(runs: Sequence[Sequence[Call]]) -> dict[str, Any]:
    """Figures of several runs of the same load together."""
    calls = [call for run in runs for call in run]
    heard = [call for call in calls if call.arrivals]
    sounds = [call.first_sound_s() for call in heard]
    players = [call.played() for call in heard]
    window_s = sum(max(c.arrivals[-1].at_s for c in run if c.arrivals) - min(c.due_s for c in run)
                   for run in runs if any(c.arrivals for c in run))  # fmt: skip
    audio_s = sum(call.audio_s for call in heard)
    return {
        "calls": len(calls),
        "refused": sum(call.refused for call in calls),
        "failed": sum(call.failed is not None for call in calls),
        "silent": sum(sound is None for sound in sounds),
        "first_sound_ms": percentiles([1000 * sound for sound in sounds if sound is not None]),
        "lag_ms": percentiles([1000 * (call.sent_s - call.due_s) for call in heard]),
        "underruns": sum(player.underruns for player in players),
        "calls_with_underruns": sum(player.underruns > 0 for player in players),
        "most_starved_ms": round(1000 * max((player.starved_s for player in players), default=0.0), 1),
        "gap_ms": percentiles([1000 * gap for call in heard for gap in call.gaps_s()]),
        "real_time_factor": percentiles(
            [(call.arrivals[-1].at_s - call.sent_s) / call.audio_s for call in heard if call.audio_s], 3
        ),
        "audio_seconds": round(audio_s, 1),
        "audio_seconds_per_second": round(audio_s / window_s, 2) if window_s else 0.0,
        "most_at_once": max((most_at_once(run) for run in runs), default=0),
    }

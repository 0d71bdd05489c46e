"""First sound against gaps, from a listener's clock, for every way in which text comes: over a real server, to several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from judging.evaluation import read_sentences

from instruments.listening import SAMPLE_RATE_HZ, Arrival, first_sound_at
from instruments.machine import CONSOLE, DATA, show
from instruments.pretend_llm import ARRIVALS, Schedule
from instruments.serving import Connection
from voiceagent.session.pacing import Playhead

AHEAD_MS = 60_000  # the listener's clock is reckoned, so that nothing needs to be waited for
CAVEATS = (
    "arrivals: a player without any buffer starts at its first frame; whenever it has nothing left before the end, that is a gap. "
    "Where text stalls for longer than what is known of it sounds, a gap cannot be helped",
)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a listener noticed of an utterance."""

    first_sound_s: float | None
    gaps: int
    silence_s: float


def heard(begin_s: float, arrivals: Sequence[Arrival]) -> Heard:
    """What a player without any buffer makes of the frames."""
    sound_s = first_sound_at(arrivals)
    player = Playhead()
    for arrival in arrivals:
        player.deliver(len(arrival.samples) / SAMPLE_RATE_HZ, arrival.at_s, last=arrival.last)
    return Heard(None if sound_s is None else sound_s - begin_s, player.underruns, player.starved_s)


def texts(limit: int, sentences_each: int) -> list[str]:
    """Utterances of so many sentences, of both sets by turns."""
    sets = [[text for _, text in read_sentences(DATA / f"{name}.tsv")] for name in ("conversation", "librispeech_like")]
    lines = [line for pair in zip(*sets, strict=False) for line in pair]
    groups = [" ".join(lines[at : at + sentences_each]) for at in range(0, len(lines), sentences_each)]
    return groups[:limit]


def schedules(name: str, limit: int) -> list[Schedule]:
    """One for each utterance. Where text does not come steadily, an utterance has several sentences."""
    several = 1 if name.endswith("tokens/s") else 4
    return [ARRIVALS[name](text, seed) for seed, text in enumerate(texts(limit, several))]


async def listen(
    address: str, voice: str, name: str, clients: int, limit: int, buffering: str | None = None
) -> list[Heard]:
    """So many clients at once share the utterances, each one after the other."""
    todo = list(enumerate(schedules(name, limit)))
    found: list[Heard] = []

    async def client(number: int) -> None:
        options = {"max_ahead_ms": AHEAD_MS, "buffering": buffering}
        async with Connection(address, voice, options) as connection:
            await asyncio.sleep(0.1 * number)
            for _, schedule in todo[number::clients]:
                found.append(heard(*await connection.speak_as(schedule)))

    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(client(number), name=f"arriving.client-{number}")
    return found


def figures(found: Sequence[Heard]) -> dict[str, Any]:
    """First sound, gaps and their silence."""
    sounds_ms = [1000 * one.first_sound_s for one in found if one.first_sound_s is not None]
    p50, p95 = np.percentile(sounds_ms, [50, 95]) if sounds_ms else (float("nan"), float("nan"))
    return {
        "utterances": len(found),
        "first_sound_ms": {"p50": round(float(p50)), "p95": round(float(p95))},
        "gaps": sum(one.gaps for one in found),
        "utterances_with_gaps": sum(one.gaps > 0 for one in found),
        "silence_s": round(sum(one.silence_s for one in found), 2),
    }


async def measure(
    address: str,
    voice: str,
    clients: int,
    limit: int,
    names: Sequence[str] = tuple(ARRIVALS),
    buffering: str | None = None,
) -> dict[str, dict[str, Any]]:
    """Every way of arriving, one after the other."""
    results = {}
    for name in names:
        CONSOLE.print(f"{clients} client(s), {name}", highlight=False)
        results[name] = figures(await listen(address, voice, name, clients, limit, buffering))
    return results


def show_arrivals(title: str, results: dict[str, dict[str, Any]]) -> None:
    """A table for people."""
    show(
        title,
        ["text comes", "utterances", "first sound p50, ms", "p95", "gaps", "silence in gaps, s"],
        [
            [name, f["utterances"], *f["first_sound_ms"].values(), f["gaps"], f["silence_s"]]
            for name, f in results.items()
        ],
    )

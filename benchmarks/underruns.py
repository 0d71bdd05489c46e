"""Whether speech ever stops in the middle: clients that play what they get, without any buffer, for minutes.

    voiceagent bench underruns [--seconds 600] [--clients 1]

Turn after turn of tokens from a pretend language model, over a real server process. A player starts with the first frame of a
turn; whenever it has nothing left before the turn is over, that is an underrun.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from instruments.listening import SAMPLE_RATE_HZ
from instruments.machine import CONSOLE, DATA, announce, finish, show
from instruments.pretend_llm import TOKENS_PER_S
from instruments.serving import Connection, Server
from judging.evaluation import read_sentences
from rich.progress import Progress, TaskID

from voiceagent.session.pacing import Playhead

TURN_CHARS = 600
CAVEATS = ("clients and server share the machine; every player starts at its first frame, without a buffer",)


@dataclass(slots=True)
class Tally:
    """What the players noticed."""

    turns: int = 0
    audio_seconds: float = 0.0
    underruns: int = 0
    starved_seconds: float = 0.0

    def add(self, player: Playhead) -> None:
        """Count a turn."""
        self.turns += 1
        self.audio_seconds += player.delivered_s
        self.underruns += player.underruns
        self.starved_seconds += player.starved_s


def turns(skip: int) -> Iterator[str]:
    """Texts of some 600 characters without end; `skip` sentences are passed over, so that clients differ."""
    names = ("conversation", "librispeech_like")
    sentences = [text for name in names for _, text in read_sentences(DATA / f"{name}.tsv")]
    text = ""
    for sentence in islice(cycle(sentences), skip, None):
        text += sentence + " "
        if len(text) >= TURN_CHARS:
            yield text
            text = ""


async def converse(connection: Connection, tally: Tally, rate: float, until_s: float, skip: int) -> None:
    """Turn after turn until it is time to stop; the last turn is finished."""
    for text in turns(skip):
        if time.perf_counter() > until_s:
            return
        player = Playhead()
        _, arrivals = await connection.speak(text, rate)
        for arrival in arrivals:
            player.deliver(len(arrival.samples) / SAMPLE_RATE_HZ, arrival.at_s, last=arrival.last)
        tally.add(player)


async def client(address: str, tally: Tally, options: argparse.Namespace, until_s: float, number: int) -> None:
    """One connection for the whole time."""
    async with Connection(address, options.voice) as connection:
        await converse(connection, tally, options.rate, until_s, skip=7 * number)


async def show_time(bar: Progress, task: TaskID, seconds: float) -> None:
    """Move the bar once a second."""
    for second in range(int(seconds)):
        bar.update(task, completed=second)
        await asyncio.sleep(1)


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All clients at once, memory before and after."""
    tally = Tally()
    async with Server(options.weights) as server:
        async with Connection(server.address, options.voice) as connection:
            await connection.speak("This sentence is spoken before the clock starts.", None)
        before_mb, begin_s = server.memory_mb(), time.perf_counter()
        with Progress(console=CONSOLE) as bar:
            task = bar.add_task("listening", total=options.seconds)
            until_s = begin_s + options.seconds
            async with asyncio.TaskGroup() as group:
                clock = group.create_task(show_time(bar, task, options.seconds), name="underruns.clock")
                async with asyncio.TaskGroup() as clients:
                    for number in range(options.clients):
                        name = f"underruns.client-{number}"
                        clients.create_task(client(server.address, tally, options, until_s, number), name=name)
                clock.cancel()
        spent_s, after_mb = time.perf_counter() - begin_s, server.memory_mb()
    return {
        "clients": options.clients,
        "seconds": round(spent_s, 1),
        "turns": tally.turns,
        "audio_seconds": round(tally.audio_seconds, 1),
        "underruns": tally.underruns,
        "starved_seconds": round(tally.starved_seconds, 3),
        "memory_before_mb": round(before_mb, 1),
        "memory_growth_mb": round(after_mb - before_mb, 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Table for people, last line JSON."""
    parser = argparse.ArgumentParser(prog="voiceagent bench underruns", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--voice", default="heart")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--clients", type=int, default=1, help="connections at once")
    parser.add_argument(
        "--rate", type=float, default=TOKENS_PER_S, help="tokens a second of the pretend language model"
    )
    parser.add_argument("--weights", type=Path, help="folder of other voices")
    options = parser.parse_args(arguments)
    machine = announce(
        f"underruns, voice {options.voice}, {options.clients} client(s), {options.rate:g} tokens/s", CAVEATS
    )
    results = asyncio.run(measure(options))
    show("underruns", ["", "value"], [[key.replace("_", " "), value] for key, value in results.items()])
    finish("underruns", machine, {"voice": options.voice, "rate": options.rate, **results})


if __name__ == "__main__":
    main()

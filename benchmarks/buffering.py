"""First sound against gaps: what each setting of `buffering` costs and spares, over every way in which text comes.

    voiceagent bench buffering [--limit 48] [--clients 1,4] [--slower 2] [--picture FILE]

A simulation on a clock of its own: the real chunker, session and scheduler, an engine that only takes time (measured once, on two
quiet cores), and words as long as the voice says them. `bench latency` and `bench load` measure the same on a real server.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from instruments.arriving import Heard, figures, texts
from instruments.machine import CONSOLE, announce, finish, show
from instruments.pretend_llm import ARRIVALS
from instruments.simulation import Speed, Text, Timed, Turn, simulate
from rich.progress import track

from voiceagent import VoiceAgent
from voiceagent.session import buffering as settings

CAVEATS = (
    "simulated: an engine that takes as long as was measured, on a clock of its own; nothing waits and nothing is heard",
    "a player without any buffer starts at its first frame; whenever it has nothing left before the end, that is a gap",
)
LEADS_S = (0.0, 0.3, 0.6, 1.0)  # between `auto` and `safe`, for the curve


async def spoken(lines: Sequence[str], options: argparse.Namespace) -> dict[str, Text]:
    """How the voice says each text."""
    found = {}
    async with VoiceAgent(weights=options.weights) as agent:
        for line in track(lines, "how long words sound", console=CONSOLE):
            clip = await agent.say(line, options.voice)
            words = [Timed(word.char_start, word.char_end, word.start_s, word.end_s) for word in clip.words]
            found[line] = Text(line, tuple(words), clip.duration_s)
    return found


def run(
    lines: Sequence[str], said: dict[str, Text], arrival: str, clients: int, speed: Speed, buffering: str
) -> dict[str, Any]:
    """One setting, one way of arriving."""
    turns: list[list[Turn]] = [[] for _ in range(clients)]
    for number, line in enumerate(lines):
        turns[number % clients].append((said[line], ARRIVALS[arrival](line, number)))
    heard = simulate(turns, speed, {"buffering": buffering})
    return figures([Heard(one.first_sound_s, one.player.underruns, one.player.starved_s) for one in heard])


def measure(options: argparse.Namespace) -> dict[str, dict[str, dict[str, Any]]]:
    """Every setting and every way of arriving."""
    short, long = texts(options.limit, 1), texts(options.limit // 4, 4)
    said = asyncio.run(spoken(list(dict.fromkeys([*short, *long])), options))
    speed = Speed().times(options.slower)
    results: dict[str, dict[str, dict[str, Any]]] = {}
    auto = settings.BUFFERINGS["auto"]
    for name in ("low", "auto", *(f"auto + {lead_s:g} s" for lead_s in LEADS_S[1:]), "safe", "whole"):
        added_s = float(name.split()[2]) if "+" in name else 0.0
        settings.BUFFERINGS["auto"] = replace(auto, start_s=(auto.start_s or 0.0) + added_s)
        for clients in options.clients:
            row = results.setdefault(f"{name}, {clients} client(s)", {})
            for arrival in ARRIVALS:
                lines = short if arrival.endswith("tokens/s") else long
                row[arrival] = run(lines, said, arrival, clients, speed, name.split()[0])
    settings.BUFFERINGS["auto"] = auto
    return results


def draw(path: Path, results: dict[str, dict[str, dict[str, Any]]], clients: int) -> None:
    """First sound against silence in gaps, a line for each way of arriving, a point for each setting."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    chosen = {name.split(",")[0]: row for name, row in results.items() if name.endswith(f" {clients} client(s)")}
    del chosen["whole"]  # waits for the end of the text
    for arrival in ARRIVALS:
        points = [row[arrival] for row in chosen.values()]
        axes.plot(
            [point["first_sound_ms"]["p50"] / 1000 for point in points],
            [point["silence_s"] / point["utterances"] for point in points],
            marker="o",
            markersize=3,
            linewidth=1,
            label=arrival,
        )
    axes.set_yscale("symlog", linthresh=0.01)
    axes.set(
        xlabel="first sound, p50, s", ylabel="silence in gaps, s an utterance", xlim=(0, None), ylim=(-0.001, None)
    )
    axes.legend(fontsize=7)
    axes.set_title(f"from left to right: {', '.join(chosen)}; {clients} client(s)", fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Tables for people, last line JSON."""
    parser = argparse.ArgumentParser(prog="voiceagent bench buffering", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--voice", default="heart")
    parser.add_argument("--limit", type=int, default=48, help="utterances (default 48)")
    parser.add_argument(
        "--clients",
        type=lambda text: [int(part) for part in text.split(",")],
        default=[1, 4],
        help="a list (default 1,4)",
    )
    parser.add_argument("--slower", type=float, default=1.0, help="how many times as long the engine takes (default 1)")
    parser.add_argument("--picture", type=Path, help="where to draw the curve")
    parser.add_argument("--weights", type=Path, help="folder of other voices")
    options = parser.parse_args(arguments)
    if options.limit < 4 or options.slower <= 0 or any(clients < 1 for clients in options.clients):
        parser.error("--limit is at least 4, --slower above 0, --clients a list of numbers from 1")
    machine = announce(f"buffering, voice {options.voice}, engine {options.slower:g} times as slow", CAVEATS)
    results = measure(options)
    for arrival in ARRIVALS:
        show(
            f"text comes: {arrival}",
            ["setting", "utterances", "first sound p50, ms", "p95", "gaps", "silence in gaps, s"],
            [
                [name, f["utterances"], *f["first_sound_ms"].values(), f["gaps"], f["silence_s"]]
                for name, row in results.items()
                for f in [row[arrival]]
            ],
        )
    if options.picture:
        draw(options.picture, results, options.clients[0])
    finish("buffering", machine, {"voice": options.voice, "slower": options.slower, "settings": results})


if __name__ == "__main__":
    main()

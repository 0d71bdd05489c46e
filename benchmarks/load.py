"""Calls that come when they come: first sound, underruns and words understood while the server is busy.

    voiceagent bench load [--rates 0.5,1,2] [--streams 4] [--seeds 3] [--url ws://host:port]
        [--peer hibari] [--peer parent --parent runs/parent/last.pt]

Open loop: calls arrive at random (Poisson) at each rate, whether or not the server keeps up. --streams N: N listeners at once, turn
after turn. Without --url a server is started and stopped again.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from instruments import arriving
from instruments.calling import Call, Caller, open_loop, poisson, streams, summary
from instruments.listening import SAMPLE_RATE_HZ, Arrival
from instruments.machine import CONSOLE, DATA, announce, finish, show
from instruments.one_by_one import SERVE, save_voices
from instruments.pretend_llm import TOKENS_PER_S
from instruments.serving import Server
from instruments.teachers import TeacherVoice
from judging import evaluation
from judging.evaluation import read_sentences
from judging.wer import corpus_rate, count_errors, standard_error
from underruns import turns

WARM_UP = "This sentence is spoken before the clock starts, so that nothing is measured cold."
CAVEATS = (
    "server and callers share the machine; every call has a connection of its own, made before its clock starts",
    "first sound: from the first token sent to the first audible sample (|x| > 0.01) at a player that starts with the first frame",
    "lag: from when a call was due to its first token; refused calls are in no other figure, what is missing never counts as good",
    "real-time factor: from the first token to the last frame, over the audio; tokens come at their rate and audio is sent at most "
    "--ahead-ms before it plays, so it cannot fall far below 1 in long calls",
    "±: half of what lies between the lowest and the highest seed; gap: between one frame and the next",
    "parent: the autoregressive network, one token a pass, in the same server, scheduler and codec",
    *arriving.CAVEATS,
    "Whisper tiny.en judges afterwards; it means something next to the same figure without load (bench quality)",
)
PUBLISHED = (
    ("pocket-tts 100M", "real-time factor 0.32, in int8 0.25", "GitHub's x86 runner", "kyutai-labs/pocket-tts"),
    (
        "pocket-tts 100M",
        "real-time factor 0.16, first chunk after about 200 ms",
        "MacBook Air M4, 2 cores",
        "kyutai-labs/pocket-tts",
    ),
    ("pocket-tts 100M", "real-time factor 0.71", "Xeon 8272CL, 4 vCPU", "gauravvij/kokoro-tts-vs-supertonic-3-tts"),
    ("Kokoro-82M", "real-time factor 0.47 to 0.51", "EPYC 7763, 4 vCPU", "gauravvij/kokoro-tts-vs-supertonic-3-tts"),
    ("Kokoro-82M", "real-time factor 0.57 to 0.79", "Xeon 8272CL, 4 vCPU", "gauravvij/kokoro-tts-vs-supertonic-3-tts"),
)


class Peer:
    """A rival that makes one whole sentence after the other, as it comes; those that are due meanwhile wait in line."""

    def __init__(self, speak: Callable[[str], np.ndarray[tuple[int], np.dtype[np.float32]]]) -> None:
        self._speak = speak
        self._one = threading.Lock()

    async def __call__(self, call: Call) -> None:
        """The same call, answered by the rival."""
        call.sent_s = time.perf_counter()
        samples = await asyncio.to_thread(self._in_turn, call.text)
        call.arrivals.append(Arrival(time.perf_counter(), samples, last=True))

    def _in_turn(self, text: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        with self._one:
            return self._speak(text)


def hibari() -> Peer:
    """hibari-tts, warm."""
    voice = TeacherVoice("hibari")
    voice(WARM_UP)
    return Peer(lambda text: np.asarray(voice(text).samples, np.float32))


@asynccontextmanager
async def server_of(options: argparse.Namespace) -> AsyncIterator[str]:
    """The address of the server: the one that was named, or one that is started here."""
    if options.url:
        yield options.url
        return
    async with Server(options.weights) as server:
        yield f"ws://{server.address}"


async def run_all(url: str, name: str, options: argparse.Namespace, found: dict[str, list[list[Call]]]) -> None:
    """Every load, every seed, against one server."""
    caller = Caller(url, options.voice, options.tokens_per_s, options.ahead_ms)
    await caller(first := Call(WARM_UP, time.perf_counter()))
    if first.refused or first.failed or not first.arrivals:
        raise SystemExit(f"the server at {url} does not speak: {first.failed or 'it is full, or silent'}")
    await open_loops(name, caller, options, found)
    for count in options.streams:
        for seed in range(options.seeds):
            CONSOLE.print(f"{name}{count} streams, seed {seed}", highlight=False)
            run = await streams(count, options.seconds, turns, caller, seed)
            found.setdefault(f"{name}{count} streams", []).append(run)


async def open_loops(
    name: str, make: Callable[[Call], Awaitable[None]], options: argparse.Namespace, found: dict[str, list[list[Call]]]
) -> None:
    """Every rate, every seed: the same calls for everybody."""
    texts = [text for _, text in read_sentences(DATA / "conversation.tsv")]
    for rate in options.rates:
        for seed in range(options.seeds):
            CONSOLE.print(f"{name}{rate:g} calls/s, seed {seed}", highlight=False)
            dues = poisson(rate, options.seconds, texts, seed)
            found.setdefault(f"{name}{rate:g} calls/s", []).append(await open_loop(dues, make))


Arrivals: TypeAlias = dict[str, dict[str, Any]]


async def measure(options: argparse.Namespace) -> tuple[dict[str, list[list[Call]]], dict[int, Arrivals]]:
    """Ours and the peers: the calls of every run, by a name for the load; and what so many listeners notice as text comes."""
    found: dict[str, list[list[Call]]] = {}
    arrivals: dict[int, Arrivals] = {}
    async with server_of(options) as url:
        await run_all(url, "", options, found)
        for clients in (options.streams or [4]) if options.arrivals else []:
            address = url.removeprefix("ws://")
            arrivals[clients] = await arriving.measure(address, options.voice, clients, options.arrivals)
    if "parent" in options.peer:
        with tempfile.TemporaryDirectory() as folder:
            save_voices(options.parent, Path(folder))
            async with Server(Path(folder), SERVE) as server:
                await run_all(f"ws://{server.address}", "parent, ", options, found)
    if "hibari" in options.peer:
        await open_loops("hibari-tts, ", await asyncio.to_thread(hibari), options, found)
    return found, arrivals


def judge(calls: Sequence[Call], limit: int) -> dict[str, float]:
    """Word error rate of the first whole calls; nothing where none is to be judged or can be."""
    whole = [call for call in calls if call.arrivals and not call.failed and not call.refused][:limit]
    if not whole:
        return {}
    hear = evaluation.Transcriber(threads=1)
    errors = []
    for call in whole:
        samples = np.concatenate([arrival.samples for arrival in call.arrivals])
        errors.append(count_errors(call.text, hear(samples, SAMPLE_RATE_HZ)))
    return {
        "judged": len(errors),
        "wer_percent": round(100 * corpus_rate(errors), 2),
        "wer_standard_error": round(100 * standard_error(errors), 2),
    }


def with_spread(figures: dict[str, Any], percentile: str) -> str | None:
    """First sound with half of what lies between the lowest and the highest seed."""
    whole = figures["first_sound_ms"][percentile]
    seeds = [one[percentile] for one in figures["first_sound_ms_by_seed"] if one[percentile] is not None]
    return None if whole is None else f"{whole} ± {(max(seeds) - min(seeds)) / 2:.0f}"


def show_all(results: dict[str, dict[str, Any]]) -> None:
    """Tables for people."""
    first = ["calls", "refused", "failed", "most_at_once", "audio_seconds_per_second"]
    words = {
        name: f"{f['wer_percent']:.1f} ± {f['wer_standard_error']:.1f}" if "wer_percent" in f else None
        for name, f in results.items()
    }
    show(
        "what was asked for and what came",
        ["", "calls", "refused", "failed", "at once", "audio s/s", "WER %"],
        [[name, *(figures[key] for key in first), words[name]] for name, figures in results.items()],
    )
    show(
        "first sound, ms",
        ["", "p50", "p95", "p99", "lag p95", "silent"],
        [
            [name, *(with_spread(f, p) for p in f["first_sound_ms"]), f["lag_ms"]["p95"], f["silent"]]
            for name, f in results.items()
        ],
    )
    show(
        "keeping up",
        ["", "underruns", "starved ms", "gap p50 ms", "p95", "p99", "RTF p50", "p95"],
        [
            [
                *(name, f["underruns"], f["most_starved_ms"], *f["gap_ms"].values()),
                *(f["real_time_factor"]["p50"], f["real_time_factor"]["p95"]),
            ]
            for name, f in results.items()
        ],
    )
    CONSOLE.print("published by others, not measured here:")
    for name, figures, where, source in PUBLISHED:
        CONSOLE.print(f"- {name}: {figures} ({where}; {source})", highlight=False)


def _numbers(kind: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """An option that is a list of positive numbers."""

    def read(text: str) -> list[Any]:
        try:
            values = [kind(part) for part in text.split(",") if part]
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers, such as 1,2,4") from None
        if any(not 0 < value < 10_000 for value in values):
            raise argparse.ArgumentTypeError(f"{text!r}: numbers above 0")
        return values

    return read


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(prog="voiceagent bench load", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rates", type=_numbers(float), help="calls a second, a list (default 0.5,1,2)")
    parser.add_argument("--streams", type=_numbers(int), default=[], help="listeners at once, a list (default none)")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each run (default 30)")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each load (default 3)")
    parser.add_argument(
        "--arrivals", type=int, default=24, help="utterances for each way in which text may come (default 24; 0: none)"
    )
    parser.add_argument("--url", help="a server that is running; default: one is started")
    parser.add_argument(
        "--peer",
        choices=["hibari", "parent"],
        action="append",
        default=[],
        help="who else speaks the same calls; repeat",
    )
    parser.add_argument(
        "--parent",
        type=Path,
        default=Path("runs/parent/last.pt"),
        help="checkpoint of `voiceagent train parent`, for --peer parent (default runs/parent/last.pt)",
    )
    parser.add_argument("--judge", type=int, default=20, help="calls of each load that Whisper hears (default 20)")
    parser.add_argument(
        "--tokens-per-s", type=float, default=TOKENS_PER_S, help="of the pretend language model; 0 is at once"
    )
    parser.add_argument(
        "--ahead-ms", type=int, default=3000, help="how far sending may run ahead of playing (default 3000)"
    )
    parser.add_argument("--voice", default="heart")
    parser.add_argument("--weights", type=Path, help="folder of other voices, for a server that is started")
    options = parser.parse_args(arguments)
    if options.rates is None:
        options.rates = [] if options.streams else [0.5, 1.0, 2.0]
    if "parent" in options.peer and not options.parent.is_file():
        parser.error(f"there is no {options.parent}: `voiceagent train parent` makes one, --parent says where it is")
    if options.seeds < 1 or options.seconds <= 0:
        parser.error("--seeds is at least 1, --seconds above 0")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Tables for people, last line JSON."""
    options = parse(arguments)
    machine = announce(
        f"load, voice {options.voice}, {options.tokens_per_s:g} tokens/s, {options.seeds} seed(s)", CAVEATS
    )
    found, arrivals = asyncio.run(measure(options))
    results: dict[str, Any] = {}
    for name, runs in found.items():
        results[name] = summary(runs) | judge([call for run in runs for call in run], options.judge)
        seeds = [summary([run]) for run in runs]
        for key in ("first_sound_ms", "underruns", "audio_seconds_per_second"):
            results[name][f"{key}_by_seed"] = [figures[key] for figures in seeds]
    show_all(results)
    for clients, each in arrivals.items():
        arriving.show_arrivals(f"{clients} clients at once", each)
    given = {"voice": options.voice, "tokens_per_s": options.tokens_per_s, "seconds": options.seconds}
    finish(
        "load",
        machine,
        {**given, "seeds": options.seeds, "ahead_ms": options.ahead_ms, "loads": results, "arrivals": arrivals},
    )


if __name__ == "__main__":
    main()

"""How soon it sounds, how fast it speaks, and what it weighs.

    voiceagent bench latency [--voice heart|joe] [--limit N]

In-process and over a real server process on a free loopback port. A moment of sound is the first audible sample as a player
that starts at the first frame would play it, so leading silence counts.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from instruments import arriving
from instruments.listening import SAMPLE_RATE_HZ, Arrival, first_sound_at
from instruments.machine import CONSOLE, DATA, announce, finish, show
from instruments.pretend_llm import TOKENS_PER_S, speak_slowly
from instruments.serving import Connection, Server
from judging.evaluation import read_sentences
from rich.progress import track

from voiceagent import VoiceAgent
from voiceagent.agent import AgentSession, speak

WARM_UP = "This sentence is spoken before the clock starts, so that nothing is measured cold."
IMPORTS = 5
CAVEATS = (
    "audible is |x| > 0.01 with 10 ms behind it; the clock starts when the first token, or the whole sentence, is sent",
    "one client at a time, after one sentence of warm-up; client and server share the machine",
    *arriving.CAVEATS,
)


class Stopwatch:
    """Notes when the first piece of a text was taken."""

    def __init__(self, text: AsyncIterable[str]) -> None:
        self._text = text
        self.begin_s = 0.0

    async def __aiter__(self) -> AsyncIterator[str]:
        async for piece in self._text:
            self.begin_s = self.begin_s or time.perf_counter()
            yield piece


async def sound_of_tokens(session: AgentSession, text: str, rate: float) -> float | None:
    """Seconds from the first token to sound, in-process."""
    watch = Stopwatch(speak_slowly(text, rate))
    arrivals = [Arrival(time.perf_counter(), frame.samples) async for frame in speak(session, watch)]
    return _since(watch.begin_s, arrivals)


async def sound_of_sentence(session: AgentSession, text: str) -> float | None:
    """Seconds from a whole sentence, flushed, to sound, in-process."""
    begin_s = time.perf_counter()
    await session.send(text)
    await session.end()
    return _since(begin_s, [Arrival(time.perf_counter(), frame.samples) async for frame in session])


def _since(begin_s: float, arrivals: Sequence[Arrival]) -> float | None:
    sound_s = first_sound_at(arrivals)
    return None if sound_s is None else sound_s - begin_s


async def measure_in_process(texts: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """First sound both ways, and the real-time factor of whole sentences."""
    tokens, sentences = list[float | None](), list[float | None]()
    audio_s = spent_s = 0.0
    async with VoiceAgent(weights=options.weights) as agent, agent.session(options.voice) as session:
        await sound_of_sentence(session, WARM_UP)
        for text in track(texts, "in-process", console=CONSOLE):
            tokens.append(await sound_of_tokens(session, text, options.rate))
            sentences.append(await sound_of_sentence(session, text))
            begin_s = time.perf_counter()
            clip = await agent.say(text, options.voice)
            spent_s += time.perf_counter() - begin_s
            audio_s += clip.duration_s
    return {
        "first_token_to_sound_ms": percentiles_ms(tokens),
        "whole_sentence_to_sound_ms": percentiles_ms(sentences),
        "real_time_factor": round(spent_s / max(audio_s, 1e-9), 4),
    }


async def measure_server(texts: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """First sound over a WebSocket, and memory of the server."""
    tokens, sentences = list[float | None](), list[float | None]()
    results: dict[str, Any] = {}
    async with Server(options.weights) as server:
        results["idle_memory_mb"] = round(server.memory_mb(), 1)
        async with Connection(server.address, options.voice) as connection:
            await connection.sound_of(WARM_UP, None)
            for text in track(texts, "over WebSocket", console=CONSOLE):
                tokens.append(await connection.sound_of(text, options.rate))
                sentences.append(await connection.sound_of(text, None))
        results["memory_after_mb"] = round(server.memory_mb(), 1)
        if options.arrivals:
            results["arrivals"] = await arriving.measure(
                server.address, options.voice, 1, options.arrivals, buffering=options.buffering
            )
    return results | {
        "first_token_to_sound_ms": percentiles_ms(tokens),
        "whole_sentence_to_sound_ms": percentiles_ms(sentences),
    }


def percentiles_ms(seconds: Sequence[float | None]) -> dict[str, float | int]:
    """p50 and p95 in milliseconds; `silent` counts what never sounded."""
    heard = [value * 1000 for value in seconds if value is not None]
    if not heard:
        return {"p50": float("nan"), "p95": float("nan"), "count": 0, "silent": len(seconds)}
    p50, p95 = np.percentile(heard, [50, 95])
    return {
        "p50": round(float(p50), 1),
        "p95": round(float(p95), 1),
        "count": len(heard),
        "silent": len(seconds) - len(heard),
    }


def import_time_s() -> tuple[float, bool]:
    """Median seconds of `import voiceagent` in a fresh interpreter, and whether torch came along."""
    program = "import time; b = time.perf_counter(); import voiceagent, sys; print(time.perf_counter() - b, 'torch' in sys.modules)"
    runs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(IMPORTS)
    ]
    return median(float(seconds) for seconds, _ in runs), any(torch == "True" for _, torch in runs)


def rows_of(results: dict[str, Any]) -> list[list[object]]:
    """Lines of the table."""
    rows: list[list[object]] = []
    for where in ("in_process", "server"):
        for what in ("first_token_to_sound_ms", "whole_sentence_to_sound_ms"):
            figures = results[where][what]
            label = f"{what.removesuffix('_ms').replace('_', ' ')}, {where.replace('_', '-')}, ms"
            rows.append([label, figures["p50"], figures["p95"]])
    rows.append(["real-time factor, whole sentences", results["in_process"]["real_time_factor"], None])
    rows.append(["import voiceagent, ms", results["import_ms"], None])
    rows.append(["memory of `serve`, idle, MB", results["server"]["idle_memory_mb"], None])
    rows.append(["memory of `serve`, after this run, MB", results["server"]["memory_after_mb"], None])
    return rows


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, one after the other, so that nothing disturbs anything."""
    texts = [text for _, text in read_sentences(DATA / "conversation.tsv")][: options.limit]
    import_s, loads_torch = import_time_s()
    return {
        "import_ms": round(import_s * 1000, 1),
        "import_loads_torch": loads_torch,
        "in_process": await measure_in_process(texts, options),
        "server": await measure_server(texts, options),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Table for people, last line JSON."""
    parser = argparse.ArgumentParser(prog="voiceagent bench latency", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--voice", default="heart")
    parser.add_argument("--limit", type=int, default=50, help="sentences (default 50, 100 at most)")
    parser.add_argument(
        "--rate", type=float, default=TOKENS_PER_S, help="tokens a second of the pretend language model"
    )
    parser.add_argument(
        "--soak", type=float, default=0.0, metavar="SECONDS", help="stream that long and count underruns"
    )
    parser.add_argument(
        "--arrivals", type=int, default=24, help="utterances for each way in which text may come (default 24; 0: none)"
    )
    parser.add_argument("--buffering", help="what text waits for in those (default: the server's choice)")
    parser.add_argument("--weights", type=Path, help="folder of other voices")
    options = parser.parse_args(arguments)
    machine = announce(f"latency, voice {options.voice}, {options.rate:g} tokens/s", CAVEATS)
    results = asyncio.run(measure(options))
    show("latency", ["", "p50 or value", "p95"], rows_of(results))
    if options.arrivals:
        arriving.show_arrivals("one client, over WebSocket", results["server"]["arrivals"])
    finish("latency", machine, {"voice": options.voice, "rate": options.rate, "hz": SAMPLE_RATE_HZ, **results})


if __name__ == "__main__":
    main()

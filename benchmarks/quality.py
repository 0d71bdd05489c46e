"""How well it speaks, next to the teacher: words understood, naturalness, and what streaming costs.

    voiceagent bench quality [--voice heart|joe] [--limit N] [--peer hibari|joe-us-piper|none]

Both sets are spoken by the teacher, by ours with the whole text known, and by ours from tokens that trickle in.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instruments.listening import Seams, draw, find_seams
from instruments.machine import CONSOLE, DATA, announce, finish, show
from instruments.observing import ObservedEngine
from instruments.pretend_llm import TOKENS_PER_S, speak_slowly
from instruments.teachers import TEACHER_OF, TeacherVoice
from judging.evaluation import Judges, Report, evaluate, read_sentences
from rich.progress import track

from voiceagent import VoiceAgent
from voiceagent.agent import Clip, load_engine

SETS = ("librispeech_like", "conversation")
PICTURED = "talk-002"
CAVEATS = (
    "Whisper tiny.en and DNSMOS judge, nobody listened; figures mean something next to the teacher's, not by themselves",
    "these sentences are no part of training; ± is one standard error over sentences",
    "a seam is a second-difference peak at a join of two deliveries above the 99.9th percentile of the clip; "
    "by chance: the same look at every other place",
)


@dataclass(slots=True)
class Spoken:
    """One way of speaking a set."""

    who: str
    clips: dict[str, Clip] = field(default_factory=dict)  # by sentence id
    seams: Seams = field(default_factory=Seams)

    def judge(self, sentences: Sequence[tuple[str, str]], judges: Judges, label: str) -> Report:
        """Word error rate and naturalness of all clips."""
        pairs = [(key, text, self.clips[key].samples) for key, text in sentences]
        return evaluate(pairs, judges=judges, label=f"{label}: judging {self.who}")


async def speak_ours(
    sentences: Iterable[tuple[str, str]],
    agent: VoiceAgent,
    engine: ObservedEngine,
    options: argparse.Namespace,
    who: str,
    feed: Callable[[str], str | AsyncIterable[str]],
) -> Spoken:
    """Every sentence through the public interface; `feed` makes of a text what the agent gets."""
    spoken = Spoken(who)
    for key, text in sentences:
        clip = await agent.say(feed(text), options.voice, seed=options.seed, steps=options.steps)
        spoken.clips[key] = clip
        spoken.seams.add(find_seams(clip.samples, engine.joins()))
    return spoken


def speak_teacher(sentences: Iterable[tuple[str, str]], teacher: TeacherVoice, who: str) -> Spoken:
    """Every sentence by the teacher."""
    return Spoken(who, {key: teacher(text) for key, text in sentences})


async def speak_all(options: argparse.Namespace) -> dict[str, list[Spoken]]:
    """Both sets, every way."""
    teacher = None if options.peer == "none" else TeacherVoice(options.peer)
    engine = ObservedEngine(await asyncio.to_thread(load_engine, options.weights))
    spoken: dict[str, list[Spoken]] = {}
    async with VoiceAgent(engine) as agent:
        for name in SETS:
            sentences = read_sentences(DATA / f"{name}.tsv")[: options.limit]

            def progress(
                who: str, name: str = name, rows: list[tuple[str, str]] = sentences
            ) -> Iterable[tuple[str, str]]:
                return track(rows, f"{name}: {who} speaks", console=CONSOLE)

            ways = [speak_teacher(progress(options.peer), teacher, options.peer)] if teacher else []
            ways.append(await speak_ours(progress("ours, whole text"), agent, engine, options, "ours, whole text", str))
            streamed = f"ours, {options.rate:g} tokens/s"

            def trickle(text: str) -> AsyncIterable[str]:
                return speak_slowly(text, options.rate)

            ways.append(await speak_ours(progress(streamed), agent, engine, options, streamed, trickle))
            spoken[name] = ways
    return spoken


def row_of(label: str, spoken: Spoken, report: Report) -> list[object]:
    """A line of the table."""
    figures, seams = report.summary(), spoken.seams
    return [
        label,
        f"{figures['wer_percent']:.1f} ± {figures['wer_standard_error']:.1f}",
        f"{report.p808:.2f}",
        f"{report.ovrl:.2f}",
        f"{seams.peaks} of {seams.joins} ({seams.expected:.1f})" if seams.joins else "",
        f"{report.seconds:.0f}",
    ]


def picture(path: Path, spoken: dict[str, list[Spoken]]) -> None:
    """One sentence, every way, with its words."""
    for ways in spoken.values():
        key = PICTURED if PICTURED in ways[0].clips else next(iter(ways[0].clips), None)
    if key is not None:
        draw(path, f"{key}, word boundaries", [(way.who, way.clips[key].samples, way.clips[key].words) for way in ways])
        CONSOLE.print(f"spectrograms with word boundaries: {path}", highlight=False)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(prog="voiceagent bench quality", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--voice", choices=sorted(TEACHER_OF), default="heart")
    parser.add_argument("--limit", type=int, default=100, help="sentences of each set (default 100, which is all)")
    parser.add_argument("--peer", choices=[*TEACHER_OF.values(), "none"], help="default: the voice's own teacher")
    parser.add_argument(
        "--rate", type=float, default=TOKENS_PER_S, help="tokens a second; 0 is as fast as they are taken"
    )
    parser.add_argument("--steps", type=int, help="decoding steps a block")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, help="folder of other voices")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of the judges")
    parser.add_argument("--picture", type=Path, default=Path("runs/bench/quality.png"), help="where the picture goes")
    options = parser.parse_args(arguments)
    options.peer = options.peer or TEACHER_OF[options.voice]
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Table for people, last line JSON."""
    options = parse(arguments)
    machine = announce(f"quality, voice {options.voice}, teacher {options.peer}", CAVEATS)
    spoken = asyncio.run(speak_all(options))
    judges = Judges(threads=options.threads)
    results: dict[str, Any] = {}
    table = []
    for name, ways in spoken.items():
        sentences = read_sentences(DATA / f"{name}.tsv")[: options.limit]
        for way in ways:
            report = way.judge(sentences, judges, name)
            results.setdefault(name, {})[way.who] = report.summary() | {"seams": way.seams.summary()}
            table.append(row_of(f"{name}, {way.who}", way, report))
    show("quality", ["", "word error rate %", "P.808", "OVRL", "seams (by chance)", "seconds"], table)
    picture(options.picture, spoken)
    finish(
        "quality", machine, {"voice": options.voice, "limit": options.limit, "steps": options.steps, "sets": results}
    )


if __name__ == "__main__":
    main()

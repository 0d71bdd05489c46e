"""What a setting is worth, sentence by sentence: words wrong, naturalness and time: `voiceagent bench settings`.

    voiceagent bench settings steps=4 steps=2 guard=false [--text FOLDER] [--split dev|test] [--hard] [--limit 200]

Each argument is one way to speak: settings of [engine], and `steps`, joined by commas; the first is what the others are
compared with. Sentences are those of `*.txt.gz` in the folder that the training holds back; without a folder, the
benchmark's own. --hard takes those with the rarest words. Choose on dev, report on test.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, get_type_hints

from first_word import held_back
from instruments.machine import CONSOLE, DATA, announce, finish, show
from judging.evaluation import read_sentences
from judging.hearing import Hearing
from judging.judges import naturalness
from judging.wer import count_errors, paired
from rich.progress import track

from voiceagent import VoiceAgent
from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.settings.engine import EngineConfig

if TYPE_CHECKING:
    from voiceagent.audio.formats import Samples

SETS = ("librispeech_like", "conversation")
CAVEATS = (
    "recognisers judge, nobody listened; ± is one standard error of the difference, sentence by sentence",
    "time is processor time of the whole process a second of speech, without loading",
)

Sentences = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Way:
    """One way of speaking."""

    name: str
    engine: EngineConfig
    steps: int | None


@dataclass(frozen=True, slots=True)
class Spoken:
    """What it said."""

    clips: dict[str, Samples]  # by sentence id
    cpu_s: float

    @property
    def seconds(self) -> float:
        """Of speech."""
        return sum(map(len, self.clips.values())) / SAMPLE_RATE_HZ


def read_way(text: str) -> Way:
    """`guard=false,steps=2`.

    Raises:
        ValueError: no such setting, or no such value of it.
    """
    hints, steps = get_type_hints(EngineConfig), None
    values: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name == "steps":
            steps = int(value)
        elif name not in hints:
            raise ValueError(f"no setting {name!r}: choose of steps, {', '.join(f.name for f in fields(EngineConfig))}")
        elif hints[name] is bool:
            if value not in ("true", "false"):
                raise ValueError(f"{name} is true or false, not {value!r}")
            values[name] = value == "true"
        else:
            values[name] = int(value) if hints[name] is int else value
    return Way(text, EngineConfig(**values), steps)


def read_texts(options: argparse.Namespace) -> Sentences:
    """The sentences to speak."""
    if options.text is None:
        return [row for name in SETS for row in read_sentences(DATA / f"{name}.tsv")[: -(-options.limit // len(SETS))]]
    if not options.hard:
        return held_back(options.text, options.split, options.limit)
    known = Counter(word for text in _train_words(options.text) for word in text)
    texts = held_back(options.text, options.split, 1_000_000)
    return sorted(texts, key=lambda row: -_rarity(row[1], known))[: options.limit]


def _train_words(folder: Path) -> Iterator[list[str]]:
    for file in sorted(folder.glob("*.txt.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            yield from (line.lower().split() for line in lines)


def _rarity(text: str, known: Counter[str]) -> float:
    """Mean surprise of the three rarest words, in nats, by how often the text has them."""
    total = known.total()
    surprises = sorted((math.log(total / max(known[word], 1)) for word in text.lower().split()), reverse=True)
    return fmean(surprises[:3])


async def speak(way: Way, sentences: Sentences, options: argparse.Namespace) -> Spoken:
    """Every sentence, its text known as a whole."""
    clips = {}
    async with VoiceAgent(weights=options.weights, config=way.engine) as agent:
        await agent.say("Warm up.", options.voice)
        begin = time.process_time()
        for key, text in track(sentences, way.name, console=CONSOLE):
            clips[key] = (await agent.say(text, options.voice, seed=options.seed, steps=way.steps)).samples
        return Spoken(clips, time.process_time() - begin)


def errors_of(sentences: Sentences, spoken: Spoken, hearing: Hearing) -> tuple[list[int], list[int]]:
    """Words wrong and words, a sentence each."""
    heard = [count_errors(text, hearing(spoken.clips[key], SAMPLE_RATE_HZ)) for key, text in sentences]
    return [each.errors for each in heard], [each.words for each in heard]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(prog="voiceagent bench settings", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ways", nargs="+", type=read_way, metavar="SETTING=VALUE[,...]")
    parser.add_argument("--voice", default="heart")
    parser.add_argument("--text", type=Path, help="folder of *.txt.gz; default: the benchmark's own sentences")
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    parser.add_argument("--hard", action="store_true", help="the sentences with the rarest words; needs --text")
    parser.add_argument("--limit", type=int, default=200, help="sentences (default 200)")
    parser.add_argument("--judges", default="tiny.en,base", help="recognisers; one that is not installed is left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, help="folder of other voices")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the recognisers")
    options = parser.parse_args(arguments)
    if options.hard and options.text is None:
        parser.error("--hard needs --text FOLDER: rare is what the folder has seldom")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Table for people, last line JSON."""
    options = parse(arguments)
    machine = announce(f"settings, voice {options.voice}", CAVEATS)
    sentences = read_texts(options)
    spoken = [asyncio.run(speak(way, sentences, options)) for way in options.ways]
    results: dict[str, dict[str, Any]] = {way.name: {} for way in options.ways}
    natural = [[naturalness(clip, SAMPLE_RATE_HZ).p808 for clip in each.clips.values()] for each in spoken]
    for way, each, scores in zip(options.ways, spoken, natural, strict=True):
        results[way.name] |= {"cpu_s_a_second": round(each.cpu_s / each.seconds, 4), "seconds": round(each.seconds, 1)}
        results[way.name] |= {"p808": round(fmean(scores), 3)}
        same = sum(map(_same, each.clips.values(), spoken[0].clips.values()))
        results[way.name] |= {"clips_changed": len(sentences) - same}
    for recogniser in options.judges.split(","):
        hearing = Hearing.installed(recogniser, threads=options.threads)
        if hearing is None:
            CONSOLE.print(f"- {recogniser} is not installed: docs/benchmarks.md says how", highlight=False)
            continue
        judged = [errors_of(sentences, each, hearing) for each in spoken]
        for way, (errors, words) in zip(options.ways, judged, strict=True):
            rate, more, error = paired(errors, judged[0][0], words)
            results[way.name][recogniser] = {
                "words": sum(words),
                "words_wrong_percent": round(rate, 2),
                "more_than_the_first": round(more, 2),
                "standard_error": round(error, 2),
            }
    _show(results)
    finish("settings", machine, {"voice": options.voice, "split": options.split, "hard": options.hard, "ways": results})


def _same(clip: Samples, other: Samples) -> bool:
    return len(clip) == len(other) and bool((clip == other).all())


def _show(results: dict[str, dict[str, Any]]) -> None:
    judges = [name for name in ("tiny.en", "base") if any(name in figures for figures in results.values())]
    rows = []
    for name, figures in results.items():
        row: list[object] = [name, figures["clips_changed"], figures["cpu_s_a_second"], figures["p808"]]
        for judge in judges:
            said = figures[judge]
            row += [
                f"{said['words_wrong_percent']:.2f}",
                f"{said['more_than_the_first']:+.2f} ± {said['standard_error']:.2f}",
            ]
        rows.append(row)
    columns = ["", "clips changed", "processor s a second", "P.808"]
    show("settings", columns + [f"{judge}, {what}" for judge in judges for what in ("wrong %", "more")], rows)


if __name__ == "__main__":
    main()

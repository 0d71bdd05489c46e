"""The first words of an utterance, its pauses, and very short texts, next to the teacher's: `voiceagent bench first_word`.

    voiceagent bench first_word [--text FOLDER] [--split dev|test] [--limit 200] [--judges tiny.en,base]

Sentences are those of `*.txt.gz` in the folder that the training holds back (1% each for dev and test); without a folder, the
benchmark's own. Choose on dev, report on test.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
from collections.abc import AsyncIterable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from instruments.machine import CONSOLE, DATA, announce, finish, show
from instruments.pretend_llm import TOKENS_PER_S, speak_slowly
from instruments.silence import Pauses, pauses_of
from instruments.teachers import TEACHER_OF, TeacherVoice
from judging.evaluation import read_sentences
from judging.hearing import Hearing
from judging.wer import first_word_errors, paired
from rich.progress import track

from voiceagent import VoiceAgent
from voiceagent.agent import load_engine
from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.training.sentences import split_of

if TYPE_CHECKING:
    from voiceagent.audio.formats import Samples

READ = ("ljspeech", "vctk")  # files of whole sentences; where they are missing, every file is taken
FIRST_WORDS = 2
LEAD_S = 0.3  # silence laid before every clip: a recogniser wants some, and the teacher's own lead differs from ours
CAVEATS = (
    "recognisers judge, nobody listened: figures mean something next to the teacher's, not by themselves",
    f"{LEAD_S} s of silence is laid before every clip; ± is one standard error of the difference, sentence by sentence",
    "a pause is silence inside a clip, at least 0.12 s, 40 dB below its loud parts",
)

Sentences = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Way:
    """One way of speaking the sentences."""

    who: str
    clips: dict[str, Samples]  # by sentence id

    def pauses(self) -> Pauses:
        """Of all clips together."""
        return sum((pauses_of(clip, SAMPLE_RATE_HZ) for clip in self.clips.values()), Pauses())


def held_back(folder: Path, split: str, limit: int) -> Sentences:
    """Sentences without figures that the training holds back, in the order of the files."""
    files = [file for name in READ if (file := folder / f"{name}.txt.gz").exists()] or sorted(folder.glob("*.txt.gz"))
    found: list[list[str]] = []
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            stripped = (line.strip() for line in lines)
            found.append([text for text in stripped if split_of(text) == split and _plain(text)])
    share = -(-limit // max(len(found), 1))
    texts = [text for part in found for text in part[:share]]
    return [(f"{split}-{index:04d}", text) for index, text in enumerate(texts[:limit])]


def _plain(text: str) -> bool:
    return not any(character.isdigit() for character in text) and 4 <= len(text.split()) <= 35


def read_texts(options: argparse.Namespace) -> dict[str, Sentences]:
    """The sentences and the short texts."""
    if options.text is not None:
        sentences = held_back(options.text, options.split, options.limit)
    else:
        sentences = read_sentences(DATA / "librispeech_like.tsv")[: options.limit]
    return {"sentences": sentences, "short": read_sentences(DATA / "short.tsv")[: options.limit]}


async def speak_ours(
    agent: VoiceAgent, sentences: Sentences, options: argparse.Namespace, who: str, feed: Callable[[str], Any]
) -> Way:
    """Every sentence through the public interface; `feed` makes of a text what the agent gets."""
    clips = {}
    for key, text in track(sentences, who, console=CONSOLE):
        clips[key] = (await agent.say(feed(text), options.voice, seed=options.seed, steps=options.steps)).samples
    return Way(who, clips)


async def speak_all(texts: dict[str, Sentences], options: argparse.Namespace) -> dict[str, list[Way]]:
    """Every set, by the teacher, by ours whole, and by ours streamed."""
    teacher = TeacherVoice(TEACHER_OF[options.voice])
    engine = await asyncio.to_thread(load_engine, options.weights)
    spoken: dict[str, list[Way]] = {}

    def trickle(text: str) -> AsyncIterable[str]:
        return speak_slowly(text, options.rate)

    async with VoiceAgent(engine) as agent:
        for name, sentences in texts.items():
            clips = {key: teacher(text).samples for key, text in track(sentences, "teacher", console=CONSOLE)}
            spoken[name] = [
                Way("teacher", clips),
                await speak_ours(agent, sentences, options, "ours, whole text", str),
            ]
            if options.rate > 0:
                spoken[name].append(
                    await speak_ours(agent, sentences, options, f"ours, {options.rate:g} tokens/s", trickle)
                )
    return spoken


def judge(sentences: Sentences, way: Way, hearing: Hearing) -> tuple[list[int], list[int], list[int]]:
    """Errors in the first words, errors in all words, and words, a sentence each."""
    lead = np.zeros(round(LEAD_S * SAMPLE_RATE_HZ), np.float32)
    first, every, words = [], [], []
    for key, text in track(sentences, f"{hearing.name} hears {way.who}", console=CONSOLE):
        heard = hearing(np.concatenate((lead, way.clips[key])), SAMPLE_RATE_HZ)
        errors = first_word_errors(text, heard, FIRST_WORDS)
        first.append(errors.first)
        every.append(errors.all)
        words.append(errors.words)
    return first, every, words


def compare(
    name: str, sentences: Sentences, ways: list[Way], hearing: Hearing
) -> tuple[list[list[object]], dict[str, Any]]:
    """Lines of the table and the same as values: each way against the first."""
    judged = [judge(sentences, way, hearing) for way in ways]
    teacher_first, teacher_all, words = judged[0]
    firsts = [min(FIRST_WORDS, count) for count in words]
    rows: list[list[object]] = []
    values: dict[str, Any] = {}
    for way, (first, every, _) in zip(ways, judged, strict=True):
        first_rate, first_more, first_se = paired(first, teacher_first, firsts)
        rate, more, se = paired(every, teacher_all, words)
        values[way.who] = {
            "first_words_wrong_percent": first_rate,
            "first_words_more_than_teacher": first_more,
            "first_words_standard_error": first_se,
            "words_wrong_percent": rate,
            "words_more_than_teacher": more,
            "words_standard_error": se,
        }
        mine = way.who != ways[0].who
        rows.append(
            [
                f"{name}, {hearing.name}, {way.who}",
                f"{first_rate:.1f}",
                f"{first_more:+.1f} ± {first_se:.1f}" if mine else "",
                f"{rate:.1f}",
                f"{more:+.1f} ± {se:.1f}" if mine else "",
            ]
        )
    return rows, values


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(prog="voiceagent bench first_word", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--voice", choices=sorted(TEACHER_OF), default="heart")
    parser.add_argument("--text", type=Path, help="folder of *.txt.gz; default: the benchmark's own sentences")
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    parser.add_argument("--sets", default="sentences,short", help="default sentences,short")
    parser.add_argument("--limit", type=int, default=200, help="sentences (default 200)")
    parser.add_argument("--rate", type=float, default=TOKENS_PER_S, help="tokens a second; 0 leaves streaming out")
    parser.add_argument("--judges", default="tiny.en,base", help="recognisers; one that is not installed is left out")
    parser.add_argument("--steps", type=int, help="decoding steps a block")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, help="folder of other voices")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the recognisers")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Tables for people, last line JSON."""
    options = parse(arguments)
    machine = announce(f"first words, voice {options.voice}, teacher {TEACHER_OF[options.voice]}", CAVEATS)
    texts = {name: rows for name, rows in read_texts(options).items() if name in options.sets.split(",")}
    spoken = asyncio.run(speak_all(texts, options))
    results: dict[str, Any] = {}
    pauses = []
    for name, ways in spoken.items():
        for way in ways:
            found = way.pauses()
            seconds = sum(map(len, way.clips.values())) / SAMPLE_RATE_HZ
            pauses.append([f"{name}, {way.who}", found.count, f"{found.seconds:.1f}", f"{seconds:.1f}"])
            results.setdefault(name, {})[way.who] = {
                "pauses": found.count,
                "pause_s": round(found.seconds, 2),
                "speech_s": round(seconds, 1),
            }
    show("pauses", ["", "pauses", "seconds of silence", "seconds in all"], pauses)
    table = []
    for recogniser in options.judges.split(","):
        hearing = Hearing.installed(recogniser, threads=options.threads)
        if hearing is None:
            CONSOLE.print(f"- {recogniser} is not installed: docs/benchmarks.md says how", highlight=False)
            continue
        for name, ways in spoken.items():
            rows, values = compare(name, texts[name], ways, hearing)
            table += rows
            for who, figures in values.items():
                results[name][who][recogniser] = figures
    show("words wrong, %", ["", f"first {FIRST_WORDS}", "more than the teacher", "all", "more than the teacher"], table)
    finish("first_word", machine, {"voice": options.voice, "split": options.split, "sets": results})


if __name__ == "__main__":
    main()

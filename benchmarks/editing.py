"""How well it edits: words put in, taken out and replaced, in recordings of the teacher and in our own speech.

    voiceagent bench editing [--voice heart|joe] [--limit N] [--source teacher|ours]

For each kind of edit: the edited words understood, the rest understood, seams, naturalness, speaker similarity, the share of
samples that came through bit for bit. A picture a kind.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from listening import Seams, draw, find_seams
from machine import CONSOLE, DATA, announce, finish, show
from rich.progress import track
from teachers import TEACHER_OF, TeacherVoice

from voiceagent import VoiceAgent
from voiceagent.events import WordTime
from voiceagent.training.evaluation import Judges, evaluate, read_sentences
from voiceagent.training.wer import normalize

if TYPE_CHECKING:
    from voiceagent.editor import Editor
    from voiceagent.model.editing import Edited

    Samples = np.ndarray[Any, np.dtype[np.float32]]

SETS = ("librispeech_like", "conversation")
KINDS = ("substitution", "insertion", "deletion", "several")
WORDS = (
    "garden winter yellow seven mountain coffee quickly never doctor silver orange window slowly morning paper river "
    "kitchen summer market purple twenty bridge letter always captain forest island dinner pocket rabbit"
).split()
CAVEATS = (
    "Whisper tiny.en and DNSMOS judge, nobody listened; the words put in are common ones, but seldom likely where they stand",
    "errors of the recordings themselves count among those of the rest: look at the unedited row",
)


@dataclass(frozen=True, slots=True)
class Task:
    """One edit: the text wanted, and the words of it (by place) that are new."""

    key: str
    transcript: str
    to: str
    new: tuple[int, ...]
    gone: tuple[str, ...] = ()  # words that may not be heard any more where they were


@dataclass(slots=True)
class Outcome:
    """One kind of edit over many recordings."""

    clips: list[tuple[str, str, Samples]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    seams: Seams = field(default_factory=Seams)
    unchanged: list[float] = field(default_factory=list)
    spent_s: float = 0.0
    refused: int = 0
    picture: tuple[Samples, Edited, Task] | None = None


def task_of(kind: str, key: str, text: str, rng: random.Random) -> Task | None:
    """An edit of that kind somewhere inside a sentence; None if it is too short."""
    words = text.split()
    inner = [i for i in range(1, len(words) - 1) if words[i].isalpha()]
    if len(inner) < 4:
        return None
    at = rng.choice(inner[:-2])
    fresh = rng.sample(WORDS, 2)
    match kind:
        case "substitution":
            return Task(key, text, " ".join([*words[:at], fresh[0], *words[at + 1 :]]), (at,), (words[at],))
        case "insertion":
            return Task(key, text, " ".join([*words[:at], *fresh, *words[at:]]), (at, at + 1))
        case "deletion":
            return Task(key, text, " ".join([*words[:at], *words[at + 1 :]]), (), (words[at],))
        case _:
            changed = [*words[:at], fresh[0], *words[at + 1 : -1], fresh[1], words[-1]]
            return Task(key, text, " ".join(changed), (at, len(changed) - 2), (words[at],))


def misheard(task: Task, heard: str) -> tuple[int, int, int, int]:
    """(errors among the new words, new words, errors among the rest, the rest); an insertion counts for the rest."""
    from rapidfuzz.distance import Levenshtein

    words = task.to.split()
    expected, owner = list[str](), list[int]()
    for place, word in enumerate(words):
        parts = normalize(word).split()
        expected += parts
        owner += [place] * len(parts)
    new = [place in task.new for place in owner]
    of_new = of_rest = 0
    for edit in Levenshtein.editops(expected, normalize(heard).split()):
        if edit.tag != "insert" and new[edit.src_pos]:
            of_new += 1
        else:
            of_rest += 1
    return of_new, sum(new), of_rest, len(new) - sum(new)


def run_kind(editor: Editor, kind: str, recordings: dict[str, tuple[str, Samples]], voice: str, count: int) -> Outcome:
    """Edit up to `count` recordings."""
    from voiceagent.errors import InputError

    rng, outcome = random.Random(kind), Outcome()
    for key, (text, samples) in track(recordings.items(), kind, console=CONSOLE):
        task = task_of(kind, key, text, rng)
        if task is None or len(outcome.clips) == count:
            continue
        begin_s = time.perf_counter()
        try:
            edited = editor.edit(samples, text, task.to, voice=voice)
        except InputError:
            outcome.refused += 1
            continue
        outcome.spent_s += time.perf_counter() - begin_s
        outcome.clips.append((f"{key}-{kind}", task.to, edited.samples))
        outcome.tasks.append(task)
        outcome.unchanged.append(edited.unchanged)
        joins = [edge for run in edited.kept for edge in (run.new, run.new + run.length)]
        outcome.seams.add(find_seams(edited.samples, joins))
        outcome.picture = outcome.picture or (samples, edited, task)
    return outcome


def row_of(kind: str, outcome: Outcome, originals: dict[str, tuple[str, Samples]], judges: Judges) -> dict[str, Any]:
    """All figures of a kind."""
    from voiceagent.training.judges import speaker_similarity

    report = evaluate(outcome.clips, judges=judges, label=f"judging {kind}")
    heard = {row.id: row.heard for row in report.sentences}
    counts = np.asarray([misheard(t, heard[f"{t.key}-{kind}"]) for t in outcome.tasks]).sum(axis=0).tolist()
    gone = [word for t in outcome.tasks for word in t.gone if t.to.casefold().split().count(word.casefold()) == 0]
    still = sum(
        normalize(word) in normalize(heard[f"{t.key}-{kind}"]).split()
        for t in outcome.tasks
        for word in t.gone
        if t.to.casefold().split().count(word.casefold()) == 0
    )
    alike = []
    with contextlib.suppress(RuntimeError):  # without Resemblyzer there is no such figure
        alike = [
            speaker_similarity(samples, originals[t.key][1], 24_000)
            for t, (_, _, samples) in zip(outcome.tasks[:20], outcome.clips[:20], strict=True)
        ]
    return {
        "edits": len(outcome.clips),
        "refused": outcome.refused,
        "new_words_wrong_percent": round(100 * counts[0] / counts[1], 1) if counts[1] else None,
        "rest_wrong_percent": round(100 * counts[2] / max(1, counts[3]), 1),
        "removed_words_still_heard": f"{still} of {len(gone)}",
        "p808": round(report.p808, 3),
        "ovrl": round(report.ovrl, 3),
        "seams": outcome.seams.summary(),
        "unchanged_percent": round(100 * float(np.mean(outcome.unchanged)), 1),
        "speaker_similarity": round(float(np.mean(alike)), 3) if alike else None,
        "seconds_an_edit": round(outcome.spent_s / max(1, len(outcome.clips)), 2),
    }


def draw_kind(folder: Path, kind: str, outcome: Outcome) -> None:
    """Before and after, with the span that was made anew."""
    if outcome.picture is None:
        return
    before, edited, task = outcome.picture
    old = [WordTime("replaced", s.old_start_s, s.old_end_s, 0, 0) for s in edited.spans]
    new = [WordTime("made anew", s.start_s, s.end_s, 0, 0) for s in edited.spans]
    path = folder / f"edit-{kind}.png"
    draw(path, f"{task.transcript}  ->  {task.to}", [("before", before, old), ("after", edited.samples, new)])
    CONSOLE.print(f"before and after: {path}", highlight=False)


def record(
    source: str, voice: str, weights: Path | None, sentences: Sequence[tuple[str, str]]
) -> dict[str, tuple[str, Samples]]:
    """Speech to edit, by sentence id."""

    async def ours() -> dict[str, tuple[str, Samples]]:
        async with VoiceAgent(weights=weights) as agent:
            return {
                key: (text, (await agent.say(text, voice)).samples)
                for key, text in track(sentences, "ours speaks", console=CONSOLE)
            }

    if source == "ours":
        return asyncio.run(ours())
    speak: Callable[[str], Any] = TeacherVoice(TEACHER_OF[voice])
    return {key: (text, speak(text).samples) for key, text in track(sentences, f"{source} speaks", console=CONSOLE)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Table for people, last line JSON."""
    parser = argparse.ArgumentParser(prog="voiceagent bench editing", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--voice", choices=sorted(TEACHER_OF), default="heart")
    parser.add_argument("--source", choices=("teacher", "ours"), default="teacher", help="whose recordings are edited")
    parser.add_argument("--limit", type=int, default=100, help="edits of each kind (default 100)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the judges")
    parser.add_argument("--weights", type=Path, help="folder of other voices")
    parser.add_argument("--pictures", type=Path, default=Path("runs/bench"), help="folder for the pictures")
    options = parser.parse_args(arguments)

    from voiceagent.editor import Editor

    machine = announce(f"editing, voice {options.voice}, recordings of {options.source}", CAVEATS)
    sentences = [row for name in SETS for row in read_sentences(DATA / f"{name}.tsv")[: options.limit]]
    recordings = record(options.source, options.voice, options.weights, sentences)
    judges, editor = Judges(threads=options.threads), Editor(weights=options.weights)
    plain = [(key, text, samples) for key, (text, samples) in recordings.items()][: options.limit]
    unedited = evaluate(plain, judges=judges, label="judging the unedited")
    results: dict[str, Any] = {"unedited": unedited.summary()}
    for kind in KINDS:
        outcome = run_kind(editor, kind, recordings, options.voice, options.limit)
        results[kind] = row_of(kind, outcome, recordings, judges)
        draw_kind(options.pictures, kind, outcome)
    columns = list(results[KINDS[0]])
    show("edits", ["", *columns], [[kind, *(str(results[kind][c]) for c in columns)] for kind in KINDS])
    show("unedited", ["", "value"], [[name, value] for name, value in results["unedited"].items()])
    finish("editing", machine, {"voice": options.voice, "source": options.source, "kinds": results})


if __name__ == "__main__":
    main()

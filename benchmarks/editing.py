"""How well it edits: words put in, taken out and replaced, in recordings of the teacher, in our own speech, or in anybody's.

    voiceagent bench editing [--voice heart|joe] [--limit N] [--source teacher|ours] [--wavs DIR --text FILE] [--pictures FOLDER]

For each kind of edit: the edited words understood, the rest understood, seams, naturalness, speaker similarity, the share of
samples that came through bit for bit; beside them the new sentence said whole by whoever said the old one. A picture a kind.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from instruments.listening import SAMPLE_RATE_HZ, Seams, draw, find_seams
from instruments.machine import CONSOLE, DATA, announce, finish, show
from instruments.teachers import TEACHER_OF, TeacherVoice
from judging.evaluation import Judges, evaluate, read_sentences
from judging.wer import normalize
from rich.progress import track

from voiceagent import VoiceAgent
from voiceagent.errors import InputError
from voiceagent.protocol.outputs import WordTime

if TYPE_CHECKING:
    from voiceagent.editing.edit import Edited
    from voiceagent.editing.editor import Editor

    Samples = np.ndarray[Any, np.dtype[np.float32]]

SETS = ("librispeech_like", "conversation")
KINDS = ("substitution", "insertion", "deletion", "several")
WORDS = (
    "garden winter yellow seven mountain coffee quickly never doctor silver orange window slowly morning paper river "
    "kitchen summer market purple twenty bridge letter always captain forest island dinner pocket rabbit"
).split()
COMPARED = 12  # edits of a kind whose voice is compared: it is slow, and says the same every time
LONG_ENOUGH_S = 0.3  # new speech that a speaker can be told from
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

    @property
    def gone_for_good(self) -> tuple[str, ...]:
        """Words that the new text has nowhere."""
        left = self.to.casefold().split()
        return tuple(normalize(word) for word in self.gone if word.casefold() not in left)


@dataclass(slots=True)
class Outcome:
    """One kind of edit over many recordings."""

    done: list[tuple[Task, Edited]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    seams: Seams = field(default_factory=Seams)
    spent_s: float = 0.0


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


def tasks_of(kind: str, sentences: Iterable[tuple[str, str]], count: int) -> list[Task]:
    """The first `count` edits of a kind."""
    rng = random.Random(kind)
    tasks = [task_of(kind, key, text, rng) for key, text in sentences]
    return [task for task in tasks if task is not None][:count]


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


def percent(part: float, whole: float) -> float | None:
    """Of a hundred; None of nothing."""
    return round(100 * part / whole, 1) if whole else None


def understood(pairs: Sequence[tuple[Task, Samples]], judges: Judges, label: str) -> dict[str, Any]:
    """What the judges say of speech that should say what the tasks want."""
    report = evaluate([(task.key, task.to, samples) for task, samples in pairs], judges=judges, label=label)
    heard = [row.heard for row in report.sentences]
    counts = np.asarray([misheard(task, words) for (task, _), words in zip(pairs, heard, strict=True)]).sum(axis=0)
    gone = [
        word in normalize(words).split()
        for (task, _), words in zip(pairs, heard, strict=True)
        for word in task.gone_for_good
    ]
    return {
        "new_words_wrong_percent": percent(counts[0], counts[1]),
        "rest_wrong_percent": percent(counts[2], counts[3]),
        "removed_words_still_heard": f"{sum(gone)} of {len(gone)}",
        "p808": round(report.p808, 3),
        "ovrl": round(report.ovrl, 3),
    }


def run_kind(editor: Editor, kind: str, tasks: Sequence[Task], spoken: Mapping[str, Samples], voice: str) -> Outcome:
    """Edit the recordings of the old texts."""
    outcome = Outcome()
    for task in track(tasks, kind, console=CONSOLE):
        begin_s = time.perf_counter()
        try:
            edited = editor.edit(spoken[task.transcript], task.transcript, task.to, voice=voice)
        except InputError as error:
            outcome.refused.append(f"{task.key}: {error}")
            continue
        outcome.spent_s += time.perf_counter() - begin_s
        outcome.done.append((task, edited))
        joins = [edge for run in edited.kept for edge in (run.new, run.new + run.length)]
        outcome.seams.add(find_seams(edited.samples, joins))
    return outcome


def likeness(outcome: Outcome, spoken: Mapping[str, Samples]) -> dict[str, float | None]:
    """How much the speaker of the edited recording, of its new stretches, and of the old ones there is that of the recording."""
    from judging.judges import speaker_similarity

    alike: dict[str, list[float]] = {"speaker_whole": [], "speaker_new_speech": [], "speaker_same_place_before": []}
    with contextlib.suppress(RuntimeError):  # without Resemblyzer there are no such figures
        for task, edited in outcome.done[:COMPARED]:
            original = spoken[task.transcript]
            alike["speaker_whole"].append(speaker_similarity(edited.samples, original, SAMPLE_RATE_HZ))
            new = cut(edited.samples, [(span.start_s, span.end_s) for span in edited.spans])
            old = cut(original, [(span.old_start_s, span.old_end_s) for span in edited.spans])
            if min(len(new), len(old)) > LONG_ENOUGH_S * SAMPLE_RATE_HZ:
                alike["speaker_new_speech"].append(speaker_similarity(new, original, SAMPLE_RATE_HZ))
                alike["speaker_same_place_before"].append(speaker_similarity(old, original, SAMPLE_RATE_HZ))
    return {name: round(float(np.mean(values)), 3) if values else None for name, values in alike.items()}


def cut(samples: Samples, spans_s: Iterable[tuple[float, float]]) -> Samples:
    """These stretches, one after the other."""
    edges = [(round(start_s * SAMPLE_RATE_HZ), round(end_s * SAMPLE_RATE_HZ)) for start_s, end_s in spans_s]
    return np.concatenate([samples[start:end] for start, end in edges])


def row_of(kind: str, outcome: Outcome, spoken: Mapping[str, Samples], judges: Judges) -> dict[str, Any]:
    """All figures of a kind."""
    edits = [(task, edited.samples) for task, edited in outcome.done]
    row: dict[str, Any] = {"edits": len(edits), "refused": len(outcome.refused)}
    if not edits:
        return row
    row |= understood(edits, judges, f"judging {kind}")
    whole = [(task, spoken[task.to]) for task, _ in edits if task.to in spoken and task.new]
    if whole:
        said = understood(whole, judges, f"judging {kind}, said whole")
        row |= {f"said_whole_{name}": said[name] for name in ("new_words_wrong_percent", "rest_wrong_percent")}
    return row | {
        "seams": outcome.seams.summary(),
        "unchanged_percent": percent(sum(edited.unchanged for _, edited in outcome.done), len(edits)),
        **likeness(outcome, spoken),
        "seconds_an_edit": round(outcome.spent_s / len(edits), 2),
    }


def draw_kind(folder: Path, kind: str, outcome: Outcome, spoken: Mapping[str, Samples]) -> None:
    """Before and after of the shortest edit, with the spans that were made anew."""
    if not outcome.done:
        return
    task, edited = min(outcome.done, key=lambda done: len(done[1].samples))
    old = [WordTime("replaced", span.old_start_s, span.old_end_s, 0, 0) for span in edited.spans]
    new = [WordTime("made anew", span.start_s, span.end_s, 0, 0) for span in edited.spans]
    path = folder / f"edit-{kind}.png"
    pictures = [("before", spoken[task.transcript], old), ("after", edited.samples, new)]
    draw(path, f"{task.transcript}\n{task.to}", pictures)
    CONSOLE.print(f"before and after: {path}", highlight=False)


def speak(source: str, voice: str, weights: Path | None, texts: Sequence[str]) -> dict[str, Samples]:
    """Speech by text."""

    async def ours() -> dict[str, Samples]:
        async with VoiceAgent(weights=weights) as agent:
            return {
                text: (await agent.say(text, voice)).samples for text in track(texts, "ours speaks", console=CONSOLE)
            }

    if source == "ours":
        return asyncio.run(ours())
    teacher = TeacherVoice(TEACHER_OF[voice])
    return {text: teacher(text).samples for text in track(texts, "the teacher speaks", console=CONSOLE)}


def read(folder: Path, sentences: Sequence[tuple[str, str]]) -> dict[str, Samples]:
    """Recordings `id.wav` by text."""
    from voiceagent.editing.editor import read_recording

    return {text: read_recording(folder / f"{key}.wav").samples for key, text in sentences}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="voiceagent bench editing", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--voice", choices=sorted(TEACHER_OF), default="heart")
    parser.add_argument("--source", choices=("teacher", "ours"), default="teacher", help="whose recordings are edited")
    parser.add_argument("--wavs", type=Path, help="folder with id.wav: other recordings, said in --text")
    parser.add_argument("--text", type=Path, help="file of id<TAB>text lines")
    parser.add_argument("--limit", type=int, default=100, help="edits of each kind (default 100)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the judges")
    parser.add_argument("--weights", type=Path, help="folder of other voices")
    parser.add_argument("--pictures", type=Path, default=Path("runs/bench"), help="folder for the pictures")
    options = parser.parse_args(arguments)
    if (options.wavs is None) != (options.text is None):
        parser.error("--wavs and --text belong together: the recordings, and what they say")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Table for people, last line JSON."""
    options = parse(arguments)
    from voiceagent.editing.editor import Editor

    source = str(options.wavs or options.source)
    machine = announce(f"editing, voice {options.voice}, recordings: {source}", CAVEATS)
    files = [options.text] if options.text else [DATA / f"{name}.tsv" for name in SETS]
    sentences = [row for file in files for row in read_sentences(file)]
    tasks = {kind: tasks_of(kind, sentences, options.limit) for kind in KINDS}
    if options.wavs:
        spoken = read(options.wavs, sentences)
    else:
        every = [task for kind in KINDS for task in tasks[kind]]
        texts = dict.fromkeys([task.transcript for task in every] + [task.to for task in every if task.new])
        spoken = speak(options.source, options.voice, options.weights, list(texts))
    judges, editor = Judges(threads=options.threads), Editor(weights=options.weights)
    plain = [(task.key, task.transcript, spoken[task.transcript]) for task in tasks[KINDS[0]]]
    unedited = evaluate(plain, judges=judges, label="judging the unedited").summary()
    rows: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        outcome = run_kind(editor, kind, tasks[kind], spoken, options.voice)
        rows[kind] = row_of(kind, outcome, spoken, judges)
        draw_kind(options.pictures, kind, outcome, spoken)
        for line in outcome.refused:
            CONSOLE.print(f"refused {line}", highlight=False)
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    show("edits", ["", *KINDS], [[name, *(row.get(name) for row in rows.values())] for name in names])
    show("unedited", ["", "value"], [[name, value] for name, value in unedited.items()])
    finish("editing", machine, {"voice": options.voice, "source": source, "kinds": {"unedited": unedited, **rows}})


if __name__ == "__main__":
    main()

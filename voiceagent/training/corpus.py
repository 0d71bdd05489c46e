"""Speech for training, made from text by the teachers: `voiceagent train corpus`.

A corpus is a folder of shards a voice: `NNNN.npz` with pcm int16 (n,), f0_hz float16 (frames,) and `NNNN.jsonl`, one line a
sentence: text, phonemes, durations_s, where its samples and F0 lie, and its voice if that is not the folder's. A shard is
written whole or not at all, so an interrupted run goes on where it stopped; the same text, shard size and seed give the
same speech.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voiceagent.training.sentences import Split, sentences, split_of
from voiceagent.training.teachers import F0_RATE_HZ, SAMPLE_RATE_HZ, TEACHERS, TaughtUtterance, Teacher

SHARD_TEXTS = 400
SHARD_SUFFIX = ".jsonl"
LEAD_S, TAIL_S = 0.06, 0.24  # silence kept around a sentence; the teachers leave up to 0.35 s


SpokenLine = tuple[str, TaughtUtterance, dict[str, object]]  # a text, how it was spoken, and what else its line says


@dataclass(frozen=True, slots=True)
class Record:
    """One sentence of the corpus."""

    voice: str
    split: Split
    text: str
    phonemes: str
    durations_s: npt.NDArray[np.float32]  # (len(phonemes),)
    samples: npt.NDArray[np.int16]  # (n,) at 24 kHz
    f0_hz: npt.NDArray[np.float16]  # (frames,) at 100 Hz


def trim(utterance: TaughtUtterance) -> TaughtUtterance:
    """Shorten the silence at both ends, durations and F0 with it."""
    durations = utterance.durations_s.copy()
    audible = np.flatnonzero(np.abs(utterance.samples) > 0.004) / SAMPLE_RATE_HZ
    total_s = len(utterance.samples) / SAMPLE_RATE_HZ
    first, last = (audible[0], audible[-1]) if len(audible) else (0.0, total_s)
    # whole F0 frames, so that both stay aligned; never more than the boundary symbol holds
    hop = 1 / F0_RATE_HZ
    lead = int(max(0.0, min(first - LEAD_S, durations[0] - hop)) / hop) * hop
    tail = int(max(0.0, min(total_s - last - TAIL_S, durations[-2:].sum() - 2 * hop)) / hop) * hop
    durations[0] -= lead
    from_last = min(tail, durations[-1] - hop)
    durations[-1] -= from_last
    durations[-2] -= tail - from_last
    start, stop = round(lead * SAMPLE_RATE_HZ), round((total_s - tail) * SAMPLE_RATE_HZ)
    f0 = utterance.f0_hz[round(lead / hop) : round((total_s - tail) / hop)]
    return TaughtUtterance(utterance.samples[start:stop], utterance.phonemes, durations, f0)


def _speak(teacher: Teacher, texts: list[str], rng: np.random.Generator) -> Iterator[tuple[str, TaughtUtterance]]:
    from hibari import Hibari

    front_end = Hibari()
    for text in texts:
        for phonemes in front_end.phonemize(text):
            if len(phonemes) < 2 or len(phonemes) > 380:
                continue
            speed = float(rng.uniform(0.85, 1.2)) if rng.random() < 0.3 else 1.0
            yield text, trim(teacher(phonemes, speed=speed))


def make_shard(folder: Path, voice: str, number: int, texts: list[str]) -> float:
    """Speak the texts into shard `number`; returns the seconds of speech."""
    teacher = TEACHERS[voice](seed=number)
    rng = np.random.default_rng([number, 7])
    spoken: Iterator[SpokenLine] = ((text, utterance, {}) for text, utterance in _speak(teacher, texts, rng))
    return write_shard(folder / voice / f"{number:04d}", spoken)


def write_shard(stem: Path, spoken: Iterable[SpokenLine]) -> float:
    """Write speech as `stem.npz` and `stem.jsonl`, whole or not at all; returns the seconds of speech."""
    rows, pcm, f0 = [], [], []
    sample = frame = 0
    for text, utterance, about in spoken:
        pcm.append((np.clip(utterance.samples, -1, 1) * 32767).astype(np.int16))
        f0.append(utterance.f0_hz.astype(np.float16))
        rows.append(
            {
                **about,
                "text": text,
                "phonemes": utterance.phonemes,
                "durations_s": [round(float(d), 5) for d in utterance.durations_s],
                "samples": [sample, sample + len(pcm[-1])],
                "frames": [frame, frame + len(f0[-1])],
            }
        )
        sample, frame = sample + len(pcm[-1]), frame + len(f0[-1])
    if not rows:
        return 0.0
    stem.parent.mkdir(parents=True, exist_ok=True)
    np.savez(stem.with_suffix(".part.npz"), pcm=np.concatenate(pcm), f0_hz=np.concatenate(f0))
    stem.with_suffix(".part.npz").rename(stem.with_suffix(".npz"))
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    stem.with_suffix(".part").write_text(lines, encoding="utf-8")
    stem.with_suffix(".part").rename(stem.with_suffix(SHARD_SUFFIX))  # last: a shard with this file is whole
    return sample / SAMPLE_RATE_HZ


def make_corpus(text_folder: Path | None, folder: Path, *, voice: str, hours: float, processes: int = 2) -> None:
    """Speak until `hours` of speech are there; shards that exist are kept."""
    from rich.progress import Progress, TextColumn, TimeRemainingColumn

    texts = sentences(text_folder)
    shards = [texts[i : i + SHARD_TEXTS] for i in range(0, len(texts), SHARD_TEXTS)]
    have_s = sum(_seconds(path) for path in sorted((folder / voice).glob("*.jsonl")))
    missing = (n for n in range(len(shards)) if not (folder / voice / f"{n:04d}.jsonl").exists())
    columns = (*Progress.get_default_columns()[:3], TimeRemainingColumn(), TextColumn("{task.completed:.2f} h"))
    with Progress(*columns) as progress, ProcessPoolExecutor(processes) as pool:
        task = progress.add_task(f"{voice} speaks", total=hours)
        progress.update(task, completed=have_s / 3600)
        running: set[Future[float]] = set()
        while have_s < hours * 3600 or running:
            while have_s < hours * 3600 and len(running) < processes and (n := next(missing, None)) is not None:
                running.add(pool.submit(make_shard, folder, voice, n, shards[n]))
            if not running:
                break
            done = next(as_completed(running))
            running.discard(done)
            have_s += done.result()
            progress.update(task, completed=have_s / 3600)


def _seconds(rows: Path) -> float:
    last = rows.read_text(encoding="utf-8").rsplit("\n", 1)[-1]
    return float(json.loads(last)["samples"][1]) / SAMPLE_RATE_HZ


def read_shard(folder: Path, voice: str, number: int) -> list[Record]:
    """The sentences of one shard."""
    stem = folder / voice / f"{number:04d}"
    with np.load(stem.with_suffix(".npz")) as arrays:
        pcm, f0 = arrays["pcm"], arrays["f0_hz"]
    records = []
    for line in stem.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        records.append(
            Record(
                voice=row.get("voice", voice),
                split=split_of(row["text"]),
                text=row["text"],
                phonemes=row["phonemes"],
                durations_s=np.asarray(row["durations_s"], np.float32),
                samples=pcm[slice(*row["samples"])],
                f0_hz=f0[slice(*row["frames"])],
            )
        )
    return records


def shard_numbers(folder: Path, voice: str) -> list[int]:
    """The shards that are whole."""
    return sorted(int(path.stem) for path in (folder / voice).glob("*.jsonl"))

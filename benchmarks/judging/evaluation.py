"""Score speech against its text: word error rate by Whisper, naturalness by DNSMOS, one row a sentence.

    python -m judging.evaluation --wavs DIR --text FILE [--limit N] [--json OUT]

FILE holds `id<TAB>text` lines, DIR the matching `id.wav`. Judging is slow and the judges are deterministic, so what they
said is kept by the hash of the audio: a repeated run costs nothing, and only the comparison with the text is done anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sized
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from judging.judges import Naturalness, Transcriber, naturalness
from judging.wer import WordErrors, corpus_rate, count_errors, standard_error, word_error_rate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]  # (n,)
    Pair = tuple[str, str, Path | str | Samples]  # id, reference text, wave file or samples

__all__ = [
    "Judgement",
    "Naturalness",
    "Report",
    "SentenceScore",
    "Transcriber",
    "evaluate",
    "naturalness",
    "word_error_rate",
]

_JUDGING_REVISION = 1  # raise when the same audio would be judged otherwise


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judges said about one piece of audio; independent of the text it should hold."""

    heard: str
    p808: float
    sig: float
    bak: float
    ovrl: float


@dataclass(frozen=True, slots=True)
class SentenceScore:
    """One row of a report."""

    id: str
    reference: str
    heard: str
    errors: int
    words: int
    seconds: float
    p808: float
    sig: float
    bak: float
    ovrl: float


@dataclass(frozen=True, slots=True)
class Report:
    """A scored set. `wer` and `wer_error` (its standard error over sentences) are fractions; scores are means, 1 to 5."""

    sentences: tuple[SentenceScore, ...]
    wer: float
    wer_error: float
    p808: float
    sig: float
    bak: float
    ovrl: float
    seconds: float

    def summary(self) -> dict[str, float]:
        """The figures of the whole set, rounded, with the word error rate in percent."""
        return {
            "sentences": len(self.sentences),
            "words": sum(row.words for row in self.sentences),
            "seconds": round(self.seconds, 1),
            "wer_percent": round(100 * self.wer, 2),
            "wer_standard_error": round(100 * self.wer_error, 2),
            "p808": round(self.p808, 3),
            "ovrl": round(self.ovrl, 3),
            "sig": round(self.sig, 3),
            "bak": round(self.bak, 3),
        }

    def worst(self, count: int = 10) -> list[SentenceScore]:
        """The rows with most errors a word, worst first."""
        return sorted(self.sentences, key=lambda row: row.errors / max(row.words, 1), reverse=True)[:count]


class JudgementCache:
    """Judgements in one JSON-lines file, keyed by a hash of the audio. Several processes may append to it."""

    def __init__(self, path: Path | None = None) -> None:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.path = path or home / "voiceagent" / "judgements.jsonl"
        self._known = dict(self._read())

    def get(self, key: str) -> Judgement | None:
        """The judgement kept under `key`."""
        return self._known.get(key)

    def put(self, key: str, judgement: Judgement) -> None:
        """Keep a judgement, in memory and on disk."""
        self._known[key] = judgement
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, **asdict(judgement)}) + "\n")

    def _read(self) -> Iterator[tuple[str, Judgement]]:
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
                yield row.pop("key"), Judgement(**row)
            except (ValueError, KeyError, TypeError):
                continue  # a line cut by an interrupted run costs one judgement, nothing else


def read_wave(path: Path | str) -> tuple[Samples, int]:
    """Samples (n,) of a sound file, channels averaged, and its sample rate in Hz."""
    import soundfile

    frames, sample_rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    return frames.mean(axis=1), int(sample_rate)


def read_sentences(path: Path) -> list[tuple[str, str]]:
    """(id, text) of every line `id<TAB>text`; a line without a tab gets its number as id: 0001, 0002, ..."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            left, tab, right = line.partition("\t")
            rows.append((left.strip(), right.strip()) if tab else (f"{number:04d}", left.strip()))
    return rows


class Judges:
    """Whisper and DNSMOS behind one cache; the models are loaded at the first audio that is not known yet."""

    def __init__(self, *, threads: int = 1, cache: JudgementCache | None = None) -> None:
        self._threads = threads
        self._cache = cache if cache is not None else JudgementCache()
        self._transcriber: Transcriber | None = None
        self._revision = f"{_JUDGING_REVISION}/{version('faster-whisper')}/{version('speechmos')}"

    def __call__(self, samples: Samples, sample_rate: int) -> Judgement:
        """Judge `samples` (n,)."""
        mono = np.ascontiguousarray(samples, dtype=np.float32)
        key = hashlib.sha256(f"{self._revision}/{sample_rate}/".encode() + mono.tobytes()).hexdigest()
        known = self._cache.get(key)
        if known is not None:
            return known
        if self._transcriber is None:
            self._transcriber = Transcriber(threads=self._threads)
        scores = naturalness(mono, sample_rate, threads=self._threads)
        judgement = Judgement(self._transcriber(mono, sample_rate), **asdict(scores))
        self._cache.put(key, judgement)
        return judgement


def evaluate(
    pairs: Iterable[Pair],
    *,
    sample_rate: int = 24_000,
    threads: int = 1,
    judges: Judges | None = None,
    total: int | None = None,
    label: str = "judging",
    progress: bool = True,
) -> Report:
    """Score every (id, reference text, wave file or samples).

    Args:
        pairs: may be a generator that synthesises as it goes.
        sample_rate: of samples given as arrays; a file knows its own.
        threads: CPU threads of the judges, where `judges` is not given.
        total: number of pairs, for the progress bar, where `pairs` has no length.
    """
    judges = judges or Judges(threads=threads)
    if total is None and isinstance(pairs, Sized):
        total = len(pairs)
    rows: list[SentenceScore] = []
    counts: list[WordErrors] = []
    with _progress_bar(disable=not progress) as bar:
        task = bar.add_task(label, total=total, wer="")
        for name, reference, source in pairs:
            samples, rate = read_wave(source) if isinstance(source, (str, Path)) else (source, sample_rate)
            judgement = judges(samples, rate)
            counts.append(count_errors(reference, judgement.heard))
            said = asdict(judgement)
            rows.append(
                SentenceScore(
                    name, reference, said.pop("heard"), counts[-1].errors, counts[-1].words, len(samples) / rate, **said
                )
            )
            bar.update(task, advance=1, wer=f"word error rate {100 * corpus_rate(counts):.1f}%")
    return _report(rows, counts)


def _progress_bar(*, disable: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[wer]}"),
        console=Console(stderr=True),
        disable=disable,
    )


def _report(rows: list[SentenceScore], counts: list[WordErrors]) -> Report:
    def mean(key: str) -> float:
        values = [float(getattr(row, key)) for row in rows]
        rated = [value for value in values if not np.isnan(value)]
        return fmean(rated) if rated else float("nan")

    return Report(
        sentences=tuple(rows),
        wer=corpus_rate(counts),
        wer_error=standard_error(counts),
        seconds=sum(row.seconds for row in rows),
        **{key: mean(key) for key in ("p808", "sig", "bak", "ovrl")},
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m judging.evaluation", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--wavs", type=Path, required=True, help="folder with id.wav")
    parser.add_argument("--text", type=Path, required=True, help="file of id<TAB>text lines")
    parser.add_argument("--limit", type=int, help="only the first N sentences")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the judges")
    parser.add_argument("--json", type=Path, help="write summary and rows here")
    return parser.parse_args()


def main() -> None:
    """Score a folder of waves; table for people, last line JSON."""
    arguments = _arguments()
    sentences = read_sentences(arguments.text)[: arguments.limit]
    present = [(name, text, arguments.wavs / f"{name}.wav") for name, text in sentences]
    missing = [path.name for _, _, path in present if not path.exists()]
    if missing:
        raise SystemExit(f"{len(missing)} of {len(present)} waves are missing in {arguments.wavs}: {missing[0]} ...")
    report = evaluate(present, threads=arguments.threads)
    table = Table(title="worst sentences", show_lines=True)
    for column in ("id", "errors", "text", "heard"):
        table.add_column(column)
    for row in report.worst(5):
        table.add_row(row.id, f"{row.errors}/{row.words}", row.reference, row.heard)
    Console().print(table)
    if arguments.json:
        full: dict[str, Any] = {**report.summary(), "rows": [asdict(row) for row in report.sentences]}
        arguments.json.write_text(json.dumps(full, indent=1), encoding="utf-8")
    print(json.dumps(report.summary()))


if __name__ == "__main__":
    main()

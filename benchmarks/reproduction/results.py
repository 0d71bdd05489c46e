"""A table of the paper's benchmark: made by one run, kept as JSON, shown on the console and in docs/results/paper.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from instruments.machine import show

# name of a figure -> heading of its column, and how it is written
HEADINGS: dict[str, tuple[str, str]] = {
    "wer": ("word error rate %", ".1f"),
    "p808": ("P.808", ".2f"),
    "ovrl": ("OVRL", ".2f"),
    "forwards": ("forwards a second of audio", ".1f"),
    "rtf": ("real-time factor of tokens", ".4f"),
    "first_sound_ms": ("first sound, ms of processor time", ".0f"),
    "tokens_seen": ("training tokens", ",.0f"),
    "steps": ("training steps", ".0f"),
    "nats": ("cross entropy, nats a token", ".3f"),
    "gain": ("gain, nats", ".3f"),
    "kl": ("KL, nats", ".3f"),
    "mae_s": ("mean error, s", ".3f"),
    "relative": ("relative error %", ".1f"),
    "bias": ("bias %", ".1f"),
    "stretches": ("stretches", ".0f"),
    "rank": ("rank correlation of position and step", ".2f"),
    "left_first": ("left neighbour first %", ".0f"),
    "silent_step": ("mean step of silence %", ".0f"),
    "sounding_step": ("mean step of sound %", ".0f"),
    "forward_share": ("steps forward %", ".0f"),
    "correlation": ("correlation with the text", ".2f"),
    "error_ms": ("mean error of phoneme onsets, ms", ".0f"),
    "word_error_ms": ("of word onsets, ms", ".0f"),
    "flagged": ("words flagged %", ".1f"),
    "words": ("words", ".0f"),
    "forwards_ratio": ("times fewer forwards", ".1f"),
    "time_ratio": ("times less time", ".1f"),
}
_ERRORS = {"wer": "wer_error", "nats": "nats_error", "gain": "gain_error", "kl": "kl_error", "rank": "rank_error"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what it is, and its figures by name (HEADINGS); NAME_error is a standard error."""

    label: str
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class Table:
    """What one run found. `data` is what plots need beyond the rows."""

    name: str
    title: str
    layout: str
    voice: str
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)  # machine, set, limit

    @property
    def columns(self) -> list[str]:
        """Names of the figures that any row has, in the order of HEADINGS."""
        present = {name for row in self.rows for name in row.figures}
        return [name for name in HEADINGS if name in present]

    def cells(self) -> list[list[str]]:
        """The rows as they are written."""
        return [[row.label, *(written(row.figures, name) for name in self.columns)] for row in self.rows]

    def row(self, label: str) -> Row:
        """The row of that label.

        Raises:
            KeyError: there is none.
        """
        for row in self.rows:
            if row.label == label:
                return row
        raise KeyError(f"no row {label!r} in {self.name}; rows: {[row.label for row in self.rows]}")

    def markdown(self) -> str:
        """The table for docs/results/paper.md."""
        headings = ["", *(HEADINGS[name][0] for name in self.columns)]
        lines = [headings, ["---", *("---:" for _ in self.columns)], *self.cells()]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def show(self) -> None:
        """The table on the console."""
        title = f"{self.title} ({self.layout} layout, voice {self.voice})"
        show(title, ["", *(HEADINGS[name][0] for name in self.columns)], self.cells())


def written(figures: dict[str, float], name: str) -> str:
    """A figure as it stands in a table, with its standard error where there is one; empty where there is no figure."""
    if name not in figures:
        return ""
    value = format(figures[name], HEADINGS[name][1])
    error = _ERRORS.get(name, "")
    return f"{value} ± {format(figures[error], HEADINGS[name][1])}" if error in figures else value


def path_of(folder: Path, name: str, layout: str, voice: str) -> Path:
    """Where a table is kept."""
    return folder / f"{name}-{layout}-{voice}.json"


def save(folder: Path, table: Table) -> Path:
    """Keep a table; an older one of the same name, layout and voice is replaced."""
    path = path_of(folder, table.name, table.layout, table.voice)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(table), indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def load(folder: Path) -> dict[tuple[str, str, str], Table]:
    """All tables that were kept, by name, layout and voice."""
    tables = [_table(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*-*-*.json"))]
    return {(table.name, table.layout, table.voice): table for table in tables}


def _table(saved: dict[str, Any]) -> Table:
    rows = [Row(**row) for row in saved.pop("rows")]
    return Table(rows=rows, **saved)


def mean_and_error(values: Sequence[float] | Iterable[float]) -> tuple[float, float]:
    """Mean and its standard error; the latter is 0 for a single value."""
    numbers = list(values)
    mean = sum(numbers) / len(numbers)
    if len(numbers) < 2:
        return mean, 0.0
    variance = sum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1)
    return mean, (variance / len(numbers)) ** 0.5

"""Pictures of the paper's benchmark, drawn from its tables alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from reproduction.results import Row, Table

Tables: TypeAlias = Mapping[tuple[str, str, str], Table]  # by name, layout, voice
DPI = 80


def steps(figure: Any, tables: list[Table]) -> None:
    """Word error rate and naturalness against steps, a line a layout and voice."""
    left, right = figure.subplots(1, 2)
    for table in tables:
        rows = [row for row in table.rows if row.label.endswith(" steps") and row.label.partition(" ")[0].isdecimal()]
        counts = [int(row.label.partition(" ")[0]) for row in rows]
        label = f"{table.layout}, {table.voice}"
        left.errorbar(counts, _of(rows, "wer"), yerr=_of(rows, "wer_error"), marker="o", capsize=3, label=label)
        right.plot(counts, _of(rows, "p808"), marker="o", label=label)
    for axis, name in ((left, "word error rate %"), (right, "DNSMOS P.808")):
        axis.set(xscale="log", xlabel="steps, whole utterance", ylabel=name)
        axis.set_xticks(counts, [str(count) for count in counts])
        axis.legend()


def conversion(figure: Any, tables: list[Table]) -> None:
    """Word error rate and naturalness against training tokens, a line a beginning."""
    left, right = figure.subplots(1, 2)
    table = tables[0]
    for run, numbers in table.data["curves"].items():
        rows = [table.rows[number] for number in numbers]
        millions = [row.figures["tokens_seen"] / 1e6 for row in rows]
        left.errorbar(millions, _of(rows, "wer"), yerr=_of(rows, "wer_error"), marker="o", capsize=3, label=run)
        right.plot(millions, _of(rows, "p808"), marker="o", label=run)
    for label, style in (("the parent itself, sampled as CosyVoice", "--"), ("the shipped voices", ":")):
        if not any(row.label == label for row in table.rows):
            continue
        figures = table.row(label).figures
        left.axhline(figures["wer"], linestyle=style, color="gray", label=label)
        right.axhline(figures["p808"], linestyle=style, color="gray", label=label)
    for axis, name in ((left, "word error rate %"), (right, "DNSMOS P.808")):
        axis.set(xlabel="training tokens, millions", ylabel=name)
        axis.legend(fontsize=7)
    left.set_ylim(0.5, 150)
    left.set_yscale("log")


def dependence(figure: Any, tables: list[Table]) -> None:
    """Gain of future and past by distance, with epsilon and the KL that it bounds."""
    axes = figure.subplots(1, len(tables), squeeze=False)[0]
    for axis, table in zip(axes, tables, strict=True):
        data = table.data
        names = [*(str(distance) for distance in data["distances"][:-1]), "all"]
        axis.plot(names, data["future"], marker="o", label="future, the past known")
        axis.plot(names, data["past"], marker="s", label="past, against text alone")
        axis.axhline(data["epsilon"], linestyle="--", color="C0", label="epsilon")
        axis.axhline(data["kl"], linestyle=":", color="C3", label="KL, both sides to causal")
        axis.set(
            title=f"{table.voice}, {table.layout} layout",
            xlabel="tokens of 40 ms",
            ylabel="gain, nats a token",
            ylim=(0, None),
        )
        axis.legend(fontsize=8)


def order(figure: Any, tables: list[Table]) -> None:
    """Which places of an utterance each step commits, a map a confidence."""
    maps = tables[0].data["heat"]
    axes = figure.subplots(1, len(maps), squeeze=False)[0]
    for axis, (name, shares) in zip(axes, maps.items(), strict=True):
        columns = list(zip(*shares, strict=True))
        axis.imshow(columns, aspect="auto", origin="lower", extent=(0, 1, 0, len(columns)), cmap="magma")
        axis.set(title=name, xlabel="place in the utterance", ylabel="step")


def alignment(figure: Any, tables: list[Table]) -> None:
    """The head that follows the text best, on one sentence."""
    axis = figure.subplots()
    columns = list(zip(*tables[0].data["attention"], strict=True))
    axis.imshow(columns, aspect="auto", origin="lower", cmap="magma")
    axis.set(title=tables[0].rows[0].label, xlabel="speech token", ylabel="phoneme of the text")


# name of a picture, and of the tables it is drawn from -> who draws it, and its size in inches
PICTURES: dict[str, tuple[Callable[[Any, list[Table]], None], tuple[float, float]]] = {
    "steps": (steps, (10, 3.6)),
    "conversion": (conversion, (10, 3.8)),
    "dependence": (dependence, (10, 3.8)),
    "order": (order, (11, 3.4)),
    "alignment": (alignment, (6, 3.6)),
}


def _of(rows: list[Row], name: str) -> list[float]:
    return [row.figures[name] for row in rows]


def draw(name: str, tables: list[Table], path: Path) -> None:
    """Draw one picture from the tables of that name."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    painter, size = PICTURES[name]
    figure = Figure(figsize=size, layout="constrained")
    painter(figure, tables)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI)

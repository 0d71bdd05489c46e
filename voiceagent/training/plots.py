"""Curves of a training run, one panel a figure that it logged; several runs share the panels, to be compared.

python -m voiceagent.training.plots runs/codec [runs/other ...] [-o curves.png]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

COLUMNS = 3
SMOOTHED_OVER = 25  # rows
_CLOCKS = ("step", "seconds")


def read_log(run: Path) -> dict[str, tuple[list[float], list[float]]]:
    """Minutes and values of every figure in `run/log.jsonl`; rows may hold different figures, a cut last row is left out."""
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        for name, value in row.items():
            if name not in _CLOCKS and isinstance(value, (int, float)):
                minutes, values = curves.setdefault(name, ([], []))
                minutes.append(row["seconds"] / 60)
                values.append(float(value))
    return curves


def draw_curves(runs: Sequence[Path], picture: Path | None = None) -> Path:
    """Draw the logs of `runs` and return the picture's path, by default `curves.png` in the first run.

    Raises:
        FileNotFoundError: a run has no log.jsonl.
        ValueError: the logs hold no figure.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    logs = {run.name: read_log(run) for run in runs}
    names = list(dict.fromkeys(name for log in logs.values() for name in log))
    if not names:
        raise ValueError(f"no figures in the logs of {', '.join(logs)}")
    rows = -(-len(names) // COLUMNS)
    figure, axes = pyplot.subplots(rows, COLUMNS, figsize=(5 * COLUMNS, 3 * rows), squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        for run, log in logs.items():
            if name in log:
                minutes, values = log[name]
                (line,) = axis.plot(minutes, values, alpha=0.25, linewidth=0.8)
                axis.plot(minutes, _smooth(values), color=line.get_color(), label=run)
        axis.set(title=name, xlabel="minutes")
        axis.grid(alpha=0.3)
        if len(logs) > 1:
            axis.legend(fontsize=8)
    for axis in axes.flat[len(names) :]:
        axis.remove()
    figure.tight_layout()
    path = picture or runs[0] / "curves.png"
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path


def _smooth(values: Sequence[float]) -> list[float]:
    """Running median: one bad step does not bend the curve."""
    reach = SMOOTHED_OVER // 2
    return [float(np.median(values[max(0, i - reach) : i + reach + 1])) for i in range(len(values))]


def main() -> None:
    """Draw and say where."""
    parser = argparse.ArgumentParser(
        prog="python -m voiceagent.training.plots", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("runs", type=Path, nargs="+", help="folders with log.jsonl")
    parser.add_argument("-o", "--output", type=Path, help="picture, by default curves.png in the first run")
    arguments = parser.parse_args()
    print(draw_curves(arguments.runs, arguments.output))


if __name__ == "__main__":
    main()

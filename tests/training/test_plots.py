"""Curves of logs as runs leave them: different figures in different rows, the last row cut."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from voiceagent.training.plots import draw_curves, read_log


def run_with(folder: Path, *rows: str) -> Path:
    folder.mkdir()
    (folder / "log.jsonl").write_text("\n".join(rows))
    return folder


def test_a_log_is_read_row_by_row(tmp_path: Path) -> None:
    run = run_with(
        tmp_path / "run",
        '{"step": 20, "seconds": 60, "loss": 2.0}',
        '{"step": 40, "seconds": 120, "loss": 1.0, "dev": 3}',
        '{"step": 60, "sec',
    )
    assert read_log(run) == {"loss": ([1.0, 2.0], [2.0, 1.0]), "dev": ([2.0], [3.0])}


def test_runs_are_drawn_together(tmp_path: Path) -> None:
    runs = [
        run_with(tmp_path / name, f'{{"step": 1, "seconds": 6, "{figure}": 1.5, "loss": 2}}')
        for name, figure in (("one", "a"), ("two", "b"))
    ]
    assert draw_curves(runs) == tmp_path / "one" / "curves.png"
    assert (tmp_path / "one" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        draw_curves([tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="no figures in the logs of empty"):
        draw_curves([run_with(tmp_path / "empty")])

"""The loop that every training runs in: steps until the time is spent, a log, a progress bar, checkpoints."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from voiceagent.training.device import Batch, batches
from voiceagent.training.optim import save

BatchIn = TypeVar("BatchIn", contravariant=True)


class Trainer(Protocol[BatchIn]):
    """A training run as a value that can be saved."""

    step: int
    seconds: float

    def update(self, batch: BatchIn, share_done: float) -> dict[str, float]:
        """One step; returns the losses."""
        ...

    def state(self) -> dict[str, object]:
        """Everything a later run needs to go on."""
        ...


def spend(
    minutes: float,
    trainer: Trainer[Batch],
    next_batch: Callable[[], Batch],
    run: Path,
    *,
    saved: Callable[[], None] = lambda: None,
    log_every: int = 20,
    save_every_s: float = 120.0,
) -> None:
    """Train until `minutes` are spent in all; writes run/log.jsonl and run/last.pt, and calls `saved` after each checkpoint.

    Two steps of every `log_every` are logged, because some trainings alternate between two kinds.
    """
    run.mkdir(parents=True, exist_ok=True)
    budget_s = minutes * 60
    saved_at = began = time.monotonic() - trainer.seconds
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("step {task.fields[step]}"),
    )
    with (run / "log.jsonl").open("a") as log, Progress(*columns) as progress:
        task = progress.add_task(run.name, total=budget_s, step=trainer.step)
        for batch in batches(next_batch):
            if trainer.seconds >= budget_s:
                break
            losses = trainer.update(batch, trainer.seconds / budget_s)
            trainer.seconds = time.monotonic() - began
            progress.update(task, completed=trainer.seconds, step=trainer.step)
            if trainer.step % log_every < 2:
                row = {"step": trainer.step, "seconds": round(trainer.seconds, 1)}
                print(json.dumps(row | {k: round(v, 4) for k, v in losses.items()}), file=log, flush=True)
            if time.monotonic() - saved_at > save_every_s or trainer.seconds >= budget_s:
                save(run / "last.pt", trainer.state)
                saved()
                saved_at = time.monotonic()

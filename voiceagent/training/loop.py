"""The loop that every training runs in: steps until the time is spent, a log, a progress bar, checkpoints."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Container
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Generic

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from voiceagent.errors import ModelError
from voiceagent.training.alphabet import grown
from voiceagent.training.device import Batch, batches
from voiceagent.training.optim import Average, descend, save, set_learning_rate, warm_up_then_decay

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Trainer(ABC, Generic[Batch]):
    """A training run as a value that can be saved and resumed.

    `modules` are saved under their names; the first, whose shape is `config`, is averaged over the steps.
    """

    def __init__(
        self,
        modules: dict[str, nn.Module],
        config: DataclassInstance,
        optimizers: list[torch.optim.Optimizer],
        *,
        decay: float = 0.999,
    ) -> None:
        self._modules, self._config, self._decay = modules, config, decay
        self.optimizers = optimizers
        self.average = Average(next(iter(modules.values())), decay)
        self.step, self.seconds = 0, 0.0

    @abstractmethod
    def update(self, batch: Batch, share_done: float) -> dict[str, float]:
        """One step; returns the losses."""

    def descend(self, losses: dict[str, Tensor], share_done: float, *, clip: float) -> dict[str, float]:
        """One step down the sum of the losses, at the rate that suits the share of the time that is gone."""
        set_learning_rate(self.optimizers, warm_up_then_decay(share_done))
        values = descend(losses, self.optimizers, clip=clip)
        self.step += 1
        self.average.update(self.step)
        return values

    def state(self) -> dict[str, object]:
        """Everything a later run needs to go on."""
        return {name: module.state_dict() for name, module in self._modules.items()} | {
            "config": asdict(self._config),
            "average": self.average.shadow,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "seconds": self.seconds,
        }

    def weights(self) -> dict[str, object]:
        """What is needed to use the averaged weights and no more: a third of the size."""
        return {k: v for k, v in self.state().items() if k not in self._modules and k != "optimizers"}

    def resume(self, checkpoint: Path) -> None:
        """Go on from a checkpoint; one that was made of weights that ship has no optimisers, which then begin afresh."""
        saved = torch.load(checkpoint, map_location="cpu", weights_only=False)
        for name, module in self._modules.items():
            module.load_state_dict(grown(saved[name], module))
        self.average.restore(saved["average"])
        if saved["optimizers"]:
            for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
                optimizer.load_state_dict(state)
        self.step, self.seconds = saved["step"], saved["seconds"]

    def begin_with(self, checkpoint: Path) -> None:
        """Take the averaged weights of another run; what hears styles begins at zero where that run knew none."""
        saved = torch.load(checkpoint, map_location="cpu", weights_only=False)
        known = grown(saved["average"], self.average.module)
        missing, unknown = self.average.module.load_state_dict(known, strict=False)
        if unknown or not all(name.rpartition(".")[2] == "style" or "frame_voice" in name for name in missing):
            raise ModelError(f"{checkpoint} is of another shape: it lacks {missing} and has {unknown} besides")
        self.average = Average(self.average.module, self._decay)

    def begin(self, run: Path, start: Path | None = None) -> None:
        """Go on with a run where it stopped; a new one takes the averaged weights of `start`, if there is one."""
        if (run / "last.pt").exists():
            self.resume(run / "last.pt")
        elif start is not None:
            self.begin_with(start)


def spend(
    minutes: float,
    trainer: Trainer[Batch],
    next_batch: Callable[[], Batch],
    run: Path,
    *,
    saved: Callable[[], None] = lambda: None,
    keep: Container[int] = (),
    log_every: int = 20,
    save_every_s: float = 120.0,
) -> None:
    """Train until `minutes` are spent in all; writes run/log.jsonl and run/last.pt, and calls `saved` after each checkpoint.

    Of the steps in `keep` the averaged weights stay, as run/step-NNNNNN.pt.
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
            if trainer.step in keep:
                save(run / f"step-{trainer.step:06d}.pt", trainer.weights)
            if time.monotonic() - saved_at > save_every_s or trainer.seconds >= budget_s:
                save(run / "last.pt", trainer.state)
                saved()
                saved_at = time.monotonic()

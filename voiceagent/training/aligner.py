"""Train the aligner on tokens and the teachers' phoneme times: `voiceagent train aligner`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from voiceagent.model.aligner import LABEL_S, Aligner, AlignerConfig
from voiceagent.model.quantizer import FiniteScalarQuantizer
from voiceagent.training.device import autocast, use_device
from voiceagent.training.loop import spend
from voiceagent.training.optim import Average, descend, optimizers, set_learning_rate, warm_up_then_decay
from voiceagent.training.tokens import TokenSource, Window


@dataclass(frozen=True, slots=True)
class AlignerTraining:
    """How long and how large. `slip`: share of digits that are replaced by a neighbour, as other recordings would have them."""

    minutes: float = 4.0
    batch: int = 32
    tokens: int = 96
    phonemes: int = 128
    slip: float = 0.1
    muon_lr: float = 3e-3
    adamw_lr: float = 2e-3
    seed: int = 0
    threads: int = 1


class AlignerTrainer:
    """One run as a value that can be saved and resumed."""

    def __init__(self, config: AlignerConfig, training: AlignerTraining, levels: tuple[int, ...]) -> None:
        torch.manual_seed(training.seed)
        self.training = training
        self.model = Aligner(config)
        self.quantizer = FiniteScalarQuantizer(levels)
        self.optimizers = optimizers([self.model], muon_lr=training.muon_lr, adamw_lr=training.adamw_lr)
        self.average = Average(self.model, decay=0.995)
        self.step, self.seconds = 0, 0.0

    def update(self, window: Window, share_done: float) -> dict[str, float]:
        """One step; returns the loss and the share of labels that are right."""
        set_learning_rate(self.optimizers, warm_up_then_decay(share_done))
        digits = window.digits
        slipped = (digits + torch.randint(-1, 2, digits.shape)).clamp_min(0)
        slipped = torch.minimum(slipped, torch.tensor(self.quantizer.levels) - 1)
        digits = torch.where(torch.rand(digits.shape) < self.training.slip, slipped, digits)
        at = (torch.arange(2 * digits.shape[1]) + 0.5) * LABEL_S
        index = torch.searchsorted(window.ends_s.contiguous(), at.expand(len(digits), -1).contiguous(), right=True)
        labels = window.phonemes.gather(1, index.clamp_max(window.phonemes.shape[1] - 1))
        with autocast():
            logits = self.model(self.quantizer.values(digits))
        loss = F.cross_entropy(logits.float().flatten(0, 1), labels.flatten())
        right = (logits.argmax(-1) == labels).float().mean()
        values = descend({"phonemes": loss}, self.optimizers, clip=2.0)
        self.step += 1
        self.average.update(self.step)
        return values | {"right": float(right)}

    def state(self) -> dict[str, object]:
        """Everything a later run needs to go on."""
        return {
            "config": asdict(self.model.config),
            "model": self.model.state_dict(),
            "average": self.average.shadow,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "seconds": self.seconds,
        }

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint."""
        saved = torch.load(path, map_location="cpu", weights_only=False)
        self.model.load_state_dict(saved["model"])
        self.average.restore(saved["average"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.step, self.seconds = saved["step"], saved["seconds"]


def train_aligner(
    tokens: Path, run: Path, training: AlignerTraining, *, levels: tuple[int, ...], voices: tuple[str, ...]
) -> None:
    """Train until `minutes` are spent; resumes by itself."""
    use_device(training.threads)
    trainer = AlignerTrainer(AlignerConfig(), training, levels)
    if (run / "last.pt").exists():
        trainer.resume(run / "last.pt")
    odds = (1 / len(voices),) * len(voices)
    source = TokenSource(tokens, voices, odds=odds, seed=training.seed + trainer.step)
    spend(training.minutes, trainer, lambda: source.batch(training.batch, training.tokens, training.phonemes), run)

"""Train the aligner on tokens and the teachers' phoneme times: `voiceagent train aligner`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from voiceagent.model.codec.quantizer import FiniteScalarQuantizer
from voiceagent.model.lm.aligner import LABEL_S, Aligner, AlignerConfig
from voiceagent.training.device import autocast, use_device
from voiceagent.training.loop import Trainer, spend
from voiceagent.training.optim import optimizers
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


class AlignerTrainer(Trainer[Window]):
    """Phonemes from tokens."""

    def __init__(self, config: AlignerConfig, training: AlignerTraining, levels: tuple[int, ...]) -> None:
        torch.manual_seed(training.seed)
        self.training = training
        self.model = Aligner(config)
        self.quantizer = FiniteScalarQuantizer(levels)
        super().__init__(
            {"model": self.model},
            config,
            optimizers([self.model], muon_lr=training.muon_lr, adamw_lr=training.adamw_lr),
            decay=0.995,
        )

    def update(self, window: Window, share_done: float) -> dict[str, float]:
        """One step; returns the loss and the share of labels that are right."""
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
        return self.descend({"phonemes": loss}, share_done, clip=2.0) | {"right": float(right)}


def train_aligner(
    tokens: Path, run: Path, training: AlignerTraining, *, levels: tuple[int, ...], voices: tuple[str, ...]
) -> None:
    """Train until `minutes` are spent; resumes by itself."""
    use_device(training.threads)
    trainer = AlignerTrainer(AlignerConfig(), training, levels)
    trainer.begin(run)
    odds = (1 / len(voices),) * len(voices)
    source = TokenSource(tokens, voices, odds=odds, seed=training.seed + trainer.step)
    spend(training.minutes, trainer, lambda: source.batch(training.batch, training.tokens, training.phonemes), run)

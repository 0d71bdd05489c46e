"""Train the layout with the text in the sequence: `voiceagent train parent --layout prefix`, then `convert --layout prefix`.

Masked diffusion as in `language_model.py`, on whole sentences. Streaming copies are [text; noisy; clean], the text visible to all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from voiceagent.model.language_model import LanguageModelConfig
from voiceagent.model.prefix import PrefixLanguageModel, positions, visible
from voiceagent.training.device import autocast, use_device
from voiceagent.training.language_model import compiled, set_prior
from voiceagent.training.loop import Trainer, spend
from voiceagent.training.masking import Mask, block_causal, cross_entropy, draw_blocks, draw_masked, withheld
from voiceagent.training.optim import optimizers
from voiceagent.training.tokens import TokenSource, Utterances, WholeSentences


@dataclass(frozen=True, slots=True)
class PrefixTraining:
    """How long and how large."""

    minutes: float = 30.0
    tokens: int = 1536  # a batch, padding included
    longest: int = 176  # tokens of a row, 7 s
    blocks: tuple[int, ...] = (6, 8, 12, 16, 24, 32)
    muon_lr: float = 3e-3
    adamw_lr: float = 2e-3
    min_t: float = 0.05
    voice_odds: tuple[float, ...] = (0.6, 0.4)
    masks: tuple[Mask, ...] = ("offline", "streaming")  # step by step in turn; ("causal",) trains the parent
    seed: int = 0
    threads: int = 1
    compiled: bool = True
    keep: tuple[int, ...] = ()  # steps whose averaged weights stay


class PrefixTrainer(Trainer[Utterances]):
    """Causal or masked, one mask after the other."""

    def __init__(self, config: LanguageModelConfig, training: PrefixTraining) -> None:
        torch.manual_seed(training.seed)
        self.training = training
        self.model = PrefixLanguageModel(config)
        super().__init__(
            {"model": self.model},
            config,
            optimizers([self.model], muon_lr=training.muon_lr, adamw_lr=training.adamw_lr),
        )
        self.predict = compiled(self.model.forward, dynamic=True) if training.compiled else self.model.forward

    def losses(self, batch: Utterances) -> dict[str, Tensor]:
        """Forward pass on a batch: nats a token, masked tokens weighted 1/t."""
        name = self.training.masks[self.step % len(self.training.masks)]
        with autocast():
            logits, masked, weight = self._noisy(batch, name)
        per_token = cross_entropy(logits, batch.digits) * masked * batch.spoken
        return {name: (per_token * weight).sum() / batch.spoken.sum()}

    def _noisy(self, batch: Utterances, mask: Mask) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """Logits of every token given noised slots, which tokens were masked, and their 1/t."""
        rows, tokens = batch.spoken.shape
        where, spoken, seen = positions(batch.present, batch.spoken), batch.spoken, None
        if mask == "causal":  # every token from those before it, none masked
            masked, weight = torch.ones_like(spoken), torch.ones(spoken.shape)
            hidden, seen = torch.zeros_like(spoken), torch.ones(tokens, tokens, dtype=torch.bool).tril()
        else:
            whole = torch.zeros(tokens, dtype=torch.long)
            blocks = whole if mask == "offline" else draw_blocks(tokens, self.training.blocks)
            masked, weight = draw_masked(rows, blocks, self.training.min_t)
            hidden = withheld(masked, blocks)
        speech = self.model.speech(batch.digits, hidden, batch.voice)
        if mask == "streaming":
            clean = self.model.speech(batch.digits, torch.zeros_like(hidden), batch.voice)
            speech, spoken, seen = torch.cat((speech, clean), 1), spoken.repeat(1, 2), block_causal(blocks)
            where = torch.cat((where, where[..., -tokens:]), -1)
        text = self.model.text(batch.phonemes, batch.present)
        logits = self.predict(text, speech, where, visible(batch.present, spoken, seen))
        return tuple(digit[:, :tokens] for digit in logits), masked, weight

    def update(self, batch: Utterances, share_done: float) -> dict[str, float]:
        """One step; returns the losses."""
        return self.descend(self.losses(batch), share_done, clip=2.0)


def train_prefix(
    tokens: Path, run: Path, config: LanguageModelConfig, training: PrefixTraining, *, start: Path | None = None
) -> None:
    """Train until `minutes` are spent, logging to run/log.jsonl and saving run/last.pt every two minutes; resumes by itself.

    `start` is a checkpoint whose averaged weights a new run begins with: so autoregressive weights are converted.
    """
    use_device(training.threads)
    trainer = PrefixTrainer(config, training)
    trainer.begin(run, start)
    source = TokenSource(tokens, config.voices, odds=training.voice_odds, seed=training.seed + trainer.step)
    set_prior(trainer.model, trainer.average, source)
    sentences = WholeSentences(source, tokens=training.tokens, longest=training.longest)
    spend(training.minutes, trainer, sentences.batch, run, saved=source.refresh, keep=training.keep)

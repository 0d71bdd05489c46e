"""Train the layout with the text in the sequence: `voiceagent train parent --layout prefix`, then `convert --layout prefix`.

Masked diffusion as in `language_model.py`, on whole sentences. Half of the steps of the mix are streams: the text arrives stretch
by stretch (stretches.py), and behind it stand [noisy; clean] copies of the speech.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from voiceagent.model.config import LanguageModelConfig
from voiceagent.training.device import autocast, use_device
from voiceagent.training.language_model import compiled, set_prior
from voiceagent.training.loop import Trainer, spend
from voiceagent.training.masking import Mask, block_causal, cross_entropy, draw_blocks, draw_masked, withheld
from voiceagent.training.optim import optimizers
from voiceagent.training.prefix.layout import PrefixLanguageModel, positions, visible
from voiceagent.training.prefix.stretches import Chunking
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
    chunking: Chunking = field(default_factory=Chunking)
    shift: bool = True  # slot i holds token i - 1; without it (an ablation) token i itself
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

    def state(self) -> dict[str, object]:
        """Everything a later run needs to go on, and how this one was made."""
        return super().state() | {"training": asdict(self.training)}

    def losses(self, batch: Utterances) -> dict[str, Tensor]:
        """Forward pass on a batch: nats a token, masked tokens weighted 1/t."""
        name = self.training.masks[self.step % len(self.training.masks)]
        with autocast():
            logits, masked, weight = self._noisy(batch, name)
        per_token = cross_entropy(logits, batch.digits) * masked * batch.spoken
        return {name: (per_token * weight).sum() / batch.spoken.sum()}

    def _noisy(self, batch: Utterances, mask: Mask) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """Logits of every token given noised slots, which tokens were masked, and their 1/t."""
        if mask == "streaming":
            return self._streamed(batch)
        where, spoken, seen = positions(batch.present, batch.spoken), batch.spoken, None
        if mask == "causal":  # every token from those before it, none masked
            masked, weight = torch.ones_like(spoken), torch.ones(spoken.shape)
            hidden, seen = torch.zeros_like(spoken), torch.ones(2 * spoken.shape[1:], dtype=torch.bool).tril()
        else:
            masked, weight = draw_masked(torch.zeros(spoken.shape, dtype=torch.long), self.training.min_t)
            hidden = masked
        speech = self.model.speech(batch.digits, hidden, batch.voice, shift=self.training.shift)
        text = self.model.text(batch.phonemes, batch.present)
        return self.predict(text, speech, where, visible(batch.present, spoken, seen)), masked, weight

    def _streamed(self, batch: Utterances) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """The same of a stream, block by block."""
        text, tokens = batch.streamed, batch.spoken.shape[1]
        blocks = draw_blocks(text.stretch, self.training.blocks)
        masked, weight = draw_masked(blocks, self.training.min_t)
        hidden = withheld(masked, blocks)
        copies = [self.model.speech(batch.digits, which, batch.voice) for which in (hidden, torch.zeros_like(hidden))]
        slots = torch.arange(tokens).expand_as(batch.spoken)
        where = torch.cat((text.positions, slots, slots), 1)[:, None]
        arrival = torch.cat((text.arrival, text.stretch, text.stretch), 1)
        seen = visible(text.present, batch.spoken.repeat(1, 2), block_causal(blocks), arrival)
        logits = self.predict(self.model.text(text.phonemes, text.present), torch.cat(copies, 1), where, seen)
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
    sentences = WholeSentences(source, tokens=training.tokens, longest=training.longest, chunking=training.chunking)
    spend(training.minutes, trainer, sentences.batch, run, saved=source.refresh, keep=training.keep)

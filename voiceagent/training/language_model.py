"""Train the speech language model: `voiceagent train lm`.

Masked diffusion (LLaDA, arXiv 2502.09992): t ~ U(0, 1), each target token masked with probability t, cross entropy on masked
tokens weighted 1/t. Half of the steps see everything (offline, editing); half see [noisy ; clean] copies under the block-causal
mask of BD3-LM (arXiv 2503.09573), so that one set of weights also streams. Text beyond a random word is hidden from the first
part of a window, because a stream knows no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceagent.model.config import LanguageModelConfig
from voiceagent.model.lm import transformer
from voiceagent.model.lm.language_model import Alignment, SpeechLanguageModel, TokenModel, align
from voiceagent.model.symbols import INDEX
from voiceagent.model.voices import VoiceSpace
from voiceagent.training.device import autocast, use_device
from voiceagent.training.loop import Trainer, spend
from voiceagent.training.masking import Mask, block_causal, cross_entropy, draw_blocks, draw_masked, withheld
from voiceagent.training.optim import Average, optimizers
from voiceagent.training.tokens import TokenSource, Window

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class LanguageModelTraining:
    """How long and how large."""

    minutes: float = 60.0
    batch: int = 8
    tokens: int = 320
    streaming_tokens: int = 192
    phonemes: int = 288
    blocks: tuple[int, ...] = (6, 8, 12, 16, 24, 32)
    muon_lr: float = 3e-3
    adamw_lr: float = 2e-3
    min_t: float = 0.05
    voice_odds: tuple[float, ...] = (0.6, 0.4)
    masks: tuple[Mask, ...] = (
        "offline",
        "streaming",
    )  # step by step in turn; ("causal",) trains the autoregressive parent
    shift: bool = True  # slot i holds token i - 1; without it (an ablation) token i itself
    seed: int = 0
    threads: int = 1
    compiled: bool = True
    keep: tuple[int, ...] = ()  # steps whose averaged weights stay
    folders: tuple[str, ...] = ()  # of the tokens; by default one a voice


def compiled(forward: Callable[P, R], *, dynamic: bool | None = None) -> Callable[P, R]:
    """A forward pass, compiled; `dynamic` where shapes differ from call to call.

    Compiled for a CPU, the backward pass of attention returned NaN (torch 2.13), so there it stays as it is.
    """
    if torch.get_default_device().type == "cpu":
        transformer.attend = torch.compiler.disable(transformer.attend)
    return torch.compile(forward, dynamic=dynamic)


class LanguageModelTrainer(Trainer[Window]):
    """Causal or masked, one mask after the other."""

    def __init__(self, config: LanguageModelConfig, training: LanguageModelTraining) -> None:
        torch.manual_seed(training.seed)
        self.training = training
        self.model = SpeechLanguageModel(config)
        super().__init__(
            {"model": self.model},
            config,
            optimizers([self.model], muon_lr=training.muon_lr, adamw_lr=training.adamw_lr),
        )
        self.encode, self.predict = self.model.text.forward, self.model.forward
        if training.compiled:
            self.encode, self.predict = compiled(self.encode), compiled(self.predict)

    def state(self) -> dict[str, object]:
        """Everything a later run needs to go on, and how this one was made."""
        return super().state() | {"training": asdict(self.training)}

    def conditioned(self, window: Window) -> tuple[Tensor, Tensor]:
        """What tokens -1 .. T - 1 say (B, T + 1, C), and the loss of the durations.

        Half of the rows are encoded twice: with all text, and with the text after a random word (and 0 to 2 words more) hidden.
        """
        batch, count = window.phonemes.shape
        gap = (window.phonemes == INDEX[" "]) & window.present
        odds = torch.where(gap.any(1, keepdim=True), gap, window.present).float()
        cut = torch.multinomial(odds, 1)  # the last phoneme of the first part
        words = gap.cumsum(1)
        ahead = torch.randint(0, 3, (batch, 1))
        seen = window.present & (words <= words.gather(1, cut) + ahead)
        short = slice(0, batch // 2)  # rows that are encoded a second time
        visible = torch.cat((window.present, seen[short]))[:, None, None, :]
        encodings, log_durations = self.encode(
            torch.cat((window.phonemes, window.phonemes[short])),
            torch.cat((window.voice, window.voice[short])),
            visible,
        )
        durations = torch.log((window.ends_s - window.starts_s).clamp_min(0.004) / 0.04)
        known = torch.cat((window.present, (window.present & (torch.arange(count) <= cut))[short]))
        known[:, 0] = False  # the first may have begun before the window
        error = F.smooth_l1_loss(log_durations, torch.cat((durations, durations[short])), reduction="none", beta=0.3)
        duration_loss = (error * known).sum() / known.sum()
        whole = align(window.starts_s, window.ends_s, -1, window.digits.shape[1] + 1)
        said = self.model.condition(encodings[:batch].float(), whole)
        part = Alignment(whole.phoneme[short], whole.timing[short])
        early = window.starts_s.gather(1, cut)[short] > (torch.arange(-1, window.digits.shape[1]) + 0.5) / 25
        hidden = self.model.condition(encodings[batch:].float(), part)
        return torch.cat((torch.where(early[..., None], hidden, said[short]), said[batch // 2 :])), duration_loss

    def losses(self, window: Window) -> dict[str, Tensor]:
        """Forward pass on a batch; the sum of the values is what is minimised."""
        name = self.training.masks[self.step % len(self.training.masks)]
        if name == "streaming":  # two copies of everything, so a shorter window
            window = replace(window, digits=window.digits[:, : self.training.streaming_tokens])
        with autocast():
            said, duration_loss = self.conditioned(window)
            logits, masked, weight = self._noisy(window, said.float(), name)
        per_token = cross_entropy(logits, window.digits) * masked
        return {name: (per_token * weight).mean(), "durations": duration_loss}

    def _noisy(self, window: Window, said: Tensor, mask: Mask) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """Logits of every token given noised slots, which tokens were masked, and their 1/t."""
        batch, tokens, _ = window.digits.shape
        shifted = torch.cat((window.before[:, None], window.digits[:, :-1]), 1)
        begin = F.pad(window.begin[:, None], (0, tokens - 1))
        positions = torch.arange(tokens)
        if mask == "causal":  # every token from those before it, none masked
            slots = self._slots(window, said, shifted, torch.zeros_like(begin), begin)
            seen = positions[:, None] >= positions[None, :]
            logits, _, _ = self.predict(slots, positions, seen[None, None])
            everything = torch.ones_like(begin)
            return logits, everything, everything.float()
        whole = torch.zeros_like(positions)
        blocks = whole if mask == "offline" else draw_blocks(whole, self.training.blocks)
        masked, weight = draw_masked(blocks.expand(batch, -1), self.training.min_t)
        hidden = F.pad(withheld(masked, blocks)[:, :-1], (1, 0))
        if not self.training.shift:
            slots = self._slots(window, said, window.digits, masked, torch.zeros_like(begin))
            logits, _, _ = self.predict(slots, positions)
            return logits, masked, weight
        if mask == "offline":
            logits, _, _ = self.predict(self._slots(window, said, shifted, hidden, begin), positions)
            return logits, masked, weight
        copies = [self._slots(window, said, shifted, which, begin) for which in (hidden, torch.zeros_like(hidden))]
        both = torch.cat(copies, 1)
        logits, _, _ = self.predict(both, positions.repeat(2), block_causal(blocks)[None, None])
        return tuple(digit[:, :tokens] for digit in logits), masked, weight

    def _slots(self, window: Window, said: Tensor, held: Tensor, masked: Tensor, begin: Tensor) -> Tensor:
        """Inputs of the transformer."""
        embedded = self.model.embed(held, masked, begin)
        return self.model.slots(embedded, said[:, :-1], said[:, 1:], window.voice)

    def update(self, window: Window, share_done: float) -> dict[str, float]:
        """One step; returns the losses."""
        return self.descend(self.losses(window), share_done, clip=2.0)


def set_prior(model: TokenModel, average: Average, source: TokenSource) -> None:
    """Measure the log marginal of every digit in the corpus."""
    counts = [torch.ones(level, device="cpu") for level in model.config.levels]
    for sentence in (s for sentences in source.sentences for s in sentences[:4000]):
        for d, count in enumerate(counts):
            count += torch.bincount(torch.from_numpy(sentence.digits[:, d].astype("int64")), minlength=len(count))
    prior = torch.cat([torch.log(count / count.sum()) for count in counts])
    model.log_prior.copy_(prior)
    average.shadow["log_prior"].copy_(prior)


def train_language_model(
    tokens: Path,
    run: Path,
    config: LanguageModelConfig,
    training: LanguageModelTraining,
    *,
    start: Path | None = None,
    space: VoiceSpace | None = None,
) -> None:
    """Train until `minutes` are spent, logging to run/log.jsonl and saving run/last.pt every two minutes; resumes by itself.

    `start` is a checkpoint whose averaged weights a new run begins with: so autoregressive weights are converted. `space` knows
    the voices of sentences that name theirs.
    """
    use_device(training.threads)
    trainer = LanguageModelTrainer(config, training)
    trainer.begin(run, start)
    folders = training.folders or config.voices
    source = TokenSource(tokens, folders, odds=training.voice_odds, seed=training.seed + trainer.step, space=space)
    set_prior(trainer.model, trainer.average, source)
    spend(
        training.minutes,
        trainer,
        lambda: source.batch(training.batch, training.tokens, training.phonemes),
        run,
        saved=source.refresh,
        keep=training.keep,
    )

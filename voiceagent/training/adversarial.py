"""The adversarial stage of the codec's decoder; the tokens are frozen. `voiceagent train codec --adversarial`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voiceagent.model.codec import vocoder as source
from voiceagent.model.codec.codec import Codec
from voiceagent.model.codec.constants import HOP, NOISE_FRAMES
from voiceagent.model.config import CodecConfig
from voiceagent.model.symbols import INDEX
from voiceagent.model.voices import VoiceSpace
from voiceagent.training.codec import ANY_VOICE
from voiceagent.training.crops import Crop, CropSource
from voiceagent.training.device import autocast, use_device
from voiceagent.training.discriminators import Discriminators, discriminator_loss, generator_losses
from voiceagent.training.loop import Trainer, spend
from voiceagent.training.losses import SpectralLoss, pitch_loss
from voiceagent.training.optim import descend, optimizers, set_learning_rate, warm_up_then_decay


@dataclass(frozen=True, slots=True)
class AdversarialTraining:
    """How long and how large."""

    minutes: float = 60.0
    batch: int = 8
    tokens: int = 32
    muon_lr: float = 1e-3
    adamw_lr: float = 5e-4
    judge_lr: float = 8e-4
    adversarial_weight: float = 0.3
    matching_weight: float = 1.0
    hours: float = 6.0
    alone_steps: int = 100  # the discriminators learn alone first
    seed: int = 1
    threads: int = 1
    compiled: bool = True
    folders: tuple[str, ...] = ()  # of the corpus; by default one a voice
    odds: tuple[float, ...] = ()  # how often each folder has its turn


class AdversarialTrainer(Trainer[Crop]):
    """The decoder against its discriminators."""

    def __init__(self, config: CodecConfig, training: AdversarialTraining) -> None:
        torch.manual_seed(training.seed)
        self.training = training
        self.codec = Codec(config)
        self.codec.encoder.requires_grad_(False)
        self.judges = Discriminators()
        self.opinion = torch.compile(self.judges.forward) if training.compiled else self.judges.forward
        self.spectral = SpectralLoss()
        judges = torch.optim.AdamW(self.judges.parameters(), lr=training.judge_lr, betas=(0.8, 0.99), weight_decay=0.0)
        judges.param_groups[0]["base_lr"] = training.judge_lr
        decoder = optimizers([self.codec.decoder], muon_lr=training.muon_lr, adamw_lr=training.adamw_lr)
        super().__init__({"codec": self.codec, "judges": self.judges}, config, [judges, *decoder], decay=0.998)
        self.features: Callable[..., Any] = self.codec.decoder.features
        self.synthesize: Callable[..., Any] = source.synthesize
        self.encode: Callable[..., Any] = self.codec.encoder.forward
        self.judge: Callable[..., Any] = self.spectral.forward
        if training.compiled:
            self.features, self.synthesize, self.encode, self.judge = (
                torch.compile(f) for f in (self.features, self.synthesize, self.encode, self.judge)
            )

    def make(self, crop: Crop) -> tuple[Tensor, Tensor, Tensor]:
        """Decode a crop: what was made and the truth, both without their edges, and the predicted pitch."""
        with autocast():
            with torch.no_grad():
                values = self.codec.quantizer(self.encode(crop.samples))
            voice = crop.voice * (torch.rand(len(crop.voice), 1) >= ANY_VOICE)
            filters, pitch, _, _ = self.features(values, voice)
        offset = int(torch.randint(NOISE_FRAMES, (), device="cpu"))
        noise = self.codec.decoder.noise[(torch.arange(filters.shape[1]) + offset) % NOISE_FRAMES]
        made = self.synthesize(filters, crop.f0_hz, noise, phase=torch.rand(len(crop.f0_hz), dtype=torch.float64))
        inner = slice(8 * HOP, -8 * HOP)
        return made[:, inner], crop.samples[:, inner], pitch

    def update(self, crop: Crop, share_done: float) -> dict[str, float]:
        """One step of the discriminators and one of the decoder."""
        set_learning_rate(self.optimizers, warm_up_then_decay(share_done))
        judges, *decoder = self.optimizers
        made, true, pitch = self.make(crop)
        with autocast():
            against = discriminator_loss(self.opinion(true), self.opinion(made.detach()))
        against.backward()
        judges.step()
        judges.zero_grad(set_to_none=True)
        losses = {"spectral": self.judge(made, true), "pitch": 0.5 * pitch_loss(pitch, crop.f0_hz)}
        if self.step >= self.training.alone_steps:
            with autocast(), torch.no_grad():
                real = self.opinion(true)
            with autocast():
                fooled, matching = generator_losses(real, self.opinion(made))
            losses |= {
                "fooled": self.training.adversarial_weight * fooled,
                "matching": self.training.matching_weight * matching,
            }
        values = descend(losses, decoder, clip=10.0)
        judges.zero_grad(set_to_none=True)  # the decoder's losses went through them
        self.step += 1
        self.average.update(self.step + 1000)
        return values | {"against": float(against.detach())}


def train_adversarially(
    corpus: Path,
    run: Path,
    config: CodecConfig,
    training: AdversarialTraining,
    *,
    start: Path,
    space: VoiceSpace | None = None,
) -> None:
    """Train the decoder until `minutes` are spent, beginning with the codec in `start`; resumes by itself.

    `space` knows the voices that are styles.
    """
    use_device(training.threads)
    trainer = AdversarialTrainer(config, training)
    trainer.begin(run, start)
    crops = CropSource(
        corpus,
        training.folders or config.voices,
        INDEX,
        space=space or VoiceSpace(config.voices, config.style_width),
        hours=training.hours,
        seed=training.seed + trainer.step,
        odds=training.odds,
    )
    spend(training.minutes, trainer, lambda: crops.batch(training.batch, training.tokens), run)

"""Train the codec: `voiceagent train codec`.

Encoder, quantiser and decoder learn jointly from waveforms (multi-resolution STFT + mel), with the teacher's F0 driving the source
and a phoneme classifier on the quantised values, which keeps what a listener needs in the tokens. With `decoder_only` the tokens
are frozen and the decoder goes on alone, so that a language model can be trained on the same tokens meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceagent.model.codec import vocoder as source
from voiceagent.model.codec.codec import Codec
from voiceagent.model.codec.constants import HOP, NOISE_FRAMES
from voiceagent.model.codec.layers import ContextBlock
from voiceagent.model.config import LABELS_PER_TOKEN, CodecConfig
from voiceagent.model.symbols import INDEX, SYMBOLS
from voiceagent.model.voices import VoiceSpace
from voiceagent.training.crops import Crop, CropSource
from voiceagent.training.device import autocast, use_device
from voiceagent.training.loop import Trainer, spend
from voiceagent.training.losses import SpectralLoss, pitch_loss
from voiceagent.training.optim import optimizers

ANY_VOICE = 0.15  # how often the decoder is not told whose voice it is


@dataclass(frozen=True, slots=True)
class CodecTraining:
    """How long and how large."""

    minutes: float = 60.0
    batch: int = 16
    tokens: int = 48
    muon_lr: float = 3e-3
    adamw_lr: float = 2e-3
    hours: float = 6.0
    phoneme_weight: float = 0.3
    decoder_only: bool = False
    seed: int = 0
    threads: int = 1
    compiled: bool = True
    folders: tuple[str, ...] = ()  # of the corpus; by default one a voice
    odds: tuple[float, ...] = ()  # how often each folder has its turn


class PhonemeProbe(nn.Module):
    """Quantised values (B, T, 6) -> logits (B, T * 2, symbols): are the words still in the tokens?"""

    def __init__(self, digits: int, symbols: int, width: int = 128) -> None:
        super().__init__()
        self.into = nn.Linear(digits, width)
        self.mix = ContextBlock(width, 2 * width, left=1, right=1)
        self.out = nn.Linear(width, LABELS_PER_TOKEN * symbols)

    def forward(self, values: Tensor) -> Tensor:
        x, _ = self.mix(self.into(values))
        logits: Tensor = self.out(x).unflatten(2, (LABELS_PER_TOKEN, -1))
        return logits.flatten(1, 2)


class CodecTrainer(Trainer[Crop]):
    """Encoder, quantiser and decoder together, or the decoder alone."""

    def __init__(self, config: CodecConfig, training: CodecTraining) -> None:
        torch.manual_seed(training.seed)
        self.training = training
        self.codec = Codec(config)
        self.probe = PhonemeProbe(len(config.levels), len(SYMBOLS))
        self.spectral = SpectralLoss()
        self.features: Callable[..., Any] = self.codec.decoder.features
        self.synthesize: Callable[..., Any] = source.synthesize
        self.encode: Callable[..., Any] = self.codec.encoder.forward
        self.judge: Callable[..., Any] = self.spectral.forward
        if training.compiled:  # fusing the elementwise work makes a step two to three times faster on a CPU
            self.features, self.synthesize, self.encode, self.judge = (
                torch.compile(f) for f in (self.features, self.synthesize, self.encode, self.judge)
            )
        trained: list[nn.Module] = [self.codec.decoder]
        if training.decoder_only:
            self.codec.encoder.requires_grad_(False)
        else:
            trained += [self.codec.encoder, self.probe]
        super().__init__(
            {"codec": self.codec, "probe": self.probe},
            config,
            optimizers(trained, muon_lr=training.muon_lr, adamw_lr=training.adamw_lr),
        )

    def losses(self, crop: Crop) -> dict[str, Tensor]:
        """Forward pass on a batch; the sum of the values is what is minimised."""
        with autocast():
            latent = self.encode(crop.samples)
            values = self.codec.quantizer(latent)
            voice = crop.voice * (torch.rand(len(crop.voice), 1) >= ANY_VOICE)
            filters, pitch, _, _ = self.features(values, voice)
            probe = None if self.training.decoder_only else self.probe(values)
        frames = filters.shape[1]
        offset = int(torch.randint(NOISE_FRAMES, (), device="cpu"))
        noise = self.codec.decoder.noise[(torch.arange(frames) + offset) % NOISE_FRAMES]
        made = self.synthesize(filters, crop.f0_hz, noise, phase=torch.rand(len(crop.f0_hz), dtype=torch.float64))
        # the first frames lack their left context, the last their right
        inner = slice(8 * HOP, -8 * HOP)
        losses = {
            "spectral": self.judge(made[:, inner], crop.samples[:, inner]),
            "pitch": 0.5 * pitch_loss(pitch, crop.f0_hz),
        }
        if probe is not None:
            # latents of zero mean and unit spread use all levels; without this some digits saturate early and stay so
            spread, centre = torch.std_mean(latent.float(), dim=(0, 1))
            losses["codes"] = 0.2 * (centre.square() + (spread - 1).square()).mean()
            losses["phonemes"] = self.training.phoneme_weight * F.cross_entropy(
                probe.float().flatten(0, 1), crop.phonemes.flatten()
            )
        return losses

    def update(self, crop: Crop, share_done: float) -> dict[str, float]:
        """One step; returns the losses."""
        return self.descend(self.losses(crop), share_done, clip=5.0)


def train_codec(
    corpus: Path,
    run: Path,
    config: CodecConfig,
    training: CodecTraining,
    *,
    start: Path | None = None,
    space: VoiceSpace | None = None,
) -> None:
    """Train until `minutes` are spent, logging to run/log.jsonl and saving run/last.pt every two minutes; resumes by itself.

    `start` is a checkpoint whose averaged weights a new run begins with: so the decoder goes on alone. `space` knows the
    voices that are styles.
    """
    use_device(training.threads)
    trainer = CodecTrainer(config, training)
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

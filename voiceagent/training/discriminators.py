"""Spectrogram discriminators for the adversarial stage of the decoder (UnivNet, arXiv 2106.07889; hinge loss).

They see compressed magnitudes at three resolutions, not phase: the source's phase is ours to choose.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Features = list[Tensor]


class SpectrogramDiscriminator(nn.Module):
    """One resolution: patches of the spectrogram, three frames by 32 bins, mixed with their neighbours by large products.

    The same receptive field as a stack of small 2-D convolutions, in a shape that a CPU's matrix units like.
    """

    window: Tensor

    def __init__(self, n_fft: int, channels: int = 64, bins: int = 32) -> None:
        super().__init__()
        self.n_fft, self.bins = n_fft, bins
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        bands = (n_fft // 2 + 1 - bins) // (bins // 2) + 1
        self.band = nn.Parameter(torch.zeros(bands, channels))
        self.patch = nn.Linear(3 * bins, channels)
        self.mix = nn.ModuleList(nn.Linear(9 * channels, channels) for _ in range(2))
        self.score = nn.Linear(channels, 1)

    def forward(self, samples: Tensor) -> tuple[Tensor, Features]:
        """Waveform (B, n) -> scores (B, frames, bands, 1) and the feature maps below."""
        frames = samples.unfold(1, self.n_fft, self.n_fft // 4) * self.window
        spectrum = torch.fft.rfft(frames)
        power = (spectrum.real.square() + spectrum.imag.square() + 1e-7).pow(0.15)
        x = power.unfold(2, self.bins, self.bins // 2)  # (B, T, bands, bins)
        x = torch.cat((x[:, :-2], x[:, 1:-1], x[:, 2:]), dim=-1)
        x = F.leaky_relu(self.patch(x) + self.band, 0.1)
        features = [x]
        for layer in self.mix:
            x = torch.cat((x[:, :-2], x[:, 1:-1], x[:, 2:]), dim=-1)
            x = torch.cat((x[:, :, :-2], x[:, :, 1:-1], x[:, :, 2:]), dim=-1)
            x = F.leaky_relu(layer(x), 0.1)
            features.append(x)
        return self.score(x), features


class Discriminators(nn.Module):
    """All resolutions."""

    def __init__(self, sizes: tuple[int, ...] = (512, 1024, 2048)) -> None:
        super().__init__()
        self.members = nn.ModuleList(SpectrogramDiscriminator(size) for size in sizes)

    def forward(self, samples: Tensor) -> list[tuple[Tensor, Features]]:
        """Waveform (B, n) -> what each thinks of it."""
        return [member(samples) for member in self.members]


def discriminator_loss(real: list[tuple[Tensor, Features]], made: list[tuple[Tensor, Features]]) -> Tensor:
    """Hinge: real above 1, made below -1."""
    terms = [
        F.relu(1 - r.float()).mean() + F.relu(1 + m.float()).mean() for (r, _), (m, _) in zip(real, made, strict=True)
    ]
    return torch.stack(terms).mean()


def generator_losses(real: list[tuple[Tensor, Features]], made: list[tuple[Tensor, Features]]) -> tuple[Tensor, Tensor]:
    """The adversarial and the feature-matching loss."""
    fooled = torch.stack([-m.float().mean() for m, _ in made]).mean()
    distances = [
        (ours.float() - theirs.float().detach()).abs().mean() / theirs.float().detach().abs().mean().clamp_min(1e-3)
        for (_, r), (_, m) in zip(real, made, strict=True)
        for theirs, ours in zip(r, m, strict=True)
    ]
    return fooled, torch.stack(distances).mean()

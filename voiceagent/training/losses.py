"""What a decoder is judged by while it learns."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceagent.model.codec.codec import mel_filters


class SpectralLoss(nn.Module):
    """Multi-resolution STFT (log magnitude and spectral convergence, arXiv 1910.11480) plus L1 on log-mel."""

    mel: Tensor

    def __init__(self, sizes: tuple[int, ...] = (256, 512, 1024, 2048), mels: int = 100, floor: float = 1e-3) -> None:
        super().__init__()
        self.sizes, self.floor = sizes, floor
        self.register_buffer("mel", mel_filters(mels, 1024), persistent=False)

    def magnitude(self, samples: Tensor, size: int) -> Tensor:
        """(B, n) -> (B, frames, bins)."""
        frames = samples.unfold(1, size, size // 4) * torch.hann_window(size, device=samples.device)
        spectrum = torch.fft.rfft(frames)
        return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-9)

    def forward(self, made: Tensor, true: Tensor) -> Tensor:
        """Two waveforms (B, n) -> a scalar."""
        total = made.new_zeros(())
        for size in self.sizes:
            ours, theirs = self.magnitude(made, size), self.magnitude(true, size)
            floor = self.floor * size / 64
            total = total + F.l1_loss(torch.log(ours + floor), torch.log(theirs + floor))
            total = total + torch.linalg.vector_norm(ours - theirs) / torch.linalg.vector_norm(theirs).clamp_min(1.0)
            if size == 1024:
                mel = self.floor * 4
                total = total + 3.0 * F.l1_loss(
                    torch.log(ours @ self.mel.T + mel), torch.log(theirs @ self.mel.T + mel)
                )
        return total


def pitch_loss(pitch: Tensor, f0_hz: Tensor) -> Tensor:
    """(B, F, 2), (B, F) -> L1 on log F0 where there is any, plus cross entropy of voicing."""
    voiced = (f0_hz > 0).float()
    distance = (pitch[..., 0] - torch.log(f0_hz.clamp_min(50.0) / 150.0)).abs() * voiced
    return 2 * distance.sum() / voiced.sum().clamp_min(1) + F.binary_cross_entropy_with_logits(pitch[..., 1], voiced)

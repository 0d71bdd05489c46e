"""Finite scalar quantisation (arXiv 2309.15505): a token is six digits, each a rounded coordinate."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class FiniteScalarQuantizer(nn.Module):
    """Levels 8,8,8,5,5,5 make 64,000 codes. Codes are kept as digits (..., 6); nothing needs the flat index."""

    half_width: Tensor  # (6,) (levels - 1) / 2
    even: Tensor  # (6,) 0.5 where the number of levels is even: the grid then has no point at zero

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.levels = tuple(levels)
        level = torch.tensor(self.levels, dtype=torch.float32)
        self.register_buffer("half_width", (level - 1) / 2, persistent=False)
        self.register_buffer("even", torch.where(level % 2 == 0, 0.5, 0.0), persistent=False)

    def forward(self, latent: Tensor) -> Tensor:
        """(..., 6) unbounded -> quantised, each in [-1, 1]; gradients pass straight through the rounding."""
        reach = self.half_width * 1.001
        bounded = torch.tanh(latent.float() + torch.atanh(self.even / reach)) * reach - self.even
        rounded = bounded + (bounded.round() - bounded).detach()
        return (rounded + self.even) / self.half_width

    def digits(self, quantised: Tensor) -> Tensor:
        """(..., 6) in [-1, 1] -> digits (..., 6) int64, each in [0, levels)."""
        return ((quantised + 1) * self.half_width).round().long()

    def values(self, digits: Tensor) -> Tensor:
        """The inverse of `digits`."""
        return digits / self.half_width - 1

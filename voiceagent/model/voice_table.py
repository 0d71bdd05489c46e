"""What a network in torch hears of a voice."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class VoiceTable(nn.Module):
    """What a network hears of a voice: its rows, and its style through a matrix that starts at zero.

    With `any_voice` there is one row more, which speaks as far as the rows do not: for a voice that is all style,
    wholly.
    """

    def __init__(self, rows: int, style_width: int, width: int, *, any_voice: bool = False) -> None:
        super().__init__()
        self.rows, self.style_width, self.any_voice = rows, style_width, any_voice
        self.weight = nn.Parameter(torch.randn(rows + any_voice, width))
        self.style = nn.Parameter(torch.zeros(style_width, width)) if style_width else None

    def forward(self, voice: Tensor) -> Tensor:
        """Rows (B,) int64, or vectors (B, rows + style_width) -> (B, width).

        Summed element by element: the bits of a product would depend on how many streams share it.
        """
        if not voice.is_floating_point():
            return self.weight[voice]
        shares = voice[:, : self.rows]
        if self.any_voice:
            shares = torch.cat((shares, 1 - shares.sum(1, keepdim=True)), dim=1)
        heard = (shares[..., None] * self.weight).sum(1)
        if self.style is not None:
            heard = heard + (voice[:, self.rows :, None] * self.style).sum(1)
        return heard

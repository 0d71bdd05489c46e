"""Streaming building blocks of the codec: a frame stack whose context is a value handed in and out.

Every layer works on (B, T, C) and is causal up to `right` frames. A whole utterance is one call with an empty context
and `final=True`; a stream is many calls. Both run the same code.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ContextBlock(nn.Module):
    """x + MLP(norm(x[t - left * dilation .. t + right])): neighbours are concatenated, so that all work is one large
    product.
    """

    def __init__(self, width: int, hidden: int, *, left: int = 2, right: int = 0, dilation: int = 1) -> None:
        super().__init__()
        assert right == 0 or dilation == 1
        self.left, self.right, self.dilation = left, right, dilation
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.up = nn.Linear((left + 1 + right) * width, hidden)
        self.activation: nn.Module = nn.GELU(approximate="tanh")
        self.down = nn.Linear(hidden, width)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    @property
    def context_frames(self) -> int:
        return self.left * self.dilation + self.right

    def empty_context(self, like: Tensor) -> Tensor:
        """The context before the first frame: silence to the left, nothing yet to the right."""
        return like.new_zeros(like.shape[0], self.left * self.dilation, like.shape[-1])

    def forward(self, x: Tensor, context: Tensor | None = None, *, final: bool = True) -> tuple[Tensor, Tensor]:
        """(B, T, C) -> the frames whose right neighbours are known, and the context for the next call."""
        x = torch.cat((self.empty_context(x) if context is None else context, x), dim=1)
        padded = F.pad(x, (0, 0, 0, self.right)) if final and self.right else x
        ready = padded.shape[1] - self.context_frames
        if ready <= 0:
            return x[:, :0], x
        h = self.norm(padded)
        taps = [h[:, i * self.dilation : i * self.dilation + ready] for i in range(self.left + 1 + self.right)]
        y = self.down(self.activation(self.up(torch.cat(taps, dim=-1))))
        start = self.left * self.dilation
        return x[:, start : start + ready] + y, x[:, ready:]


Context = tuple[Tensor | None, ...]


class FrameStack(nn.Module):
    """Blocks in a row; the context is one tensor a block."""

    def __init__(self, *blocks: ContextBlock) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, context: Context | None = None, *, final: bool = True) -> tuple[Tensor, Context]:
        """(B, T, C) -> (B, T', C) and the next context."""
        contexts = context or (None,) * len(self.blocks)
        after: list[Tensor | None] = []
        for block, before in zip(self.blocks, contexts, strict=True):
            x, kept = block(x, before, final=final)
            after.append(kept)
        return x, tuple(after)

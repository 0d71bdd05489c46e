"""What masked diffusion hides and who then sees whom, for both layouts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

Mask: TypeAlias = Literal["offline", "streaming", "causal"]


def block_causal(blocks: Tensor) -> Tensor:
    """Block numbers (..., T) -> who sees whom among [noisy ; clean] copies, (..., 2T, 2T) bool (BD3-LM, arXiv 2503.09573).

    Noisy slots see their own block and clean blocks before it; clean slots see clean blocks up to their own.
    """
    same = blocks[..., :, None] == blocks[..., None, :]
    before = blocks[..., :, None] > blocks[..., None, :]
    noisy = torch.cat((same, before), -1)
    clean = torch.cat((torch.zeros_like(same), same | before), -1)
    return torch.cat((noisy, clean), -2)


def draw_blocks(stretch: Tensor, sizes: Sequence[int]) -> Tensor:
    """Cut tokens into blocks of one of the sizes, the first of which may be shorter -> block numbers, in order, (..., T).

    None reaches from one stretch into the next; `stretch` (..., T) says which each token belongs to, in order.
    """
    size = sizes[int(torch.randint(len(sizes), (), device="cpu"))]
    skipped = int(torch.randint(size, (), device="cpu"))
    place = torch.arange(stretch.shape[-1]).expand_as(stretch)
    begins = F.pad(stretch[..., 1:] != stretch[..., :-1], (1, 0))
    since = place - torch.where(begins, place, torch.zeros_like(place)).cummax(-1).values
    opens = begins | ((since + skipped) % size == 0)
    return opens.cumsum(-1)


def draw_masked(blocks: Tensor, min_t: float) -> tuple[Tensor, Tensor]:
    """For each row and block (B, T) t ~ U(0, 1), at least min_t, odds of being masked -> masked and 1/t, (B, T) each."""
    t = torch.rand(len(blocks), blocks.shape[1] + 1).clamp_min(min_t).gather(1, blocks)
    return torch.rand(t.shape) < t, 1 / t


def withheld(masked: Tensor, blocks: Tensor) -> Tensor:
    """Tokens that the slot after them does not hold: masked (B, T), block numbers (B or 1, T) -> (B, T).

    The slot that opens a block holds the last token of the block before, which is committed.
    """
    return masked & (blocks == F.pad(blocks[..., 1:], (0, 1), value=-1))


def cross_entropy(logits: Sequence[Tensor], digits: Tensor) -> Tensor:
    """One tensor (B, T, levels) a digit, the truth (B, T, digits) -> nats a token (B, T), summed over digits."""
    parts = [F.cross_entropy(part.transpose(1, 2), digits[..., d], reduction="none") for d, part in enumerate(logits)]
    return torch.stack(parts).sum(0)

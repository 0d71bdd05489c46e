"""Gumbel noise by counter: what is drawn depends on seed, position, step and code alone, never on the company of a row.

    u = Philox4x32-10(key = seed, counter = (position, step, code, purpose))        (Salmon et al., SC 2011)
    g = -log(-log u),   u = (first word >> 9 + 1/2) / 2^23, strictly between 0 and 1

There is no generator whose state would have to be kept, shared or rewound.
"""

from __future__ import annotations

import torch
from torch import Tensor

from voiceagent.kernels.compiler import jit, tl

SAMPLE, RANK = 0, 1
"""Purposes: to sample a code, to shuffle the order of positions."""

_WORD = 0xFFFFFFFF
_ROUNDS = 10
_MULTIPLY = (0xD2511F53, 0xCD9E8D57)
_RAISE = (0x9E3779B9, 0xBB67AE85)


@jit
def gumbel_kernel(seed: tl.tensor, position: tl.tensor, step: tl.tensor, code: tl.tensor, purpose: tl.constexpr):  # type: ignore[no-untyped-def]
    """Noise for blocks of positions and codes that broadcast against each other; called by kernels."""
    zero = (position.to(tl.int32) * 0 + code * 0).to(tl.uint32)  # the shape of both together
    word, _, _, _ = tl.philox(
        seed, zero + position.to(tl.uint32), zero + step.to(tl.uint32), zero + code.to(tl.uint32), zero + purpose
    )
    uniform = ((word >> 9).to(tl.float32) + 0.5) * (1.0 / 8388608.0)
    return -tl.log(-tl.log(uniform))


def philox(seed: Tensor, counter: tuple[Tensor, Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Four 32-bit words for a 64-bit seed and four 32-bit counters; all int64, broadcast against each other."""
    c0, c1, c2, c3 = counter
    low, high = seed & _WORD, (seed >> 32) & _WORD
    for _ in range(_ROUNDS):
        (top_a, bottom_a), (top_b, bottom_b) = _multiply(_MULTIPLY[0], c0), _multiply(_MULTIPLY[1], c2)
        c0, c1, c2, c3 = top_b ^ c1 ^ low, bottom_b, top_a ^ c3 ^ high, bottom_a
        low, high = (low + _RAISE[0]) & _WORD, (high + _RAISE[1]) & _WORD
    return c0, c1, c2, c3


def _multiply(constant: int, word: Tensor) -> tuple[Tensor, Tensor]:
    """Upper and lower 32 bits of a product of 32-bit words, without leaving signed 64 bits."""
    bottom = constant * (word & 0xFFFF)
    middle = constant * (word >> 16) + (bottom >> 16)
    return middle >> 16, ((middle & 0xFFFF) << 16) | (bottom & 0xFFFF)


def gumbel_reference(seed: Tensor, position: Tensor, step: Tensor, code: Tensor, purpose: int) -> Tensor:
    """The same noise in PyTorch: int64 tensors that broadcast against each other -> float32."""
    counter = (position & _WORD, step & _WORD, code & _WORD, torch.full_like(code, purpose))
    word, _, _, _ = philox(seed, counter)
    uniform = ((word >> 9).float() + 0.5) * (1.0 / 8388608.0)
    return -torch.log(-torch.log(uniform))

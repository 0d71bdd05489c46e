"""The autoregressive parent: the same network under a causal mask, one token a forward pass, with its cache.

The baseline that masked diffusion is measured against. Text enters aligned: the number of tokens is known, nothing has to end.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor

from voiceagent.model.decode.packed import PackedModel, Row
from voiceagent.model.lm.transformer import KeysValues


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is drawn from its distribution, as CosyVoice 2 does (arXiv 2412.10117).

    top_p, top_k: nucleus, digit by digit. A token that makes up more than `repeat_share` of the last `window` tokens is drawn again
    from the whole distribution (repetition aware sampling, VALL-E 2, arXiv 2406.05370). temperature 0: the most probable.
    """

    temperature: float = 1.0
    top_p: float = 0.8
    top_k: int = 25
    window: int = 10
    repeat_share: float = 0.1


def nucleus(logits: Tensor, sampling: Sampling) -> Tensor:
    """Logits (levels,) -> those outside the nucleus at minus infinity."""
    ordered, index = logits.sort(descending=True)
    before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
    kept = (before < sampling.top_p) & (torch.arange(len(logits), device=logits.device) < sampling.top_k)
    return torch.full_like(logits, -torch.inf).scatter(0, index[kept], ordered[kept])


def draw(
    logits: Tensor, levels: tuple[int, ...], recent: deque[Tensor], sampling: Sampling, generator: torch.Generator
) -> Tensor:
    """Logits (codes,) -> a token (digits,)."""
    parts = logits.split(levels)
    if sampling.temperature <= 0:
        return torch.stack([part.argmax() for part in parts])

    def sample(narrow: bool) -> Tensor:
        chosen = []
        for part in parts:
            warm = part / sampling.temperature
            odds = (nucleus(warm, sampling) if narrow else warm).softmax(-1)
            chosen.append(torch.multinomial(odds, 1, generator=generator)[0])
        return torch.stack(chosen)

    token = sample(narrow=True)
    repeats = sum(bool(torch.equal(token, earlier)) for earlier in recent)
    if repeats > sampling.repeat_share * sampling.window:
        token = sample(narrow=False)
    return token


@torch.inference_mode()
def generate(
    model: PackedModel, conditioning: Tensor, sampling: Sampling, *, seed: int = 0, text: KeysValues | None = None
) -> tuple[Tensor, int]:
    """What the slots of T tokens hear (T, C) -> the tokens (T, 6) and the number of forward passes.

    `text` is what stands before the speech and is never forgotten, in the layout that has its text there.
    """
    generator = torch.Generator(conditioning.device).manual_seed(seed)
    recent: deque[Tensor] = deque(maxlen=sampling.window)
    cache, tokens = text or model.empty_cache(), list[Tensor]()
    keep = model.config.context_tokens if text is None else len(text) + len(conditioning)
    nothing = torch.zeros(1, 6, dtype=torch.long, device=conditioning.device)
    open_ = torch.zeros(1, dtype=torch.bool, device=conditioning.device)
    for position in range(len(conditioning)):
        held = model.begin_row[None] if not tokens else model.embed(tokens[-1][None], open_)
        slot = held + conditioning[position : position + 1]
        logits, keys, values = model(slot, [Row(cache, position, pending=1, open=0)])
        cache = cache.append(keys, values, keep=keep)
        tokens.append(draw(logits[0], model.config.levels, recent, sampling, generator))
        recent.append(tokens[-1])
    return (torch.stack(tokens) if tokens else nothing[:0]), len(tokens)

"""Offline masked diffusion: fill masked tokens with everything else in view, to both sides (LLaDA-TTS, arXiv 2603.26364).

The reference path of decoding: no blocks, no cache, one set of weights with the attention fully bidirectional.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from voiceagent.model.decoding import DecodingOptions, commit_counts, propose
from voiceagent.model.language_model import SpeechLanguageModel

# logits (N, codes), log prior, levels, weight of the prior -> tokens (N, digits) and how sure each is (N,)
Confidence: TypeAlias = Callable[[Tensor, Tensor, Sequence[int], Tensor], tuple[Tensor, Tensor]]


@torch.inference_mode()
def fill(
    model: SpeechLanguageModel,
    tokens: Tensor,
    masked: Tensor,
    conditioning: Tensor,
    options: DecodingOptions,
    confidence: Confidence = propose,
) -> Tensor:
    """Tokens (T, 6), which of them are masked (T,), what their slots hear (T, C) -> the tokens with none masked.

    Runs of masked tokens are filled one after the other, each in a window of what the model was trained to see at once.
    """
    tokens = tokens.clone()
    for start, stop in runs(masked):
        width = max(model.config.context_tokens, stop - start)
        first = max(0, min((start + stop - width) // 2, len(tokens) - width))
        last = min(len(tokens), first + width)
        inside = torch.zeros(last - first, dtype=torch.bool)
        inside[start - first : stop - first] = True
        before = None if first == 0 else tokens[first - 1]
        tokens[first:last] = _fill(
            model, tokens[first:last], inside, conditioning[first:last], before, options, confidence
        )
    return tokens


def runs(mask: Tensor) -> list[tuple[int, int]]:
    """Where a mask (T,) is True: (start, stop) of every run."""
    padded = torch.nn.functional.pad(mask.int(), (1, 1))
    steps = (padded[1:] - padded[:-1]).nonzero().flatten().tolist()
    signs = (padded[1:] - padded[:-1])[steps].tolist() if steps else []
    starts = [at for at, sign in zip(steps, signs, strict=True) if sign > 0]
    stops = [at for at, sign in zip(steps, signs, strict=True) if sign < 0]
    return list(zip(starts, stops, strict=True))


def _fill(
    model: SpeechLanguageModel,
    tokens: Tensor,
    masked: Tensor,
    conditioning: Tensor,
    before: Tensor | None,
    options: DecodingOptions,
    confidence: Confidence,
) -> Tensor:
    """One window; the masked tokens are committed in `options.steps` steps, the surest first."""
    tokens, open_ = tokens.clone(), masked.clone()
    begins = torch.zeros(1, len(tokens), dtype=torch.bool)
    begins[0, 0] = before is None
    positions = torch.arange(len(tokens))
    weight = torch.tensor([options.prior])
    first = (tokens[:1] if before is None else before[None],)
    for commits in commit_counts(int(masked.sum()), replace(options, temperature=0.0, noise=0.0)):
        held = torch.cat((*first, tokens[:-1]))[None]
        hidden = torch.cat((torch.zeros(1, dtype=torch.bool), open_[:-1]))[None]
        slots = model.embed(held, hidden, begins) + conditioning
        logits, _, _ = model(slots, positions)
        proposed, sure = confidence(torch.cat(logits, -1)[0], model.log_prior, model.config.levels, weight)
        chosen = torch.zeros_like(open_)
        chosen[sure.masked_fill(~open_, -torch.inf).topk(commits).indices] = True
        tokens = torch.where(chosen[:, None], proposed, tokens)
        open_ = open_ & ~chosen
    return tokens

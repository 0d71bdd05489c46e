"""Offline masked diffusion: fill masked tokens with everything else in view, to both sides (LLaDA-TTS, arXiv
2603.26364).

The reference path of decoding: no blocks, no cache, one set of weights with the attention fully bidirectional.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from voiceagent.model.decode.options import DecodingOptions, commit_counts
from voiceagent.model.decode.reference import gumbel, propose
from voiceagent.model.lm.language_model import SpeechLanguageModel, TokenModel

# logits (N, codes), log prior, levels, weight of the prior -> tokens (N, digits) and how sure each is (N,)
Confidence: TypeAlias = Callable[[Tensor, Tensor, Sequence[int], Tensor], tuple[Tensor, Tensor]]
# number of the step, which tokens (T,) it commits
OnCommit: TypeAlias = Callable[[int, Tensor], None]
# tokens (T, 6), which of them are masked (T,) -> logits (T, codes)
Predict: TypeAlias = Callable[[Tensor, Tensor], Tensor]


@torch.inference_mode()
def fill(
    model: SpeechLanguageModel,
    tokens: Tensor,
    masked: Tensor,
    conditioning: Tensor,
    options: DecodingOptions,
    confidence: Confidence = propose,
    *,
    seed: int = 0,
    on_commit: OnCommit | None = None,
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
        predict = _window(model, conditioning[first:last], before)
        around = (first, len(tokens) - last)
        told = None if on_commit is None else _placed(on_commit, around)
        tokens[first:last], _ = unmask(
            model, predict, tokens[first:last], inside, options, confidence, seed=seed, on_commit=told
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


def unmask(
    model: TokenModel,
    predict: Predict,
    tokens: Tensor,
    masked: Tensor,
    options: DecodingOptions,
    confidence: Confidence = propose,
    *,
    seed: int = 0,
    on_commit: OnCommit | None = None,
) -> tuple[Tensor, int]:
    """Commit masked tokens (T,) of (T, 6) in `options.steps` steps, the surest first -> the tokens and the number of
    passes.

    With a temperature tokens are drawn, with noise their order is; both depend on the seed alone.
    """
    generator = torch.Generator(tokens.device).manual_seed(seed)
    weight = torch.tensor([options.prior], device=tokens.device)
    counts = commit_counts(int(masked.sum()), options)
    for step, commits in enumerate(counts):
        logits = predict(tokens, masked)
        if options.temperature > 0:
            logits = logits + options.temperature * gumbel(tuple(logits.shape), generator)
        proposed, sure = confidence(logits, model.log_prior, model.config.levels, weight)
        if options.noise > 0:
            sure = sure + options.noise * gumbel(tuple(sure.shape), generator)
        chosen = torch.zeros_like(masked)
        chosen[sure.masked_fill(~masked, -torch.inf).topk(commits).indices] = True
        tokens = torch.where(chosen[:, None], proposed, tokens)
        masked = masked & ~chosen
        if on_commit is not None:
            on_commit(step, chosen)
    return tokens, len(counts)


def _window(model: SpeechLanguageModel, conditioning: Tensor, before: Tensor | None) -> Predict:
    """The model over one window, whose slots hear (T, C) and begin after a token (6,) or with the utterance."""
    begins = torch.zeros(1, len(conditioning), dtype=torch.bool)
    begins[0, 0] = before is None
    positions = torch.arange(len(conditioning))

    def predict(tokens: Tensor, masked: Tensor) -> Tensor:
        held = torch.cat((tokens[:1] if before is None else before[None], tokens[:-1]))[None]
        hidden = torch.nn.functional.pad(masked[:-1], (1, 0))[None]
        logits, _, _ = model(model.embed(held, hidden, begins) + conditioning, positions)
        return torch.cat(logits, -1)[0]

    return predict


def _placed(on_commit: OnCommit, around: tuple[int, int]) -> OnCommit:
    """Tell of a window's tokens as tokens of the whole."""
    return lambda step, chosen: on_commit(step, torch.nn.functional.pad(chosen, around))

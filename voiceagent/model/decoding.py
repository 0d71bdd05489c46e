"""Masked-diffusion decoding of one block: unmask a few tokens a step, the surest first.

A block covers tokens [start, end). Its slots hold tokens start - 1 .. end - 2, so the last committed token is evaluated again
together with the block. When a block is done, its slots with every token in place wait as `pending`; the forward pass that opens
the next block also stores their keys and values (block-causal, hence exact), which saves one pass a block.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from voiceagent.model.language_model import SpeechLanguageModel
from voiceagent.model.transformer import KeysValues


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How a block is decoded.

    steps: forward passes a block. tau: how late the schedule commits, r(s) = tau s / (1 + (tau - 1) s). alpha: share of the open
    tokens that a step commits at least, growing linearly; blocks then finish early. prior: weight of the log prior that is taken
    from the confidence. noise: Gumbel noise on positions.
    """

    steps: int = 4
    tau: float = 0.5
    alpha: float = 0.5
    temperature: float = 0.0
    prior: float = 1.0
    noise: float = 0.0


@dataclass(frozen=True, slots=True)
class SpeechState:
    """What the language model remembers of a stream; a value."""

    cache: KeysValues
    position: int  # index of the slot that comes next
    last: Tensor | None  # (1, 6) the last committed token, None at the beginning
    said: Tensor  # (1, 1, C) what that token says
    pending: Tensor | None  # (1, n, C) slots of the last block, complete but not yet in the cache


def commit_counts(tokens: int, options: DecodingOptions) -> list[int]:
    """How many tokens each step commits; the last one commits what is left, steps that would commit nothing are dropped."""
    counts, left = [], tokens
    for step in range(1, options.steps + 1):
        share = step / options.steps
        scheduled = round(tokens * options.tau * share / (1 + (options.tau - 1) * share)) - (tokens - left)
        eager = int(left * options.alpha * share)
        count = left if step == options.steps else min(left, max(scheduled, eager))
        if count > 0:
            counts.append(count)
            left -= count
    return counts


def propose(
    logits: tuple[Tensor, ...], log_prior: Tensor, options: DecodingOptions, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Digit logits (B, S, level) -> a token for every slot (B, S, 6) and its calibrated confidence (B, S).

    The confidence is log p(token) - log prior(token), summed over digits: plain confidence commits silence first
    (Chatterbox-Flash, arXiv 2605.30748).
    """
    digits, confidence = [], torch.zeros(logits[0].shape[:2], device=logits[0].device)
    for part, prior in zip(logits, log_prior.split([part.shape[-1] for part in logits]), strict=True):
        chosen = part
        if options.temperature > 0:
            uniform = torch.rand(part.shape, generator=generator, device=part.device).clamp_min(1e-9)
            chosen = part - options.temperature * torch.log(-torch.log(uniform))
        digit = chosen.argmax(-1)
        digits.append(digit)
        log_p = part.log_softmax(-1).gather(-1, digit[..., None]).squeeze(-1)
        confidence = confidence + log_p - options.prior * prior[digit]
    if options.noise > 0:
        uniform = torch.rand(confidence.shape, generator=generator, device=confidence.device).clamp_min(1e-9)
        confidence = confidence - options.noise * torch.log(-torch.log(uniform))
    return torch.stack(digits, dim=-1), confidence


def begin(model: SpeechLanguageModel, said: Tensor) -> SpeechState:
    """The state before the first token; `said` (1, 1, C) is what the token before it would say."""
    return SpeechState(model.transformer.empty_cache(said), 0, None, said, None)


def _first_pass(model: SpeechLanguageModel, state: SpeechState, slots: Tensor) -> tuple[tuple[Tensor, ...], KeysValues]:
    """Logits of the block's slots, and the cache with the pending slots stored in the same pass."""
    if state.pending is None:
        positions = torch.arange(state.position, state.position + slots.shape[1], device=slots.device)
        logits, _, _ = model(slots, positions, None, state.cache)
        return logits, state.cache
    done, past = state.pending.shape[1], len(state.cache)
    both = torch.cat((state.pending, slots), dim=1)
    positions = torch.arange(state.position - done, state.position + slots.shape[1], device=slots.device)
    mask = torch.ones(both.shape[1], past + both.shape[1], dtype=torch.bool, device=slots.device)
    mask[:done, past + done :] = False
    logits, keys, values = model(both, positions, mask[None, None], state.cache)
    cache = state.cache.append(keys[:, :, :, :done], values[:, :, :, :done], keep=model.config.context_tokens)
    return tuple(part[:, done:] for part in logits), cache


@torch.no_grad()
def decode_block(
    model: SpeechLanguageModel,
    state: SpeechState,
    saying: Tensor,
    voice: Tensor,
    options: DecodingOptions,
    *,
    seed: int = 0,
) -> tuple[Tensor, SpeechState]:
    """What n tokens say (1, n, C) -> the tokens (1, n, 6) and the next state.

    Random numbers depend on the seed and the position alone, so a stream sounds the same in any company.
    """
    device, count = saying.device, saying.shape[1]
    generator = torch.Generator(device).manual_seed((seed * 1_000_003 + state.position) % 2**63)
    said = torch.cat((state.said, saying[:, :-1]), dim=1)
    first = torch.zeros(1, 1, 6, dtype=torch.long, device=device) if state.last is None else state.last[:, None]
    starts = torch.zeros(1, count, dtype=torch.bool, device=device)
    starts[:, 0] = state.last is None
    tokens = torch.zeros(1, count, 6, dtype=torch.long, device=device)
    open_ = torch.ones(1, count, dtype=torch.bool, device=device)

    def slots() -> Tensor:
        held = torch.cat((first, tokens[:, :-1]), dim=1)
        masked = torch.cat((torch.zeros_like(open_[:, :1]), open_[:, :-1]), dim=1)
        return model.slots(model.embed(held, masked, starts), said, saying, voice)

    cache = state.cache
    positions = torch.arange(state.position, state.position + count, device=device)
    for step, commits in enumerate(commit_counts(count, options)):
        if step == 0:
            logits, cache = _first_pass(model, state, slots())
        else:
            logits, _, _ = model(slots(), positions, None, cache)
        proposed, confidence = propose(logits, model.log_prior, options, generator)
        chosen = torch.zeros_like(open_).scatter(
            1, confidence.masked_fill(~open_, -torch.inf).topk(commits).indices, True
        )
        tokens = torch.where(chosen[..., None], proposed, tokens)
        open_ = open_ & ~chosen
    after = replace(
        state, cache=cache, position=state.position + count, last=tokens[:, -1], said=saying[:, -1:], pending=slots()
    )
    return tokens, after

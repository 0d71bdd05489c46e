"""Masked-diffusion decoding of blocks: unmask a few tokens a step, the surest first; blocks of many streams share a
step.

What a block and its stream are is in blocks.py.

    open_block -> tick, tick, ... (all open blocks at once, each at its own step) -> close_block
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from voiceagent.model.decode.blocks import MaskedBlock, SpeechState
from voiceagent.model.decode.options import DecodingOptions, commit_counts
from voiceagent.model.decode.packed import PackedModel, Row
from voiceagent.model.lm.transformer import KeysValues

TorchState: TypeAlias = SpeechState[KeysValues, Tensor]
TorchBlock: TypeAlias = MaskedBlock[KeysValues, Tensor]


def gumbel(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Noise that makes the largest of logits a sample of their distribution."""
    uniform = torch.rand(shape, generator=generator, device=generator.device).clamp_min(1e-9)
    return -torch.log(-torch.log(uniform))


def _gumbel(shape: tuple[int, ...], block: TorchBlock, purpose: int) -> Tensor:
    """The noise of a block's next step."""
    generator = torch.Generator(block.tokens.device).manual_seed(block.noise_seed(purpose))
    return gumbel(shape, generator)


def propose(logits: Tensor, log_prior: Tensor, levels: Sequence[int], prior_weight: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, codes) -> a token for every slot (N, 6) and its calibrated confidence (N,).

    The confidence is log p(token) - log prior(token), summed over digits: plain confidence commits silence first
    (Chatterbox-Flash, arXiv 2605.30748). `prior_weight` (N,) or (1,) weighs the second term.
    """
    digits, confidence = [], logits.new_zeros(logits.shape[0])
    for part, prior in zip(logits.split(tuple(levels), -1), log_prior.split(tuple(levels)), strict=True):
        log_p, digit = part.log_softmax(-1).max(-1)
        digits.append(digit)
        confidence = confidence + log_p - prior_weight * prior[digit]
    return torch.stack(digits, dim=-1), confidence


def _perturbed(logits: Tensor, blocks: Sequence[TorchBlock]) -> Tensor:
    """Logits with each block's Gumbel noise times its temperature: their maximum is then a sample."""
    noise = [
        b.options.temperature * _gumbel((len(b.tokens), logits.shape[1]), b, 0) if b.options.temperature > 0
        else logits.new_zeros(len(b.tokens), logits.shape[1])
        for b in blocks
    ]  # fmt: skip
    return logits + torch.cat(noise)


def begin(model: PackedModel) -> TorchState:
    """The state before the first token."""
    return SpeechState(model.empty_cache())


def open_block(state: TorchState, conditioning: Tensor, options: DecodingOptions, *, seed: int = 0) -> TorchBlock:
    """A block of n masked tokens whose slots are conditioned on (n, C)."""
    count = len(conditioning)
    tokens = torch.zeros(count, 6, dtype=torch.long, device=conditioning.device)
    masked = torch.ones(count, dtype=torch.bool, device=conditioning.device)
    return MaskedBlock(options, seed, tuple(commit_counts(count, options)), state, conditioning, tokens, masked)


def _slots(model: PackedModel, blocks: Sequence[TorchBlock]) -> Tensor:
    """Inputs of the blocks' slots (N, C), one block after the other."""
    held, masked = [], []
    for block in blocks:
        last = block.tokens[:1] if block.state.last is None else block.state.last[None]
        held += [last, block.tokens[:-1]]
        masked += [torch.zeros_like(block.masked[:1]), block.masked[:-1]]
    embedded = model.embed(torch.cat(held), torch.cat(masked))
    start = 0
    for block in blocks:
        if block.state.last is None:
            embedded[start] = model.begin_row
        start += len(block.tokens)
    return embedded + torch.cat([block.conditioning for block in blocks])


@torch.inference_mode()
def tick(model: PackedModel, blocks: Sequence[TorchBlock]) -> list[TorchBlock]:
    """One forward pass for all blocks, none of which is done, each at its own step -> the blocks a step further."""
    counts = [len(block.tokens) for block in blocks]
    inputs, rows, opened = [], [], []
    for block, slots in zip(blocks, _slots(model, blocks).split(counts), strict=True):
        state, pending = block.state, block.pending
        done = block.pending_count
        inputs += [slots] if pending is None else [pending, slots]
        opened += [False] * done + [True] * len(slots)
        rows.append(Row(state.cache, state.position - done, done, len(slots)))
    logits, keys, values = model(torch.cat(inputs), rows)
    if not all(opened):
        logits = logits[torch.tensor(opened, device=logits.device)]
    after = [_stored(model, block, row, keys, values, start) for block, row, start in _starts(blocks, rows)]
    return _commit(model, after, logits, counts)


def _starts(blocks: Sequence[TorchBlock], rows: Sequence[Row]) -> list[tuple[TorchBlock, Row, int]]:
    """Blocks and rows with the index of the row's first slot."""
    found, start = [], 0
    for block, row in zip(blocks, rows, strict=True):
        found.append((block, row, start))
        start += row.pending + row.open
    return found


def _stored(model: PackedModel, block: TorchBlock, row: Row, keys: Tensor, values: Tensor, start: int) -> TorchBlock:
    """The block with its pending slots in the cache."""
    if not row.pending:
        return block
    done = slice(start, start + row.pending)
    cache = row.past.append(keys[:, :, :, done], values[:, :, :, done], keep=model.config.context_tokens)
    return replace(block, state=replace(block.state, cache=cache, pending=None))


def _commit(model: PackedModel, blocks: Sequence[TorchBlock], logits: Tensor, counts: list[int]) -> list[TorchBlock]:
    """Commit the surest open tokens of each block."""
    if any(block.options.temperature > 0 for block in blocks):
        logits = _perturbed(logits, blocks)
    weight = torch.tensor([b.options.prior for b in blocks], device=logits.device)
    if len(blocks) > 1:
        weight = weight.repeat_interleave(torch.tensor(counts, device=logits.device))
    proposed, confidence = propose(logits, model.log_prior, model.config.levels, weight)
    after = []
    for block, tokens, sure in zip(blocks, proposed.split(counts), confidence.split(counts), strict=True):
        if block.options.noise > 0:
            sure = sure + block.options.noise * _gumbel((len(tokens),), block, 1)
        if block.at_last_step:
            chosen = block.masked
        else:
            surest = sure.masked_fill(~block.masked, -torch.inf).topk(block.counts[block.step]).indices
            chosen = torch.zeros_like(block.masked).index_fill_(0, surest, True)
        held = torch.where(chosen[:, None], tokens, block.tokens)
        after.append(replace(block, tokens=held, masked=block.masked & ~chosen, step=block.step + 1))
    return after


@torch.inference_mode()
def close_block(model: PackedModel, block: TorchBlock) -> tuple[Tensor, TorchState]:
    """A block that is done -> its tokens (n, 6) and the state for the next."""
    position = block.state.position + len(block.tokens)
    state = replace(block.state, position=position, last=block.tokens[-1], pending=_slots(model, [block]))
    return block.tokens, state


def decode_block(
    model: PackedModel, state: TorchState, conditioning: Tensor, options: DecodingOptions, *, seed: int = 0
) -> tuple[Tensor, TorchState]:
    """What n tokens are conditioned on (n, C) -> the tokens (n, 6) and the next state: one block, alone."""
    block = open_block(state, conditioning, options, seed=seed)
    while not block.done:
        (block,) = tick(model, [block])
    return close_block(model, block)

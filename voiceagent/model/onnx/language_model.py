"""Decoding of blocks by the graph `speech`: model/decode/reference.py in NumPy, with the same values and the same
choices.

A pass sees the slots of all rows packed one after the other; for attention alone each row is padded. A row's keys lie
in the same places in any company, own slots first, then stored ones, and their number is a multiple of 64: sums are
then added up in the same order, so that a stream's tokens do not depend on who else speaks
(tests/model/onnx/test_language_model.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from voiceagent.model.config import LanguageModelConfig
from voiceagent.model.decode.blocks import MaskedBlock, SpeechState
from voiceagent.model.decode.options import DecodingOptions, commit_counts
from voiceagent.model.onnx.layout import PADDED_LEVELS

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]

KEYS_STEP = 64  # keys are handed in in multiples of this
MASKED = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class Cache:
    """Stored keys and values of a stream; a value."""

    keys: Floats  # (layers, KV, capacity, D)
    values: Floats
    used: int = 0

    def __len__(self) -> int:
        return self.used


OnnxState: TypeAlias = SpeechState[Cache, Array]
OnnxBlock: TypeAlias = MaskedBlock[Cache, Array]


class Rotary:
    """Cosines and sines of positions, half a head wide; an hour of speech is 90,000 positions, hence float64 inside."""

    def __init__(self, head_dim: int, base: float) -> None:
        self._turns = base ** (-np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)

    def __call__(self, positions: Array) -> tuple[Floats, Floats]:
        """(N,) -> (N, D / 2) twice."""
        angles = positions[:, None] * self._turns
        return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


class OnnxDecoder:
    """A `BlockDecoder` for processors.

    Args:
        session: the graph `speech`.
        config: of the language model.
        embeddings: a row a level of each digit, then [MASK] and [BOS], (codes + 2, C).
        log_prior: (codes,) log marginal of each digit in the training speech.
        longest: tokens of the longest block.
    """

    rewinds = True

    def __init__(
        self, session: Any, config: LanguageModelConfig, embeddings: Floats, log_prior: Floats, *, longest: int
    ) -> None:
        self._session, self._shape, self._keep = session, config.speech, config.context_tokens
        shape = self._shape
        self._rotary = Rotary(shape.head_dim, shape.rope_base)
        self._embeddings = embeddings
        codes = sum(config.levels)
        self._mask_row, self._begin_row = embeddings[codes], embeddings[codes + 1]
        self._offsets = np.cumsum((0, *config.levels[:-1]))
        self._columns = np.concatenate([d * PADDED_LEVELS + np.arange(n) for d, n in enumerate(config.levels)])
        self._prior = np.zeros(len(config.levels) * PADDED_LEVELS, np.float32)
        self._prior[self._columns] = log_prior
        self._own = 2 * longest  # places for a row's own slots
        self._past = [f"past_{part}_{layer}" for part in ("keys", "values") for layer in range(shape.layers)]

    def begin(self) -> OnnxState:
        """The state before the first token."""
        return SpeechState(self._room(0))

    def open(self, state: OnnxState, conditioning: Floats, options: DecodingOptions, *, seed: int = 0) -> OnnxBlock:
        """A block of n masked tokens whose slots are conditioned on (n, C)."""
        count = len(conditioning)
        counts = tuple(commit_counts(count, options))
        tokens, masked = np.zeros((count, 6), np.int64), np.ones(count, np.bool_)
        return MaskedBlock(options, seed, counts, state, conditioning, tokens, masked)

    def tick(self, blocks: Sequence[OnnxBlock]) -> list[OnnxBlock]:
        """One pass for all blocks, none of which is done, each at its own step -> the blocks a step further."""
        counts = [len(block.tokens) for block in blocks]
        slots = self._slots(blocks)
        inputs: list[Floats] = []
        starts, at = [], 0
        for block, own in zip(blocks, np.split(slots, np.cumsum(counts)[:-1]), strict=True):
            inputs += [own] if block.pending is None else [block.pending, own]
            starts.append(at)
            at += block.pending_count + len(own)
        logits, made = self._pass(np.concatenate(inputs), blocks, starts)
        opened = np.concatenate(
            [
                np.arange(s + b.pending_count, s + b.pending_count + n)
                for b, s, n in zip(blocks, starts, counts, strict=True)
            ]
        )
        after = [self._stored(block, made, start) for block, start in zip(blocks, starts, strict=True)]
        return self._commit(after, logits[opened], counts)

    def close(self, block: OnnxBlock) -> tuple[Array, OnnxState]:
        """A block that is done -> its tokens (n, 6) and the state for the next."""
        position = block.state.position + len(block.tokens)
        return block.tokens, replace(
            block.state, position=position, last=block.tokens[-1], pending=self._slots([block])
        )

    def warm_up(self) -> None:
        """Nothing is kept between calls."""

    def _room(self, slots: int) -> Cache:
        """Room for so many stored slots, and none of them used."""
        shape = self._shape
        capacity = -(-(slots + self._own) // KEYS_STEP) * KEYS_STEP - self._own
        empty = np.zeros((2, shape.layers, shape.kv_heads, capacity, shape.head_dim), np.float32)
        return Cache(empty[0], empty[1])

    def _slots(self, blocks: Sequence[OnnxBlock]) -> Floats:
        """Inputs of the blocks' slots (N, C), one block after the other."""
        held, masked, begins, at = [], [], [], 0
        for block in blocks:
            last = block.tokens[:1] if block.state.last is None else block.state.last[None]
            held += [last, block.tokens[:-1]]
            masked += [np.zeros(1, np.bool_), block.masked[:-1]]
            if block.state.last is None:
                begins.append(at)
            at += len(block.tokens)
        embedded: Floats = self._embeddings[np.concatenate(held) + self._offsets].sum(1)
        embedded[np.concatenate(masked)] = self._mask_row
        embedded[begins] = self._begin_row
        embedded += np.concatenate([block.conditioning for block in blocks])
        return embedded

    def _pass(self, slots: Floats, blocks: Sequence[OnnxBlock], starts: list[int]) -> tuple[Floats, Floats]:
        """Slots (N, C) -> logits (N, codes) and new keys and values (N, layers, 2, KV, D)."""
        shape, own = self._shape, self._own
        sizes = [block.pending_count + len(block.tokens) for block in blocks]
        rows, longest = len(blocks), max(sizes)
        capacity = max(block.state.cache.keys.shape[2] for block in blocks)
        if longest > own:
            own = longest  # only where blocks are longer than this decoder was made for
        positions = np.concatenate(
            [np.arange(n) + (b.state.position - b.pending_count) for b, n in zip(blocks, sizes, strict=True)]
        )
        places = np.zeros((rows, own), np.int64)
        mask = np.full((rows, longest, own + capacity), MASKED)
        for row, (block, start, size) in enumerate(zip(blocks, starts, sizes, strict=True)):
            places[row, :size] = np.arange(start, start + size)
            pending = block.pending_count
            mask[row, :, :pending] = 0
            mask[row, pending:, pending:size] = 0
            mask[row, :, own : own + block.state.cache.used] = 0
        cosines, sines = self._rotary(positions)
        given = {
            "slots": slots,
            "positions": np.arange(len(slots))[None],
            "cosines": cosines,
            "sines": sines,
            "queries": places[:, :longest],
            "own": places,
            "back": np.concatenate([np.arange(n) + row * longest for row, n in enumerate(sizes)]),
            "mask": np.tile(mask, (1, shape.heads // shape.kv_heads, 1))[:, None],
        }
        given.update(zip(self._past, self._stacked(blocks, capacity), strict=True))
        logits, made = self._session.run(None, given)
        return logits, made.reshape(len(slots), shape.layers, 2, shape.kv_heads, shape.head_dim)

    def _stacked(self, blocks: Sequence[OnnxBlock], capacity: int) -> list[Floats]:
        """Stored keys, then values, of each layer (R, KV, P, D)."""
        if len(blocks) == 1:
            cache = blocks[0].state.cache
            return [part[None] for part in (*cache.keys, *cache.values)]
        shape = self._shape
        joined = np.zeros((2, shape.layers, len(blocks), shape.kv_heads, capacity, shape.head_dim), np.float32)
        for row, block in enumerate(blocks):
            cache = block.state.cache
            joined[0, :, row, :, : cache.used] = cache.keys[:, :, : cache.used]
            joined[1, :, row, :, : cache.used] = cache.values[:, :, : cache.used]
        return [*joined[0], *joined[1]]

    def _stored(self, block: OnnxBlock, made: Floats, start: int) -> OnnxBlock:
        """The block with its pending slots in the cache."""
        pending = block.pending_count
        if not pending:
            return block
        cache, keep = block.state.cache, self._keep
        kept = min(cache.used, max(0, keep - pending))
        fresh = made[start : start + pending][-keep:].transpose(2, 1, 3, 0, 4)  # (2, layers, KV, pending, D)
        after = self._room(kept + fresh.shape[3])
        for old, new, added in ((cache.keys, after.keys, fresh[0]), (cache.values, after.values, fresh[1])):
            new[:, :, :kept] = old[:, :, cache.used - kept : cache.used]
            new[:, :, kept : kept + added.shape[2]] = added
        stored = replace(after, used=kept + fresh.shape[3])
        return replace(block, state=replace(block.state, cache=stored, pending=None))

    def _commit(self, blocks: Sequence[OnnxBlock], logits: Floats, counts: list[int]) -> list[OnnxBlock]:
        """Commit the surest open tokens of each block."""
        bounds = np.cumsum([0, *counts])
        for block, start, stop in zip(blocks, bounds, bounds[1:], strict=False):
            if block.options.temperature > 0:
                drawn = _gumbel((stop - start, len(self._columns)), block, 0)
                logits[start:stop, self._columns] += np.float32(block.options.temperature) * drawn
        digits = logits.reshape(len(logits), -1, PADDED_LEVELS)
        proposed = digits.argmax(-1)
        largest = digits.max(-1)
        log_p = -np.log(np.exp(digits - largest[..., None]).sum(-1))
        prior = self._prior[proposed + np.arange(0, len(self._prior), PADDED_LEVELS)]
        weight = np.repeat(np.array([b.options.prior for b in blocks], np.float32), counts)
        sure = (log_p - weight[:, None] * prior).sum(-1)
        after = []
        for block, start, stop in zip(blocks, bounds, bounds[1:], strict=False):
            mine = sure[start:stop]
            if block.options.noise > 0:
                mine = mine + np.float32(block.options.noise) * _gumbel((stop - start,), block, 1)
            if block.at_last_step:
                chosen = block.masked
            else:
                surest = np.argsort(np.where(block.masked, -mine, np.inf), kind="stable")[: block.counts[block.step]]
                chosen = np.zeros_like(block.masked)
                chosen[surest] = True
            held = np.where(chosen[:, None], proposed[start:stop], block.tokens)
            after.append(replace(block, tokens=held, masked=block.masked & ~chosen, step=block.step + 1))
        return after


def _gumbel(shape: tuple[int, ...], block: OnnxBlock, purpose: int) -> Floats:
    """The noise of model/decode/reference.py, which draws it from a Mersenne twister."""
    twister = np.random.MT19937()
    twister._legacy_seeding(block.noise_seed(purpose) % 2**32)
    drawn = twister.random_raw(int(np.prod(shape))).reshape(shape) % 2**24
    uniform = np.maximum(drawn.astype(np.float32) * np.float32(2**-24), np.float32(1e-9))
    noise: Floats = -np.log(-np.log(uniform))
    return noise

"""A block of masked tokens under way and the stream it belongs to: what decoders share, whatever holds their arrays.

A block covers tokens [start, end). Its slots hold tokens start - 1 .. end - 2, so the last committed token is evaluated
again together with the block. When a block is done, its slots with every token in place wait as `pending`; the forward
pass that opens the next block also stores their keys and values (block-causal, hence exact), which saves one pass a
block.
"""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.runtime_values import LanguageState

CacheT = TypeVar("CacheT", bound=Sized)  # its length is in slots
ArrayT = TypeVar("ArrayT", bound=Sized)


@dataclass(frozen=True, slots=True)
class BlockSteps:
    """How far a block is."""

    options: DecodingOptions
    seed: int
    counts: tuple[int, ...]  # tokens that each step commits
    step: int = field(default=0, kw_only=True)

    @property
    def done(self) -> bool:
        """Every token is committed; on a device, or will be when it gets there."""
        return self.step == len(self.counts)

    @property
    def at_last_step(self) -> bool:
        """The next step commits all that is left."""
        return self.step + 1 == len(self.counts)


@dataclass(frozen=True, slots=True)
class SpeechState(LanguageState, Generic[CacheT, ArrayT]):
    """What the language model remembers of a stream between blocks; a value."""

    cache: CacheT
    position: int = 0  # index of the slot that comes next
    last: ArrayT | None = None  # (6,) the last committed token, None at the beginning
    pending: ArrayT | None = None  # (n, C) slots of the last block, complete but not yet in the cache


@dataclass(frozen=True, slots=True)
class MaskedBlock(BlockSteps, Generic[CacheT, ArrayT]):
    """A block under way; a value."""

    state: SpeechState[CacheT, ArrayT]
    conditioning: ArrayT  # (n, C)
    tokens: ArrayT  # (n, 6) int64
    masked: ArrayT  # (n,) bool

    @property
    def pending(self) -> ArrayT | None:
        """Slots (n, C) of the block before that the next tick stores."""
        return self.state.pending if self.step == 0 else None

    @property
    def pending_count(self) -> int:
        """How many these are."""
        return 0 if self.pending is None else len(self.pending)

    @property
    def load(self) -> tuple[int, int, int]:
        """What its next tick moves: pending slots, slots of its own, and slots of the cache."""
        return self.pending_count, len(self.tokens), len(self.state.cache)

    def noise_seed(self, purpose: int) -> int:
        """Of the noise of its next step; of seed, position and step alone: a stream sounds the same in any company.

        purpose: 0 for noise on tokens, 1 for noise on their order.
        """
        return (((self.seed * 1_000_003 + self.state.position) * 64 + self.step) * 2 + purpose) % 2**63

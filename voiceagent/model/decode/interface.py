"""What speaking needs of decoding, whoever does it and wherever the streams' memory is.

    state = decoder.begin()
    block = decoder.open(state, conditioning, options)
    (block,) = decoder.tick([block])        until block.done; many streams in one tick
    tokens, state = decoder.close(block)

Conditioning and tokens are arrays of the runtime's own: what has rows and a length. States and blocks are values of the
decoder's own; others hold them and hand them back. What a stream takes up is given back when its last value is dropped:
nobody has to say that it is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.runtime_values import ArrayT, LanguageT


class OpenBlock(Protocol):
    """A block under way."""

    @property
    def done(self) -> bool:
        """Every token is committed."""
        ...

    @property
    def load(self) -> tuple[int, int, int]:
        """What its next tick moves: slots of the block before, slots of its own, and slots already stored that these
        see.
        """
        ...


BlockT = TypeVar("BlockT", bound=OpenBlock)


class BlockDecoder(Protocol[ArrayT, LanguageT, BlockT]):
    """Decodes blocks of many streams together."""

    rewinds: bool  # a block may be opened again on the state it was opened on

    def begin(self) -> LanguageT:
        """The state before the first token."""
        ...

    def open(self, state: LanguageT, conditioning: ArrayT, options: DecodingOptions, *, seed: int = 0) -> BlockT:
        """A block of n masked tokens whose slots are conditioned on (n, C)."""
        ...

    def tick(self, blocks: Sequence[BlockT]) -> list[BlockT]:
        """One pass for all blocks, none of which is done, each at its own step -> the blocks a step further."""
        ...

    def close(self, block: BlockT) -> tuple[ArrayT, LanguageT]:
        """A block that is done -> its tokens (n, 6) and the state for the next."""
        ...

    def warm_up(self) -> None:
        """What would otherwise be done when it is first needed, while somebody waits."""
        ...

"""What speaking needs of decoding, whoever does it and wherever the streams' memory is.

    state = decoder.begin()
    block = decoder.open(state, conditioning, options)
    (block,) = decoder.tick([block])        until block.done; many streams in one tick
    tokens, state = decoder.close(block)

States and blocks are values of the decoder's own; others hold them and hand them back. What a stream takes up is given back when
its last value is dropped: nobody has to say that it is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from torch import Tensor

from voiceagent.model.decode import reference as decoding
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.decode.reference import DecodingOptions, MaskedBlock, SpeechState


class OpenBlock(Protocol):
    """A block under way."""

    @property
    def done(self) -> bool:
        """Every token is committed."""
        ...

    @property
    def load(self) -> tuple[int, int, int]:
        """What its next tick moves: slots of the block before, slots of its own, and slots already stored that these see."""
        ...


State = TypeVar("State")
BlockT = TypeVar("BlockT", bound=OpenBlock)


class BlockDecoder(Protocol[State, BlockT]):
    """Decodes blocks of many streams together."""

    model: PackedModel
    rewinds: bool  # a block may be opened again on the state it was opened on

    def begin(self) -> State:
        """The state before the first token."""
        ...

    def open(self, state: State, conditioning: Tensor, options: DecodingOptions, *, seed: int = 0) -> BlockT:
        """A block of n masked tokens whose slots are conditioned on (n, C)."""
        ...

    def tick(self, blocks: Sequence[BlockT]) -> list[BlockT]:
        """One pass for all blocks, none of which is done, each at its own step -> the blocks a step further."""
        ...

    def close(self, block: BlockT) -> tuple[Tensor, State]:
        """A block that is done -> its tokens (n, 6) and the state for the next."""
        ...

    def warm_up(self) -> None:
        """What would otherwise be done when it is first needed, while somebody waits."""
        ...


class PackedDecoder:
    """The decoder for processors: decoding.py on a packed model."""

    rewinds = True

    def __init__(self, model: PackedModel) -> None:
        self.model = model

    def begin(self) -> SpeechState:
        return decoding.begin(self.model)

    def open(self, state: SpeechState, conditioning: Tensor, options: DecodingOptions, *, seed: int = 0) -> MaskedBlock:
        return decoding.open_block(state, conditioning, options, seed=seed)

    def tick(self, blocks: Sequence[MaskedBlock]) -> list[MaskedBlock]:
        return decoding.tick(self.model, blocks)

    def close(self, block: MaskedBlock) -> tuple[Tensor, SpeechState]:
        return decoding.close_block(self.model, block)

    def warm_up(self) -> None:
        """Nothing is kept between calls."""


def decoder_for(model: PackedModel, *, streams: int, longest: int, kernels: str = "auto") -> BlockDecoder[Any, Any]:
    """What decodes blocks of up to `longest` tokens where the model is: on a GPU with all memory there, else the reference."""
    if model.device.type != "cuda":
        return PackedDecoder(model)
    from voiceagent.kernels.dispatch import choose
    from voiceagent.model.cuda.decoder import DeviceDecoder  # brings Triton, for which a processor has no use

    return DeviceDecoder(model, streams=streams, longest=longest, kernels=choose(model.device, kernels))

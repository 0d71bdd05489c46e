"""Who decodes blocks in torch: the reference on a processor, and on a GPU the decoder that keeps all memory there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from voiceagent.model.decode import reference as decoding
from voiceagent.model.decode.interface import BlockDecoder
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.decode.reference import TorchBlock, TorchState


class PackedDecoder:
    """The decoder for processors: reference.py on a packed model."""

    rewinds = True

    def __init__(self, model: PackedModel) -> None:
        self.model = model

    def begin(self) -> TorchState:
        return decoding.begin(self.model)

    def open(self, state: TorchState, conditioning: Tensor, options: DecodingOptions, *, seed: int = 0) -> TorchBlock:
        return decoding.open_block(state, conditioning, options, seed=seed)

    def tick(self, blocks: Sequence[TorchBlock]) -> list[TorchBlock]:
        return decoding.tick(self.model, blocks)

    def close(self, block: TorchBlock) -> tuple[Tensor, TorchState]:
        return decoding.close_block(self.model, block)

    def warm_up(self) -> None:
        """Nothing is kept between calls."""


def decoder_for(
    model: PackedModel, *, streams: int, longest: int, kernels: str = "auto"
) -> BlockDecoder[
    Tensor, Any, Any
]:  # which of two decoders, and hence whose states and blocks, is only known when it runs
    """What decodes blocks of up to `longest` tokens where the model is: on a GPU with all memory there, else the
    reference.
    """
    if model.device.type != "cuda":
        return PackedDecoder(model)
    from voiceagent.kernels.dispatch import choose
    from voiceagent.model.cuda.decoder import DeviceDecoder  # brings Triton, for which a processor has no use

    return DeviceDecoder(model, streams=streams, longest=longest, kernels=choose(model.device, kernels))

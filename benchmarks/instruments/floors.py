"""What a tick of the language model cannot be faster than on this machine: bytes that must be read, products that must be made."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from voiceagent.model.config import TransformerConfig
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.decode.projection import Projection

QWEN2_05B = TransformerConfig(width=896, layers=24, heads=14, kv_heads=2, ffn=4864, rope_base=1_000_000.0)
ROUNDS = 7
PRODUCT = (
    1024,
    512,
    2048,
)  # rows, inputs, outputs: large enough to fill the matrix units, small enough to stay in the cache


@dataclass(frozen=True, slots=True)
class Machine:
    """Measured speeds."""

    read_bytes_per_s: float
    flop_per_s: float


@dataclass(frozen=True, slots=True)
class Model:
    """What a pass reads and computes."""

    parameters: int
    weight_bytes: int
    attention_flop: int  # for a slot that sees a slot

    @classmethod
    def of(cls, model: PackedModel) -> Model:
        """Counted from the shape of a model."""
        return cls.of_shape(model.config.speech, sum(model.config.levels), model.dtype)

    @classmethod
    def of_shape(cls, shape: TransformerConfig, codes: int, dtype: torch.dtype) -> Model:
        """Tables that are only looked up in are left out."""
        head_dim = shape.width // shape.heads
        heads = shape.width * (shape.heads + 2 * shape.kv_heads) * head_dim + shape.heads * head_dim * shape.width
        parameters = shape.layers * (heads + 3 * shape.width * shape.ffn) + shape.width * codes
        size = torch.tensor([], dtype=dtype).element_size()
        return cls(parameters, parameters * size, 4 * shape.layers * shape.heads * head_dim)

    def by_bytes_ms(self, machine: Machine) -> float:
        """Milliseconds to read the weights once."""
        return 1000 * self.weight_bytes / machine.read_bytes_per_s

    def by_products_ms(self, machine: Machine, slots: float, scores: float) -> float:
        """Milliseconds of products for so many slots that see so many slots in all."""
        return 1000 * (2 * self.parameters * slots + self.attention_flop * scores) / machine.flop_per_s


def _best_s(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the fastest round."""
    best = float("inf")
    for _ in range(ROUNDS):
        begin_s = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - begin_s)
    return best


def measure(model: PackedModel) -> Machine:
    """Read as many bytes as the weights have, again and again (they may stay in the cache, as the weights may); multiply."""
    device, size = model.device, max(1, Model.of(model).weight_bytes // 4)
    buffer = torch.ones(size, device=device)
    rows, inputs, outputs = PRODUCT
    projection = Projection(torch.randn(outputs, inputs, device=device), None, model.dtype)
    x = torch.randn(rows, inputs, device=device)
    with torch.inference_mode():
        read_s = _best_s(buffer.sum, device)
        product_s = _best_s(lambda: projection(x), device)
    return Machine(4 * size / read_s, 2.0 * rows * inputs * outputs / product_s)

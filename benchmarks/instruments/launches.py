"""How many operations a piece of work is made of: on a GPU each would be at least one kernel launch."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from voiceagent.kernels.dispatch import Kernels
from voiceagent.model.cuda.decoder import DeviceDecoder
from voiceagent.model.cuda.graphs import as_it_is
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.packed import PackedModel

# Memory is named or reserved, nothing is computed.
IDLE = ("_unsafe_view", "_reshape_alias", "detach", "empty", "empty_strided", "lift_fresh", "new_empty")


class _Counter(TorchDispatchMode):
    """Counts operations that are not views."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        is_view = any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)
        if not is_view and func.__name__.partition(".")[0] not in IDLE:
            self.count += 1
        return func(*args, **(kwargs or {}))


def count_operations(work: Callable[[], object]) -> int:
    """Do the work once and count; it must not switch to inference mode, where operations are not seen one by one."""
    counter = _Counter()
    with torch.no_grad(), counter:
        work()
    return counter.count


def counted_kernels(counts: Counter[str]) -> Kernels:
    """Kernels that do nothing but count themselves; what they return has the shape that it would have."""

    def norm_rotary(product: Tensor, residual: Tensor, bias: Tensor, rotary: Any, keys: Tensor, *_: Any) -> Tensor:
        counts["norm_rotary"] += 1
        kv_heads, head_dim = keys.shape[1], keys.shape[3]
        return keys.new_empty(len(product), product.shape[1] // head_dim - 2 * kv_heads, head_dim)

    def attend(query: Tensor, *_: Any) -> Tensor:
        counts["attention"] += 1
        return query.flatten(1)

    def swiglu(product: Tensor, residual: Tensor) -> Tensor:
        counts["swiglu"] += 1
        return product.new_empty(len(product), product.shape[1] // 2)

    def unmask(*_: Any) -> None:
        counts["unmask"] += 1

    return Kernels("counted", norm_rotary, attend, swiglu, unmask)


def count_tick(model: PackedModel, rows: int, tokens: int, opening: int = 0) -> Counter[str]:
    """Launches of a tick of so many rows with blocks of so many tokens, `opening` of which store the block before.

    By name of the kernel, products, and the rest; the copy from the host is one of the rest. A model on the meta device will do.
    """
    counts: Counter[str] = Counter()
    decoder = DeviceDecoder(model, streams=rows, longest=tokens, kernels=counted_kernels(counts), capture=as_it_is)
    conditioning = torch.zeros(tokens, model.config.speech.width, device=model.device)
    blocks = [decoder.open(decoder.begin(), conditioning, DecodingOptions()) for _ in range(rows)]
    for row in range(opening):
        _, state = decoder.close(blocks[row])
        blocks[row] = decoder.open(state, conditioning, DecodingOptions())
    tick = inspect.unwrap(DeviceDecoder.tick)
    tick(decoder, blocks)  # the bucket is laid out now
    counts.clear()
    operations = count_operations(lambda: tick(decoder, blocks))
    products = 4 * len(model.layers) + 1
    return counts + Counter(products=products, rest=operations - products)

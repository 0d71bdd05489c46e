"""The packed model's pass by kernels: four products and three launches a layer, for any number of rows.

What packed.py does row by row over caches that grow, this does for all rows at once over rings of fixed size, with
nothing that
asks the device: shapes depend on numbers of rows and slots alone, so that the pass can be captured.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from voiceagent.kernels.dispatch import Kernels
from voiceagent.kernels.packing import PackedRows, RingPool
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.decode.projection import EPSILON
from voiceagent.model.lm.transformer import frequencies


class KernelModel:
    """Slots -> logits; keys and values go into the rings of the pool.

    Raises:
        ValueError: the weights were reordered for a processor.
    """

    def __init__(self, model: PackedModel, kernels: Kernels) -> None:
        if model.out.reordered is not None:
            raise ValueError("these weights were reordered for the processor: kernels read them as they are stored")
        self.packed, self._kernels = model, kernels
        self._frequencies = frequencies(model.head_dim, model.config.speech.rope_base, model.device)

    def __call__(self, slots: Tensor, rows: PackedRows, pool: RingPool, chosen: Tensor) -> Tensor:
        """Slots (N, C) of all rows, and the indices (M,) of those whose logits are wanted -> (M, codes)."""
        angles = rows.slot_positions[:, None] * self._frequencies
        turns = angles.cos().float(), angles.sin().float()
        x, dtype = slots, self.packed.dtype
        for layer, keys, values in zip(self.packed.layers, pool.keys, pool.values, strict=True):
            assert layer.qkv.bias is not None
            product = F.linear(x.to(dtype), layer.qkv.weight)
            query = self._kernels.norm_rotary(product, x, layer.qkv.bias, turns, keys, values, rows)
            x = x + F.linear(self._kernels.attend(query, keys, values, rows, pool.context), layer.o.weight)
            product = F.linear(x.to(dtype), layer.gate_up.weight)
            x = x + F.linear(self._kernels.swiglu(product, x), layer.down.weight)
        x, out = F.rms_norm(x.index_select(0, chosen), x.shape[1:], eps=EPSILON), self.packed.out
        return F.linear(x.to(out.dtype), out.weight, out.bias).to(out.out_dtype)

"""The fast path of the language model: rows of many streams packed into one sequence of slots.

Linear layers see all slots of all rows at once, without padding; attention goes row by row over each row's own cache.
Compared with `Transformer`, the reference, the projections of a layer are fused, the norms' weights are folded into
them, and they run in the precision that the machine is fastest in; residuals, rotary positions and attention stay in
float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from voiceagent.model.decode.projection import Projection, fastest_dtype, normalize
from voiceagent.model.lm.language_model import TokenModel
from voiceagent.model.lm.transformer import KeysValues, Layer, rotary


@dataclass(frozen=True, slots=True)
class Row:
    """One stream's part of a pass: `pending` slots of its finished block, then `open` slots of the block under way.

    The former see the cache and themselves, the latter see everything: the mask of training (block-causal), row by row.
    """

    past: KeysValues  # (layers, 1, kv_heads, P, head_dim)
    position: int  # index of the row's first slot here in its stream
    pending: int
    open: int


@dataclass(frozen=True, slots=True)
class _Layer:
    """Fused projections of one block."""

    qkv: Projection
    o: Projection
    gate_up: Projection
    down: Projection


def _fuse(block: Layer, dtype: torch.dtype) -> _Layer:
    projections = (block.q_proj, block.k_proj, block.v_proj)
    before, after = block.input_layernorm.weight, block.post_attention_layernorm.weight
    gate_up = torch.cat((block.gate_proj.weight, block.up_proj.weight))
    return _Layer(
        Projection(
            torch.cat([p.weight for p in projections]) * before, torch.cat([p.bias for p in projections]), dtype
        ),
        Projection(block.o_proj.weight, None, dtype),
        Projection(gate_up * after, None, dtype),
        Projection(block.down_proj.weight, None, dtype),
    )


class PackedModel:
    """The language model's inner part, for decoding: slots -> logits. Text encoder and conditioning stay with the
    reference.
    """

    def __init__(self, model: TokenModel, dtype: torch.dtype | None = None) -> None:
        self.device = model.log_prior.device
        self.dtype = dtype or fastest_dtype(self.device)
        self.config, speech = model.config, model.config.speech
        self.heads, self.kv_heads, self.head_dim = speech.heads, speech.kv_heads, speech.width // speech.heads
        self.log_prior = model.log_prior
        self.offsets = model.offsets
        self.embeddings = model.digit.weight.detach()
        self.mask_row = self.embeddings[model.mask_row]
        self.begin_row = self.embeddings[model.begin_row]
        with torch.no_grad():
            self.layers = [_fuse(block, self.dtype) for block in model.transformer.layers]  # type: ignore[arg-type]  # ModuleList
            self.out = Projection(model.out.weight * model.transformer.norm.weight, model.out.bias, self.dtype)

    def empty_cache(self) -> KeysValues:
        """No slots, one row."""
        nothing = torch.zeros(len(self.layers), 1, self.kv_heads, 0, self.head_dim, device=self.device)
        return KeysValues(nothing, nothing)

    def embed(self, held: Tensor, masked: Tensor) -> Tensor:
        """What slots hold: digits (N, 6) int64, masked (N,) -> (N, C)."""
        rows = F.embedding_bag(held + self.offsets, self.embeddings, mode="sum")
        return torch.where(masked[:, None], self.mask_row, rows)

    def __call__(self, slots: Tensor, rows: Sequence[Row]) -> tuple[Tensor, Tensor, Tensor]:
        """Slots (N, C) of all rows, one row after the other -> logits (N, codes) and new keys and values.

        Keys and values are (layers, 1, kv_heads, N, head_dim).
        """
        positions = torch.cat([torch.arange(r.position, r.position + r.pending + r.open) for r in rows])
        cosines, sines = rotary(positions.to(self.device), self.head_dim, self.config.speech.rope_base)
        half = self.head_dim // 2
        signed = torch.cat((-sines[:, :half], sines[:, half:]), dim=1)[:, None]
        cosines = cosines[:, None]
        x, keys, values = slots, [], []
        for index, layer in enumerate(self.layers):
            qkv = layer.qkv(normalize(x)).float()
            heads = qkv.unflatten(1, (-1, self.head_dim))  # (N, H + 2 KV, D)
            turned = heads[:, : self.heads + self.kv_heads]
            turned = torch.addcmul(turned * cosines, turned.roll(half, -1), signed)
            key = turned[:, self.heads :].transpose(0, 1)  # (KV, N, D)
            value = heads[:, self.heads + self.kv_heads :].transpose(0, 1)
            mixed = self._attend(turned[:, : self.heads], key, value, rows, index)
            x = x + layer.o(mixed)
            gate, up = layer.gate_up(normalize(x)).chunk(2, dim=1)
            x = x + layer.down(F.silu(gate).mul_(up))
            keys.append(key)
            values.append(value)
        logits = self.out(normalize(x)).float()
        return logits, torch.stack(keys)[:, None], torch.stack(values)[:, None]

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, rows: Sequence[Row], layer: int) -> Tensor:
        """Each row over its own cache and slots: (N, H, D), (KV, N, D) twice -> (N, H * D)."""
        mixed, start = [], 0
        for row in rows:
            stop = start + row.pending + row.open
            keys = torch.cat((row.past.keys[layer, 0], key[:, start:stop]), dim=1)
            values = torch.cat((row.past.values[layer, 0], value[:, start:stop]), dim=1)
            if row.pending:
                seen = keys.shape[1] - row.open
                done = query[start : start + row.pending]
                mixed.append(grouped_attention(done, keys[:, :seen], values[:, :seen]))
            if row.open:
                mixed.append(grouped_attention(query[start + row.pending : stop], keys, values))
            start = stop
        return mixed[0] if len(mixed) == 1 else torch.cat(mixed)


def grouped_attention(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Grouped-query attention without a mask: (S, H, D), (KV, P, D) twice -> (S, H * D)."""
    slots, heads, head_dim = query.shape
    grouped = query.unflatten(1, (keys.shape[0], -1)).transpose(0, 1).flatten(1, 2)  # (KV, S * G, D)
    weights = torch.softmax((grouped * head_dim**-0.5) @ keys.transpose(1, 2), dim=-1)
    mixed: Tensor = (weights @ values).unflatten(1, (slots, -1))  # (KV, S, G, D)
    return mixed.transpose(0, 1).reshape(slots, heads * head_dim)

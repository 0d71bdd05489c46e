"""Everything between the fused projection and attention in one launch: norm, bias, rotary positions, split, and storing.

With x the residual, W the fused weight (the norm's own weight folded in) and y = x W^T the product of the matrix units:

    s   = 1 / sqrt(mean(x^2) + 1e-6)
    qkv = s y + b                                   RMSNorm commutes with the product, so it needs no pass of its own
    q, k: (a, b) -> (a cos - b sin, b cos + a sin)   on the two halves of each head, as in Qwen2

q comes out; k and v go straight into the ring of the slot's stream, at its position.
"""

from __future__ import annotations

import torch
from torch import Tensor

from voiceagent.kernels.checks import FLOATS, expect, expect_that
from voiceagent.kernels.compiler import jit, next_power_of_2, tl
from voiceagent.kernels.packing import PackedRows, check_rings, check_rows

EPSILON = 1e-6


@jit
def norm_rotary_kernel(  # type: ignore[no-untyped-def]
    product: tl.tensor,  # (N, (HEADS + 2 KV) * 2 * HALF)
    residual: tl.tensor,  # (N, WIDTH)
    bias: tl.tensor,
    cosines: tl.tensor,  # (N, HALF)
    sines: tl.tensor,
    query: tl.tensor,  # (N, HEADS, 2 * HALF)
    keys: tl.tensor,  # (rings, KV, capacity, 2 * HALF)
    values: tl.tensor,
    slot_positions: tl.tensor,
    slot_rings: tl.tensor,
    capacity: tl.tensor,
    WIDTH: tl.constexpr,
    HEADS: tl.constexpr,
    KV: tl.constexpr,
    HALF: tl.constexpr,
    EPSILON: tl.constexpr,
    BLOCK_WIDTH: tl.constexpr,
    BLOCK_HEADS: tl.constexpr,
    BLOCK_HALF: tl.constexpr,
):
    """One program a slot."""
    slot = tl.program_id(0)
    ring = tl.load(slot_rings + slot)
    is_slot = ring >= 0  # else padding, whose query is 0 and which is stored nowhere
    channel = tl.arange(0, BLOCK_WIDTH)
    x = tl.load(residual + slot * WIDTH + channel, mask=channel < WIDTH, other=0.0).to(tl.float32)
    scale = 1.0 / tl.sqrt(tl.sum(x * x, axis=0) / WIDTH + EPSILON)
    head = tl.arange(0, BLOCK_HEADS)
    pair = tl.arange(0, BLOCK_HALF)
    real = (head < HEADS + 2 * KV)[:, None] & (pair < HALF)[None, :]
    cells = head[:, None] * 2 * HALF + pair[None, :]
    here = product + slot * (HEADS + 2 * KV) * 2 * HALF
    a = tl.load(here + cells, mask=real, other=0.0).to(tl.float32) * scale
    b = tl.load(here + cells + HALF, mask=real, other=0.0).to(tl.float32) * scale
    a += tl.load(bias + cells, mask=real, other=0.0).to(tl.float32)
    b += tl.load(bias + cells + HALF, mask=real, other=0.0).to(tl.float32)
    cosine = tl.load(cosines + slot * HALF + pair, mask=pair < HALF, other=0.0)[None, :]
    sine = tl.load(sines + slot * HALF + pair, mask=pair < HALF, other=0.0)[None, :]
    turns = (head < HEADS + KV)[:, None]
    first = tl.where(is_slot, tl.where(turns, a * cosine - b * sine, a), 0.0)
    second = tl.where(is_slot, tl.where(turns, b * cosine + a * sine, b), 0.0)
    is_query = real & (head < HEADS)[:, None]
    out = query + slot * HEADS * 2 * HALF + cells
    tl.store(out, first.to(query.dtype.element_ty), mask=is_query)
    tl.store(out + HALF, second.to(query.dtype.element_ty), mask=is_query)
    place = tl.load(slot_positions + slot) % capacity
    kind = tl.where(is_slot, head - HEADS, -1)  # key heads count from 0, value heads from KV
    is_key = real & ((kind >= 0) & (kind < KV))[:, None]
    is_value = real & (kind >= KV)[:, None]
    ring_head = ring.to(tl.int64) * KV + tl.where(kind < KV, kind, kind - KV)
    there = (ring_head * capacity + place)[:, None] * 2 * HALF + pair[None, :]
    tl.store(keys + there, first.to(keys.dtype.element_ty), mask=is_key)
    tl.store(keys + there + HALF, second.to(keys.dtype.element_ty), mask=is_key)
    tl.store(values + there, first.to(values.dtype.element_ty), mask=is_value)
    tl.store(values + there + HALF, second.to(values.dtype.element_ty), mask=is_value)


def _check(
    product: Tensor,
    residual: Tensor,
    bias: Tensor,
    rotary: tuple[Tensor, Tensor],
    keys: Tensor,
    values: Tensor,
    rows: PackedRows,
) -> tuple[int, int]:
    """Raise where something does not fit; the number of query heads and the size of a head."""
    expect_that(keys.dim() == 4, f"keys have {keys.dim()} dimensions, not (rings, kv_heads, capacity, head_dim)")
    kv_heads, head_dim = keys.shape[1], keys.shape[3]
    expect_that(head_dim % 2 == 0, f"heads of {head_dim} channels have no halves to turn")
    slots = len(rows.slot_positions)
    expect("product", product, (slots, None), FLOATS, keys)
    expect("residual", residual, (slots, None), FLOATS, keys)
    expect("bias", bias, (product.shape[1],), FLOATS, keys)
    for name, part in zip(("cosines", "sines"), rotary, strict=True):
        expect(name, part, (slots, head_dim // 2), (torch.float32,), keys)
    check_rows(rows, keys)
    check_rings(keys, values, rows, 1, head_dim)
    heads, left = divmod(product.shape[1], head_dim)
    expect_that(left == 0 and heads > 2 * kv_heads, f"{product.shape[1]} columns are no heads of {head_dim} channels")
    return heads - 2 * kv_heads, head_dim


def norm_rotary(
    product: Tensor,
    residual: Tensor,
    bias: Tensor,
    rotary: tuple[Tensor, Tensor],
    keys: Tensor,
    values: Tensor,
    rows: PackedRows,
) -> Tensor:
    """Queries, and keys and values of every slot of the pass in their rings (in place).

    Args:
        product: (N, (heads + 2 kv_heads) * head_dim) = residual times the fused weight, without bias.
        residual: (N, width) as it went into the product, before the norm.
        bias: of q, k and v together.
        rotary: cosines and sines, (N, head_dim / 2) each.
        keys: (rings, kv_heads, capacity, head_dim) of one layer.
        values: as `keys`.
        rows: position and ring of each slot.

    Returns:
        (N, heads, head_dim) in the type of `keys`; padding slots are 0.

    Raises:
        ValueError: shapes, types or devices do not fit together.
    """
    heads, head_dim = _check(product, residual, bias, rotary, keys, values, rows)
    slots, width = residual.shape
    kv_heads, capacity = keys.shape[1:3]
    query = keys.new_empty(slots, heads, head_dim)
    if not slots:
        return query
    norm_rotary_kernel[(slots,)](
        product,
        residual,
        bias,
        *rotary,
        query,
        keys,
        values,
        rows.slot_positions,
        rows.slot_rings,
        capacity,
        WIDTH=width,
        HEADS=heads,
        KV=kv_heads,
        HALF=head_dim // 2,
        EPSILON=EPSILON,
        BLOCK_WIDTH=next_power_of_2(width),
        BLOCK_HEADS=next_power_of_2(heads + 2 * kv_heads),
        BLOCK_HALF=next_power_of_2(head_dim // 2),
    )
    return query


def norm_rotary_reference(
    product: Tensor,
    residual: Tensor,
    bias: Tensor,
    rotary: tuple[Tensor, Tensor],
    keys: Tensor,
    values: Tensor,
    rows: PackedRows,
) -> Tensor:
    """The same in PyTorch."""
    heads, head_dim = _check(product, residual, bias, rotary, keys, values, rows)
    kv_heads, capacity = keys.shape[1:3]
    scale = residual.float().square().mean(1, keepdim=True).add(EPSILON).rsqrt()
    parts = (product.float() * scale + bias.float()).unflatten(1, (-1, head_dim))
    cosine, sine = (part[:, None] for part in rotary)
    a, b = parts[:, : heads + kv_heads].chunk(2, dim=2)
    turned = torch.cat((a * cosine - b * sine, b * cosine + a * sine), dim=2)
    real = rows.slot_rings >= 0
    ring, place = rows.slot_rings[real].long(), rows.slot_positions[real].long() % capacity
    keys[ring, :, place] = turned[real, heads:].to(keys.dtype)
    values[ring, :, place] = parts[real, heads + kv_heads :].to(values.dtype)
    return torch.where(real[:, None, None], turned[:, :heads], 0.0).to(keys.dtype)

"""Attention of packed rows over their rings: one launch for all rows, whatever their lengths.

For query slot i of a row whose first slot has position p, with grouped heads (G query heads share a pair of keys and values):

    seen(i) = [max(p - context, 0), p + pending)   if i belongs to the finished block (the first `pending` slots of the row)
              [max(p - context, 0), p + slots)     if i belongs to the block under way
    out_i   = sum_j softmax_j(q_i . k_j / sqrt(D)) v_j,   j in seen(i)

which is the block-causal mask of training. The slots of the row itself are already in the ring (norm_rotary.py puts them there), so
one loop reads everything. The result takes the place of the queries, whose only reader is the program that writes it. The softmax
runs online over tiles of keys, sums in float32. A program handles one row and one pair of heads: its result does not depend on the
other rows.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from voiceagent.kernels.checks import FLOATS, expect, expect_that
from voiceagent.kernels.compiler import blocks, jit, next_power_of_2, tl
from voiceagent.kernels.packing import PackedRows, check_rings, check_rows

BLOCK_QUERIES, BLOCK_KEYS = 32, 32


@jit
def attention_kernel(  # type: ignore[no-untyped-def]
    query: tl.tensor,  # (N, KV * GROUP, D), overwritten
    keys: tl.tensor,  # (rings, KV, capacity, D)
    values: tl.tensor,
    starts: tl.tensor,
    pending: tl.tensor,
    positions: tl.tensor,
    rings: tl.tensor,
    scale: tl.tensor,
    kv_heads: tl.tensor,
    capacity: tl.tensor,
    context: tl.tensor,
    GROUP: tl.constexpr,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_QUERIES: tl.constexpr,
    BLOCK_KEYS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """One program a row, a pair of keys and values, and a tile of its queries (slots times query heads)."""
    row = tl.program_id(0)
    head = tl.program_id(1)
    start = tl.load(starts + row)
    slots = tl.load(starts + row + 1) - start
    index = tl.program_id(2) * BLOCK_QUERIES + tl.arange(0, BLOCK_QUERIES)
    if tl.program_id(2) * BLOCK_QUERIES >= slots * GROUP:
        return
    slot = index // GROUP
    real = slot < slots
    column = tl.arange(0, BLOCK_D)
    wide = column < D
    cells = ((start + slot) * kv_heads * GROUP + head * GROUP + index % GROUP)[:, None] * D + column[None, :]
    q = tl.load(query + cells, mask=real[:, None] & wide[None, :], other=0.0).to(tl.float32) * scale
    position = tl.load(positions + row)
    first = tl.maximum(position - context, 0)
    end = position + slots
    seen_until = tl.where(slot < tl.load(pending + row), position + tl.load(pending + row), end)
    ring = (tl.load(rings + row).to(tl.int64) * kv_heads + head) * capacity * D
    top = tl.full((BLOCK_QUERIES,), float("-inf"), tl.float32)
    total = tl.zeros((BLOCK_QUERIES,), tl.float32)
    mixed = tl.zeros((BLOCK_QUERIES, BLOCK_D), tl.float32)
    for tile in range(first, end, BLOCK_KEYS):
        at = tile + tl.arange(0, BLOCK_KEYS)
        there = ring + (at % capacity)[:, None] * D + column[None, :]
        held = (at < end)[:, None] & wide[None, :]
        k = tl.load(keys + there, mask=held, other=0.0).to(tl.float32)
        v = tl.load(values + there, mask=held, other=0.0).to(tl.float32)
        score = tl.dot(q, tl.trans(k), input_precision=PRECISION)
        score = tl.where(at[None, :] < seen_until[:, None], score, float("-inf"))
        new_top = tl.maximum(top, tl.max(score, axis=1))  # finite: the first tile has a key that everyone sees
        shrink = tl.exp(top - new_top)
        weight = tl.exp(score - new_top[:, None])
        total = total * shrink + tl.sum(weight, axis=1)
        mixed = mixed * shrink[:, None] + tl.dot(weight, v, input_precision=PRECISION)
        top = new_top
    mixed = mixed / total[:, None]
    tl.store(query + cells, mixed.to(query.dtype.element_ty), mask=real[:, None] & wide[None, :])


def _check(query: Tensor, keys: Tensor, values: Tensor, rows: PackedRows, context: int) -> None:
    expect_that(query.dim() == 3, f"query has {query.dim()} dimensions, not (slots, heads, head_dim)")
    heads, head_dim = query.shape[1:]
    expect("query", query, (len(rows.slot_positions), None, None), FLOATS, keys)
    check_rows(rows, query)
    check_rings(keys, values, rows, context, head_dim)
    expect_that(
        heads % keys.shape[1] == 0, f"{heads} query heads cannot share {keys.shape[1]} pairs of keys and values"
    )


def attend(query: Tensor, keys: Tensor, values: Tensor, rows: PackedRows, context: int) -> Tensor:
    """Each row over its own ring, which already holds the row's own slots.

    Args:
        query: (N, heads, head_dim), rotated; overwritten.
        keys: (rings, kv_heads, capacity, head_dim) of one layer, rotated.
        values: as `keys`.
        rows: which slots and which ring are whose.
        context: slots before its row that a query sees at most.

    Returns:
        (N, heads * head_dim), the memory of `query`; padding slots stay as they are.

    Raises:
        ValueError: shapes, types or devices do not fit together.
    """
    _check(query, keys, values, rows, context)
    slots, heads, head_dim = query.shape
    kv_heads, capacity = keys.shape[1:3]
    group = heads // kv_heads
    tiles = blocks(rows.longest * group, BLOCK_QUERIES)
    if not len(rows.pending) or not slots:
        return query.flatten(1)
    # What was bfloat16 loses nothing in tf32, which multiplies 11 bits and sums in float32, and weights of the softmax keep more
    # than bfloat16 would leave them. float32 needs full products.
    exact = torch.float32 in (query.dtype, keys.dtype)
    attention_kernel[(len(rows.pending), kv_heads, tiles)](
        query,
        keys,
        values,
        rows.starts,
        rows.pending,
        rows.positions,
        rows.rings,
        head_dim**-0.5,
        kv_heads,
        capacity,
        context,
        GROUP=group,
        D=head_dim,
        BLOCK_D=max(16, next_power_of_2(head_dim)),
        BLOCK_QUERIES=BLOCK_QUERIES,
        BLOCK_KEYS=BLOCK_KEYS,
        PRECISION="ieee" if exact else "tf32",
    )
    return query.flatten(1)


def attend_reference(query: Tensor, keys: Tensor, values: Tensor, rows: PackedRows, context: int) -> Tensor:
    """The same in PyTorch, row by row."""
    _check(query, keys, values, rows, context)
    heads, head_dim = query.shape[1:]
    kv_heads, capacity = keys.shape[1:3]
    starts = rows.starts.tolist()
    for row, (start, stop) in enumerate(pairwise(starts)):
        position, done, ring = (int(part[row]) for part in (rows.positions, rows.pending, rows.rings))
        first = max(position - context, 0)
        for begin, end, seen_until in (
            (start, start + done, position + done),
            (start + done, stop, position + stop - start),
        ):
            at = torch.arange(first, seen_until, device=query.device) % capacity
            k, v = (part[ring][:, at].float() for part in (keys, values))  # (KV, seen, D)
            q = query[begin:end].float().unflatten(1, (kv_heads, -1)).permute(1, 0, 2, 3)  # (KV, S, G, D)
            weights = torch.softmax((q * head_dim**-0.5).flatten(1, 2) @ k.transpose(1, 2), dim=-1)
            mixed = (weights @ v).unflatten(1, (end - begin, heads // kv_heads))
            query[begin:end] = mixed.transpose(0, 1).flatten(1, 2).to(query.dtype)
    return query.flatten(1)

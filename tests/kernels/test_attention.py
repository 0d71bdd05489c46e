"""Attention over rings: kernel against reference, and the reference against the attention of the packed model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from voiceagent.kernels.attention import attend, attend_reference
from voiceagent.kernels.packing import PackedRows, RingPool, RowPlace
from voiceagent.model.decode.packed import PackedModel, Row
from voiceagent.model.lm.transformer import KeysValues

CPU = torch.device("cpu")


def filled_pool(
    device: torch.device, *, kv_heads: int, head_dim: int, context: int, longest: int, dtype: torch.dtype
) -> RingPool:
    pool = RingPool.empty(
        layers=1, rings=4, kv_heads=kv_heads, head_dim=head_dim, context=context, longest=longest, dtype=dtype, device=device
    )  # fmt: skip
    generator = torch.Generator().manual_seed(1)
    for part in (pool.keys, pool.values):
        part.copy_(torch.randn(part.shape, generator=generator))
    return pool


def queries(rows: PackedRows, heads: int, head_dim: int, dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    made = torch.randn(len(rows.slot_positions), heads, head_dim, generator=generator)
    return made.to(rows.starts.device, dtype)


PLACES = [
    [RowPlace(0, 0, 1, 2)],  # the very first slot of a stream
    [RowPlace(3, 0, 5, 1), RowPlace(45, 5, 7, 0), RowPlace(0, 0, 3, 2), RowPlace(1000, 12, 0, 3)],
    [RowPlace(20, 4, 8, 3), RowPlace(19, 12, 0, 0)],  # the ring is just about full
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("heads", "kv_heads", "head_dim"), [(5, 1, 64), (4, 2, 8), (14, 2, 24), (1, 1, 2)])
@pytest.mark.parametrize("places", PLACES, ids=range(len(PLACES)))
def test_kernel_equals_reference(
    places: list[RowPlace], heads: int, kv_heads: int, head_dim: int, dtype: torch.dtype, device: torch.device
) -> None:
    pool = filled_pool(device, kv_heads=kv_heads, head_dim=head_dim, context=20, longest=12, dtype=dtype)
    rows = PackedRows.of(places, device, rows=len(places) + 1, slots=30)
    query = queries(rows, heads, head_dim, dtype)
    expected = attend_reference(query.clone(), pool.keys[0], pool.values[0], rows, 20)
    made = attend(query, pool.keys[0], pool.values[0], rows, 20)
    assert made.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    assert torch.allclose(made.float(), expected.float(), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("size", [1e4, 1e-12, 0.0])
def test_extreme_scores(size: float, device: torch.device) -> None:
    pool = filled_pool(device, kv_heads=1, head_dim=16, context=80, longest=9, dtype=torch.float32)
    pool.keys.mul_(size)
    rows = PackedRows.of([RowPlace(500, 4, 5, 1)], device)
    query = queries(rows, 3, 16, torch.float32)
    made = attend(query.clone(), pool.keys[0], pool.values[0], rows, 80)
    assert made.isfinite().all()
    assert torch.allclose(made, attend_reference(query, pool.keys[0], pool.values[0], rows, 80), atol=1e-4)


def test_a_row_does_not_depend_on_its_company(device: torch.device) -> None:
    pool = filled_pool(device, kv_heads=2, head_dim=8, context=20, longest=12, dtype=torch.float32)
    together, alone = PackedRows.of(PLACES[1], device), PackedRows.of(PLACES[1][1:2], device)
    query = queries(together, 4, 8, torch.float32)
    own = query[5:17].clone()
    made = attend(query, pool.keys[0], pool.values[0], together, 20)
    assert torch.equal(made[5:17], attend(own, pool.keys[0], pool.values[0], alone, 20))


def test_the_packed_model_attends_to_the_same() -> None:
    context, heads, kv_heads, head_dim = 20, 4, 2, 8
    pool = filled_pool(CPU, kv_heads=kv_heads, head_dim=head_dim, context=context, longest=12, dtype=torch.float32)
    rows = PackedRows.of(PLACES[1], CPU)
    keys, values = (
        part[0, rows.slot_rings.long(), :, rows.slot_positions.long() % 32] for part in (pool.keys, pool.values)
    )
    packed = []
    for place in PLACES[1]:
        at = torch.arange(max(0, place.position - context), place.position) % 32
        past = KeysValues(pool.keys[:, place.ring, :, at][:, None], pool.values[:, place.ring, :, at][:, None])
        packed.append(Row(past, place.position, place.pending, place.open))
    query = queries(rows, heads, head_dim, torch.float32)
    # keys of slots are (N, KV, D) here, (KV, N, D) there
    expected = PackedModel._attend(None, query, keys.transpose(0, 1), values.transpose(0, 1), packed, 0)  # type: ignore[arg-type]
    assert torch.allclose(
        attend_reference(query.clone(), pool.keys[0], pool.values[0], rows, context), expected, atol=1e-5
    )


def test_what_does_not_fit_is_refused() -> None:
    pool = filled_pool(CPU, kv_heads=2, head_dim=8, context=20, longest=12, dtype=torch.float32)
    rows = PackedRows.of([RowPlace(0, 0, 3, 2)], CPU)
    query, keys, values = queries(rows, 4, 8, torch.float32), pool.keys[0], pool.values[0]
    with pytest.raises(ValueError, match="3 query heads cannot share 2"):
        attend(query[:, :3].contiguous(), keys, values, rows, 20)
    with pytest.raises(ValueError, match="too short for a context of 30"):
        attend(query, keys, values, rows, 30)
    with pytest.raises(ValueError, match="values is bfloat16"):
        attend(query, keys, values.bfloat16(), rows, 20)
    with pytest.raises(ValueError, match="not one of the 4"):
        attend(query, keys, values, PackedRows.of([RowPlace(0, 0, 3, 4)], CPU), 20)
    with pytest.raises(ValueError, match="query has the shape"):
        attend(query[:2], keys, values, rows, 20)
    with pytest.raises(ValueError, match="more pending slots"):
        attend(query, keys, values, replace(rows, pending=rows.pending + 4), 20)

"""Norms, rotary positions, gates: kernels against references at odd shapes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from voiceagent.kernels.norm_rotary import norm_rotary, norm_rotary_reference
from voiceagent.kernels.packing import PackedRows, RingPool, RowPlace
from voiceagent.kernels.swiglu import swiglu, swiglu_reference
from voiceagent.model.lm.transformer import rotary

PLACES = [RowPlace(3, 0, 5, 1), RowPlace(95, 5, 4, 0), RowPlace(0, 0, 3, 2)]
SLOTS, REAL = 20, 17


def pass_of(
    heads: int, kv_heads: int, head_dim: int, width: int, dtype: torch.dtype, device: torch.device
) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[Tensor, Tensor], RingPool, PackedRows]:
    """Product, residual and bias; rotary tables; rings with something in them; rows."""
    generator = torch.Generator().manual_seed(heads)
    pool = RingPool.empty(
        layers=1, rings=3, kv_heads=kv_heads, head_dim=head_dim, context=20, longest=9, dtype=dtype, device=device
    )
    rows = PackedRows.of(PLACES, device, slots=SLOTS)
    columns = (heads + 2 * kv_heads) * head_dim
    product, residual, bias = (
        torch.randn(size, generator=generator).to(device) for size in ((SLOTS, columns), (SLOTS, width), (columns,))
    )
    cosines, sines = rotary(rows.slot_positions, head_dim, 10_000.0)
    half = head_dim // 2
    tables = cosines[:, :half].contiguous(), sines[:, :half].contiguous()
    for part in (pool.keys, pool.values):
        part.fill_(7.0)
    return (product.to(dtype), residual, bias), tables, pool, rows


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("heads", "kv_heads", "head_dim", "width"), [(5, 1, 64, 320), (4, 2, 8, 33), (1, 1, 2, 1)])
def test_kernel_equals_reference(
    heads: int, kv_heads: int, head_dim: int, width: int, dtype: torch.dtype, device: torch.device
) -> None:
    inputs, tables, pool, rows = pass_of(heads, kv_heads, head_dim, width, dtype, device)
    (keys, values), (their_keys, their_values) = (
        [part[0].clone() for part in (pool.keys, pool.values)] for _ in range(2)
    )
    query = norm_rotary(*inputs, tables, keys, values, rows)
    expected = norm_rotary_reference(*inputs, tables, their_keys, their_values, rows)
    for made, wanted in ((query, expected), (keys, their_keys), (values, their_values)):
        assert made.dtype == dtype
        assert torch.allclose(made, wanted, atol=1e-5, rtol=1e-5 if dtype == torch.float32 else 1e-2)
    assert (query[REAL:] == 0).all(), "padding has no queries"
    untouched = torch.ones(keys.shape[0], keys.shape[2], dtype=torch.bool, device=device)
    untouched[rows.slot_rings[:REAL].long(), rows.slot_positions[:REAL].long() % keys.shape[2]] = False
    assert (keys.transpose(1, 2)[untouched] == 7).all(), "a slot was stored where it does not belong"
    assert (values.transpose(1, 2)[untouched] == 7).all()


@pytest.mark.parametrize("size", [0.0, 1e-9, 1e9])
def test_extreme_residuals(size: float, device: torch.device) -> None:
    (product, residual, bias), tables, pool, rows = pass_of(4, 2, 8, 33, torch.float32, device)
    inputs = product * size, residual * size, bias
    made = norm_rotary(*inputs, tables, pool.keys[0], pool.values[0], rows)
    assert made.isfinite().all()
    assert torch.allclose(made, norm_rotary_reference(*inputs, tables, pool.keys[0], pool.values[0], rows), atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("slots", "units", "width"), [(1, 1, 1), (5, 37, 33), (3, 1025, 320), (0, 8, 8)])
def test_gates(slots: int, units: int, width: int, dtype: torch.dtype, device: torch.device) -> None:
    generator = torch.Generator().manual_seed(units)
    product = (torch.randn(slots, 2 * units, generator=generator) * 30).to(device, dtype)
    residual = torch.randn(slots, width, generator=generator).to(device)
    made = swiglu(product, residual)
    assert made.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 1e-2
    assert torch.allclose(made, swiglu_reference(product, residual), atol=1e-5, rtol=tolerance)


def test_what_does_not_fit_is_refused() -> None:
    (product, residual, bias), tables, pool, rows = pass_of(4, 2, 8, 33, torch.float32, torch.device("cpu"))
    keys, values = pool.keys[0], pool.values[0]
    with pytest.raises(ValueError, match="no heads of 8 channels"):
        norm_rotary(product[:, :60].contiguous(), residual, bias[:60], tables, keys, values, rows)
    with pytest.raises(ValueError, match="cosines has the shape"):
        norm_rotary(product, residual, bias, (tables[0][:3], tables[1]), keys, values, rows)
    with pytest.raises(ValueError, match="residual has the shape"):
        norm_rotary(product, residual[:4], bias, tables, keys, values, rows)
    with pytest.raises(ValueError, match="not a gate"):
        swiglu(product[:, :7].contiguous(), residual)

"""The gate of the feed-forward layer with the norm before it, in one launch.

With x the residual, W = [W_gate; W_up] (the norm's own weight folded in) and (g, u) = x W^T as they come out of the matrix units:

    s   = 1 / sqrt(mean(x^2) + 1e-6)
    out = silu(s g) * s u,   silu(z) = z / (1 + exp(-z))
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from voiceagent.kernels.checks import FLOATS, expect, expect_that
from voiceagent.kernels.compiler import blocks, jit, next_power_of_2, tl

EPSILON = 1e-6
BLOCK_UNITS = 1024


@jit
def swiglu_kernel(  # type: ignore[no-untyped-def]
    product: tl.tensor,  # (N, 2 * units)
    residual: tl.tensor,  # (N, WIDTH)
    out: tl.tensor,  # (N, units)
    units: tl.tensor,
    WIDTH: tl.constexpr,
    EPSILON: tl.constexpr,
    BLOCK_WIDTH: tl.constexpr,
    BLOCK_UNITS: tl.constexpr,
):
    """One program a slot and a tile of units; each reads the residual again, which is smaller than its tile."""
    slot = tl.program_id(0)
    channel = tl.arange(0, BLOCK_WIDTH)
    x = tl.load(residual + slot * WIDTH + channel, mask=channel < WIDTH, other=0.0).to(tl.float32)
    scale = 1.0 / tl.sqrt(tl.sum(x * x, axis=0) / WIDTH + EPSILON)
    unit = tl.program_id(1) * BLOCK_UNITS + tl.arange(0, BLOCK_UNITS)
    real = unit < units
    gate = tl.load(product + slot * 2 * units + unit, mask=real, other=0.0).to(tl.float32) * scale
    up = tl.load(product + slot * 2 * units + units + unit, mask=real, other=0.0).to(tl.float32) * scale
    small = tl.exp(-tl.abs(gate))  # never overflows
    made = gate * tl.where(gate >= 0, 1.0, small) / (1.0 + small) * up
    tl.store(out + slot * units + unit, made.to(out.dtype.element_ty), mask=real)


def _check(product: Tensor, residual: Tensor) -> None:
    expect("product", product, (None, None), FLOATS, product)
    expect("residual", residual, (product.shape[0], None), FLOATS, product)
    expect_that(product.shape[1] % 2 == 0, f"{product.shape[1]} columns are not a gate and as many units")


def swiglu(product: Tensor, residual: Tensor) -> Tensor:
    """Products (N, 2 * units) of the residual (N, width) with gate and up -> (N, units) in the type of `product`.

    Raises:
        ValueError: shapes, types or devices do not fit together.
    """
    _check(product, residual)
    slots, units = product.shape[0], product.shape[1] // 2
    out = product.new_empty(slots, units)
    if not slots or not units:
        return out
    width = residual.shape[1]
    swiglu_kernel[(slots, blocks(units, BLOCK_UNITS))](
        product,
        residual,
        out,
        units,
        WIDTH=width,
        EPSILON=EPSILON,
        BLOCK_WIDTH=next_power_of_2(width),
        BLOCK_UNITS=BLOCK_UNITS,
    )
    return out


def swiglu_reference(product: Tensor, residual: Tensor) -> Tensor:
    """The same in PyTorch."""
    _check(product, residual)
    scale = residual.float().square().mean(1, keepdim=True).add(EPSILON).rsqrt()
    gate, up = (product.float() * scale).chunk(2, dim=1)
    return (F.silu(gate) * up).to(product.dtype)

"""Linear layers and norms as inference wants them: in the machine's fastest precision, laid out once, without
gradients.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceagent.model.codec.layers import ContextBlock

EPSILON = 1e-6
TYPICAL_ROWS = 32  # rows of a product that weights are laid out for; other numbers work as well
# Products with more inputs are summed in another order when they have more than 32 rows. In pieces of 32, a row's
# result does not depend on how many others there are, so that a stream sounds the same in any company
# (tests/model/decode/test_projection.py).
INVARIANT_INPUTS, INVARIANT_ROWS = 320, 32


def fastest_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the machine has instructions for it, else float32."""
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    if device.type == "cuda" or (fast and multiplies(torch.bfloat16, device)):
        return torch.bfloat16
    return torch.float32


def multiplies(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether the machine's library has products in this precision; bfloat16 on a processor needs AVX512 or newer."""
    if dtype is not torch.bfloat16 or device.type != "cpu":
        return True
    return not torch.backends.mkldnn.is_available() or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def bucket(rows: int) -> int:
    """8, 16, 32, 64, and then multiples of 64."""
    return next((size for size in (8, 16, 32) if rows <= size), -(-rows // 64) * 64)


def normalize(x: Tensor) -> Tensor:
    """RMSNorm without weight, (..., C)."""
    width = x.shape[-1]
    scale: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(width).add_(EPSILON).rsqrt_()
    return x * scale


class Projection(nn.Module):
    """`x W^T + b` in a given precision; with `gelu`, GELU (tanh approximation) of that, in the same operation where
    there is one.

    On a CPU the weight is reordered once for the matrix units; `torch.nn.functional.linear` would do that again in
    every call, which for a few rows takes longer than the product.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        dtype: torch.dtype,
        *,
        out_dtype: torch.dtype | None = None,
        gelu: bool = False,
    ) -> None:
        super().__init__()
        self.out_dtype, self.gelu = out_dtype or dtype, gelu
        # Where there are no such products, the same rounded weights are multiplied in float32.
        self.dtype = dtype if multiplies(dtype, weight.device) else torch.float32
        self.weight = weight.detach().to(dtype).to(self.dtype).contiguous()
        self.bias = None if bias is None else bias.detach().to(dtype).to(self.dtype)
        self.reordered, self.grouped = None, weight.device.type == "cpu"
        if self.dtype is torch.bfloat16 and weight.device.type == "cpu" and torch.backends.mkldnn.is_available():
            self.reordered = torch.ops.mkldnn._reorder_linear_weight(self.weight, TYPICAL_ROWS)
            self.weight = self.weight[:0].clone()

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs) in `out_dtype`."""
        x = x.to(self.dtype)
        rows = x.reshape(-1, x.shape[-1])
        joined = self._plain(rows) if self.reordered is None else self._fast(rows)
        shaped: Tensor = joined.to(self.out_dtype).unflatten(0, x.shape[:-1])
        return shaped

    def _plain(self, rows: Tensor) -> Tensor:
        """On a processor always in whole groups, for the library chooses the order of a sum by the number of rows."""
        if self.grouped and len(rows):
            padded = F.pad(rows, (0, 0, 0, -len(rows) % INVARIANT_ROWS))
            groups = [F.linear(group, self.weight, self.bias) for group in padded.split(INVARIANT_ROWS)]
            made = torch.cat(groups)[: len(rows)]
        else:
            made = F.linear(rows, self.weight, self.bias)
        return F.gelu(made, approximate="tanh") if self.gelu else made

    def _fast(self, rows: Tensor) -> Tensor:
        step = len(rows) if rows.shape[-1] <= INVARIANT_INPUTS else INVARIANT_ROWS
        made = [self._product(part) for part in rows.split(max(1, step))]
        return made[0] if len(made) == 1 else torch.cat(made)

    def _product(self, rows: Tensor) -> Tensor:
        """Padded to one of few numbers of rows: the library compiles and keeps a kernel for each that it meets."""
        missing = bucket(len(rows)) - len(rows)
        padded = F.pad(rows, (0, 0, 0, missing)) if missing else rows
        name, kind = ("gelu", "tanh") if self.gelu else ("none", "")
        made: Tensor = torch.ops.mkldnn._linear_pointwise(padded, self.reordered, self.bias, name, [], kind)
        return made[: len(rows)] if missing else made


class RowProjection(nn.Module):
    """`x W^T + b` in float32, summed row by row: the same bits in any company. For layers with few inputs or
    outputs.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight.detach(), linear.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        made: Tensor = (x[..., None, :] * self.weight).sum(-1) + self.bias
        return made


class Norm(nn.Module):
    """RMSNorm with weight."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight.detach()

    def forward(self, x: Tensor) -> Tensor:
        return normalize(x) * self.weight


def prepare(module: nn.Module, dtype: torch.dtype) -> None:
    """Replace every linear layer and norm below `module`; results stay in float32."""
    if isinstance(module, ContextBlock):
        module.up = Projection(module.up.weight, module.up.bias, dtype, gelu=True)  # type: ignore[assignment]  # in place
        module.activation = nn.Identity()
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, Projection(child.weight, child.bias, dtype, out_dtype=torch.float32))
        elif isinstance(child, nn.RMSNorm):
            setattr(module, name, Norm(child.weight))
        else:
            prepare(child, dtype)

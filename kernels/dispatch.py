"""Which implementation runs, decided once a device: Triton kernels on a GPU, their PyTorch references elsewhere.

    kernels = choose(device)
    query = kernels.norm_rotary(product, residual, bias, rotary, keys, values, rows)
    mixed = kernels.attend(query, keys, values, rows, context)
    gated = kernels.swiglu(product, residual)
    kernels.unmask(logits, log_prior, levels, tokens, masked, schedule)

Asking for "triton" or "torch" overrides the choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import torch
from torch import Tensor

from voiceagent.kernels import compiler
from voiceagent.kernels.attention import attend, attend_reference
from voiceagent.kernels.norm_rotary import norm_rotary, norm_rotary_reference
from voiceagent.kernels.packing import PackedRows
from voiceagent.kernels.swiglu import swiglu, swiglu_reference
from voiceagent.kernels.unmask import Schedule, unmask, unmask_reference

NormRotary: TypeAlias = Callable[[Tensor, Tensor, Tensor, tuple[Tensor, Tensor], Tensor, Tensor, PackedRows], Tensor]
Attend: TypeAlias = Callable[[Tensor, Tensor, Tensor, PackedRows, int], Tensor]
Swiglu: TypeAlias = Callable[[Tensor, Tensor], Tensor]
Unmask: TypeAlias = Callable[[Tensor, Tensor, Sequence[int], Tensor, Tensor, Schedule], None]


@dataclass(frozen=True, slots=True)
class Kernels:
    """One implementation of everything."""

    name: str
    norm_rotary: NormRotary
    attend: Attend
    swiglu: Swiglu
    unmask: Unmask


TRITON = Kernels("triton", norm_rotary, attend, swiglu, unmask)
TORCH = Kernels("torch", norm_rotary_reference, attend_reference, swiglu_reference, unmask_reference)


@cache
def choose(device: torch.device, wanted: str = "auto") -> Kernels:
    """The implementation for tensors on this device.

    Raises:
        ValueError: `wanted` is neither auto, triton nor torch.
        RuntimeError: it asks for Triton where that cannot run.
    """
    if wanted not in ("auto", "triton", "torch"):
        raise ValueError(f"unknown kernels {wanted!r}: choose auto, triton or torch")
    possible = compiler.INSTALLED and (device.type == "cuda" or compiler.INTERPRETED)
    if wanted == "triton" and not possible:
        missing = (
            "Triton, the extra gpu, is not installed"
            if not compiler.INSTALLED
            else (
                f"Triton compiles for GPUs, not for {device.type}; TRITON_INTERPRET=1 runs kernels on the CPU, slowly"
            )
        )
        raise RuntimeError(f"kernels = triton: {missing}")
    on_gpu = possible and device.type == "cuda" and wanted != "torch"
    return TRITON if wanted == "triton" or on_gpu else TORCH

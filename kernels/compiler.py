"""Triton where it is installed. Where it is not, kernels can still be imported for their references; launching one is an error."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

__all__ = ["INSTALLED", "INTERPRETED", "blocks", "jit", "next_power_of_2", "tl", "triton"]

try:
    import triton
    import triton.language as tl
except ModuleNotFoundError:  # no wheels for this platform, or no GPU wanted
    triton = tl = None

INSTALLED = triton is not None
# Triton reads this when a kernel is defined, so it must be set before the first import: kernels then run in NumPy, on CPU tensors.
INTERPRETED = INSTALLED and os.environ.get("TRITON_INTERPRET") == "1"


class _Missing:
    """Stands where a kernel would be."""

    def __init__(self, function: Callable[..., None]) -> None:
        self._name = function.__name__

    def __getitem__(self, grid: object) -> Any:
        raise RuntimeError(
            f"{self._name} needs Triton, the extra gpu; the reference does without: kernels = 'torch' in [engine]"
        )


def jit(function: Callable[..., Any]) -> Any:
    """`triton.jit`, or something that says that Triton is missing when it is launched."""
    return _Missing(function) if triton is None else triton.jit(function)


def next_power_of_2(number: int) -> int:
    """Blocks have such sizes: 1, 2, 4, ..."""
    return 1 << max(0, number - 1).bit_length()


def blocks(number: int, size: int) -> int:
    """How many blocks of this size cover so many elements."""
    return -(-number // size)

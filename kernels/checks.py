"""What launchers check before they hand pointers to a kernel, which would read whatever is there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FLOATS = (torch.float32, torch.bfloat16)


def expect(name: str, tensor: Tensor, shape: Sequence[int | None], dtypes: Sequence[torch.dtype], like: Tensor) -> None:
    """A contiguous tensor of this shape (None: any size) and one of these types, on the device of `like`.

    Raises:
        ValueError: it is something else; the message says what was expected and what came.
    """
    fits = len(shape) == tensor.dim() and all(
        want is None or want == size for want, size in zip(shape, tensor.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} has the shape {tuple(tensor.shape)}, not ({wanted})")
    if tensor.dtype not in dtypes:
        wanted = " or ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
        raise ValueError(f"{name} is {str(tensor.dtype).removeprefix('torch.')}, not {wanted}")
    if tensor.device != like.device:
        raise ValueError(f"{name} is on {tensor.device}, not on {like.device} like the others")
    if not tensor.is_contiguous():
        raise ValueError(f"{name} is not contiguous: call .contiguous() first")


def expect_that(holds: bool, message: str) -> None:
    """Raise a ValueError with this message where it does not hold."""
    if not holds:
        raise ValueError(message)

"""Where training runs: on the GPU if there is one, by the same code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import torch

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Batch = TypeVar("Batch", bound=DataclassInstance)
else:
    Batch = TypeVar("Batch")

AHEAD = 4  # batches that are made while the GPU works


def use_device(threads: int) -> torch.device:
    """Choose the device, make new tensors there by default, and set the threads of the processor."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_default_device(device)
    torch.set_num_threads(threads)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    return device


def autocast() -> torch.autocast:
    """bfloat16 where it is safe, on the device in use."""
    return torch.autocast(torch.get_default_device().type, torch.bfloat16)


def to_device(batch: Batch) -> Batch:
    """A dataclass of tensors, or of such dataclasses, moved to the device in use."""
    device = torch.get_default_device()
    if device.type == "cpu":
        return batch

    def moved(part: Any) -> Any:
        return part.pin_memory().to(device, non_blocking=True) if isinstance(part, torch.Tensor) else to_device(part)

    return replace(batch, **{f.name: moved(getattr(batch, f.name)) for f in fields(batch)})


def batches(next_batch: Callable[[], Batch]) -> Iterator[Batch]:
    """Batches without end, on the device; a GPU does not wait for the next one to be cut."""
    if torch.get_default_device().type == "cpu":
        while True:
            yield next_batch()
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:  # the default device is a setting of each thread
        waiting = [pool.submit(next_batch) for _ in range(AHEAD)]
        while True:
            ready = waiting.pop(0).result()
            waiting.append(pool.submit(next_batch))
            yield to_device(ready)

"""How many operations a piece of work is made of: on a GPU each would be at least one kernel launch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# Memory is named or reserved, nothing is computed.
IDLE = ("_unsafe_view", "_reshape_alias", "detach", "empty", "empty_strided", "lift_fresh", "new_empty")


class _Counter(TorchDispatchMode):
    """Counts operations that are not views."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        is_view = any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)
        if not is_view and func.__name__.partition(".")[0] not in IDLE:
            self.count += 1
        return func(*args, **(kwargs or {}))


def count_operations(work: Callable[[], object]) -> int:
    """Do the work once and count; it must not switch to inference mode, where operations are not seen one by one."""
    counter = _Counter()
    with torch.no_grad(), counter:
        work()
    return counter.count

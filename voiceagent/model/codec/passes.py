"""Many streams in few passes of the codec: those whose arrays have equal shapes share one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

PartT = TypeVar("PartT")
MadeT = TypeVar("MadeT")


def in_passes(
    parts: Sequence[PartT],
    standing: Callable[[PartT], Hashable],
    work: Callable[[list[PartT]], Iterable[MadeT]],
) -> list[MadeT]:
    """What `work` makes of each part, in order.

    Args:
        parts: one a stream.
        standing: is equal for parts that can share a pass.
        work: does a pass -> what it made of each part.
    """
    alike: dict[Hashable, list[int]] = {}
    for index, part in enumerate(parts):
        alike.setdefault(standing(part), []).append(index)
    made: dict[int, MadeT] = {}
    for members in alike.values():
        made.update(zip(members, work([parts[index] for index in members]), strict=True))
    return [made[index] for index in range(len(parts))]

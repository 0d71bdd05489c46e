"""Connections that have shown no key yet: a place of their own, so that they take none of those who have one.

It is small, and whoever is in it stays only for a moment. When one too many comes, the one that has been there longest
goes: a client shows its key at once, and one that is silent cannot keep others out by being there first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


class Strangers:
    """Those who are there, in the order in which they came.

    Args:
        most: how many may be there at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._there: dict[int, Callable[[], None]] = {}
        self._came = 0

    def __len__(self) -> int:
        return len(self._there)

    @contextlib.contextmanager
    def enter(self, leave: Callable[[], None]) -> Iterator[None]:
        """A place for as long as the block lasts; `leave` is called when it is taken away."""
        if len(self._there) >= self._most:
            self._there.pop(next(iter(self._there)))()
        self._came += 1
        number = self._came
        self._there[number] = leave
        try:
            yield
        finally:
            self._there.pop(number, None)

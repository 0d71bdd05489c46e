"""Whether the engine says anything while it has something to say. Without a clock: every method takes the time.

Sessions that share an engine share the watch: as long as one of them hears from it, it is busy and not stuck.
"""

from __future__ import annotations

from collections.abc import Callable


class EngineWatch:
    """Tells a stuck engine from a busy one.

    Args:
        stall_s: how long it may be silent while a session waits for it.
        on_stall: is called each time it is found stuck.
    """

    def __init__(self, stall_s: float, on_stall: Callable[[], None] = lambda: None) -> None:
        self.stall_s = stall_s
        self.stalled = False
        """It was found stuck, and has not been heard since."""
        self._on_stall = on_stall
        self._heard_s = float("-inf")

    def heard(self, now: float) -> None:
        """Notes that something came from it, for whomever."""
        self._heard_s = now
        self.stalled = False

    def wait_s(self, asked_s: float, now: float) -> float:
        """Seconds until a session that has waited since `asked_s` must give it up; 0.0 is now."""
        return max(0.0, max(asked_s, self._heard_s) + self.stall_s - now)

    def give_up(self) -> None:
        """Notes that a session has waited too long."""
        if not self.stalled:
            self.stalled = True
            self._on_stall()

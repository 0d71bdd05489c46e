"""How far sending may run ahead of playing, and what a listener has heard.

Knows no clock of its own: every method takes the time, so that tests never sleep. Knows nothing of
samples, queues or transports either.
"""

from __future__ import annotations


class Playhead:
    """A loudspeaker in the mind: it plays from the first delivery on, and stops where nothing is left.

    Args:
        prebuffer_s: seconds of audio that it collects before it starts.
    """

    def __init__(self, prebuffer_s: float = 0.0) -> None:
        self.delivered_s = 0.0
        self.played_s = 0.0
        self.underruns = 0
        self.starved_s = 0.0
        self._prebuffer_s = prebuffer_s
        self._at: float | None = None
        self._starving = False

    def advance(self, now: float) -> float:
        """Plays up to `now` what was delivered; returns the seconds that have been played in all."""
        if self._at is None:
            return self.played_s
        due = self.played_s + max(0.0, now - self._at)
        self._at = max(self._at, now)
        self.played_s = min(due, self.delivered_s)
        # A microsecond forgives the rounding of clocks.
        if due > self.delivered_s + 1e-6:
            self.starved_s += due - self.delivered_s
            self._starving = True
        return self.played_s

    def deliver(self, duration_s: float, now: float, *, last: bool = False) -> None:
        """Adds audio that arrives at `now`; silence before it, after playing began, is an underrun."""
        self.advance(now)
        if self._starving and duration_s > 0:
            self.underruns += 1
            self._starving = False
        self.delivered_s += duration_s
        if self._at is None and (last or self.delivered_s > self._prebuffer_s):
            self._at = now

    def acknowledge(self, played_s: float) -> None:
        """Takes the listener's word for it where it says more than the clock does."""
        self.played_s = max(self.played_s, min(played_s, self.delivered_s))


class Pacer:
    """Credit for sending: at most `max_ahead_s` seconds beyond what has been played.

    Args:
        max_ahead_s: the credit; None means that sending is never held back.
    """

    def __init__(self, max_ahead_s: float | None) -> None:
        self._max_ahead_s = max_ahead_s
        self._playhead = Playhead()
        self._acknowledged_s: float | None = None

    @property
    def sent_s(self) -> float:
        """Seconds sent so far."""
        return self._playhead.delivered_s

    def sent(self, duration_s: float, now: float) -> None:
        """Notes that this much went out."""
        self._playhead.deliver(duration_s, now)

    def acknowledge(self, played_s: float) -> None:
        """Notes what the listener says it has played in all."""
        self._acknowledged_s = max(self._acknowledged_s or 0.0, played_s)
        self._playhead.acknowledge(played_s)

    def wait_s(self, now: float) -> float:
        """Seconds until more may be sent; 0.0 is now."""
        if self._max_ahead_s is None:
            return 0.0
        return max(0.0, self.sent_s - self._playhead.advance(now) - self._max_ahead_s)

    def is_playing(self, now: float) -> bool:
        """Whether, by the clock, something that was sent is still to be played."""
        return self._playhead.advance(now) < self.sent_s

    def played_s(self, now: float) -> float:
        """Seconds that have been played, by the clock or by the listener's word, whichever says more."""
        return self._playhead.advance(now)

    def heard_s(self, now: float) -> float:
        """Seconds that the listener has heard: its own word if it gave one, else as far as a clock would have
        played.
        """
        if self._acknowledged_s is not None:
            return min(self._acknowledged_s, self.sent_s)
        return self._playhead.advance(now)

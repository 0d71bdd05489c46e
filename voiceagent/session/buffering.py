"""How long text waits: how fast it comes, and how much the listener still has to hear, decide when it goes to the
engine.

Speech starts when what is known, and what will have come by the time it has been said, is enough to go on. From then on
text waits for its sentence as long as it can, and is cut just before the listener would hear nothing.

Without I/O and without a clock: every method takes the time. It does not know chunks, the engine or samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from voiceagent.settings.buffering import BufferingName


@dataclass(frozen=True, slots=True)
class Buffering:
    """What text waits for.

    start_s: seconds of sound that must be known before speech starts, beyond what the pace of the text asks for; None
        does not ask for that either. Infinite waits for the end or a flush.
    first_s: a first chunk that is closed before its time sounds for so long at least, whatever the pace of the text.
    cuts: close text before its sentence is known when the listener would fall silent.
    stall_s: text that stops for so long has stalled: what can be said well by itself is said.
    hold_s: so long after that the rest is said, too, but for words that lead on to others, which wait three times as
    long.
    """

    start_s: float | None = 0.1
    first_s: float = 0.35
    cuts: bool = True
    stall_s: float = 0.5
    hold_s: float = 1.0


BUFFERINGS: Final[dict[BufferingName, Buffering]] = {
    "none": Buffering(start_s=None, cuts=False),
    "low": Buffering(start_s=None),
    "auto": Buffering(),
    "safe": Buffering(start_s=2.0),
    "whole": Buffering(start_s=float("inf"), cuts=False),
    "sentence": Buffering(start_s=None, cuts=False),
}

# The last samples of a chunk leave with the next one, as the decoder looks 120 ms ahead, and up to 60 ms of silence are
# left out.
WITHHELD_S = 0.18
STALL_CHARS = 11  # two words: text that pauses for twice as long as they take has stalled
# How far text must get ahead of speech while the first chunk sounds. Chosen on 120 development sentences, simulated.
PHRASE_CHARS = 16  # while a first chunk sounds that was closed before its time: the next phrase
MORE_CHARS = 18  # while all that is known sounds, where a comma or a full stop has closed it
SPOKEN_CHARS_PER_S = 20.0  # the voices say 16 a second; the rest is reserve
LATENCY_S = 0.1  # from handing a chunk over to its first sound, before that has been measured
NEXT_BLOCK = 2.2  # latencies: the second block is twice as long as the first, but needs no planning
RESERVE_S = 0.05  # what measured times are not trusted for
_PRIOR_CHARS, _PRIOR_S = 6.0, 0.05  # what is believed of the pace before anything has come
_MEMORY_S = 2.0  # how far back the pace is looked at
_PAUSE_S = 0.3  # a longer interval is a stall, and no part of the pace


class Pace:
    """How fast text comes; a stall is no part of it."""

    def __init__(self) -> None:
        self.last_at: float | None = None
        """When text came last."""
        self._chars = _PRIOR_CHARS
        self._spent_s = _PRIOR_S

    def came(self, chars: int, now: float) -> None:
        """Notes that text came. The first piece begins the count: what led up to it is not known."""
        if self.last_at is not None:
            passed_s = min(max(0.0, now - self.last_at), _PAUSE_S)
            keep = max(0.0, 1 - passed_s / _MEMORY_S)
            self._chars = self._chars * keep + chars
            self._spent_s = self._spent_s * keep + passed_s
        self.last_at = now

    def chars_per_s(self, now: float) -> float:
        """Characters a second, by what has come and by how long nothing has."""
        waited_s = 0.0 if self.last_at is None else min(max(0.0, now - self.last_at), _PAUSE_S)
        return self._chars / (self._spent_s + waited_s)


class Latency:
    """From handing a chunk to an idle engine to its first sound: rises at once, falls slowly. Shared by what shares an
    engine.
    """

    def __init__(self, seconds: float = LATENCY_S) -> None:
        self.seconds = seconds
        """What to reckon with."""
        self.last = 0.0
        """The last measurement."""

    def measured(self, seconds: float) -> None:
        """Takes a measurement."""
        self.last = min(2.0, seconds)
        self.seconds = min(2.0, max(seconds, 0.8 * self.seconds + 0.2 * seconds))


class Lead:
    """How far speech is ahead of its listener, and how long text may wait.

    Args:
        buffering: what text waits for.
        latency: how long the engine takes.
        speed: factor on the rate of speech.
    """

    def __init__(self, buffering: Buffering, latency: Latency, speed: float = 1.0) -> None:
        self.buffering = buffering
        self.pace = Pace()
        self._latency = latency
        self._speed = speed
        self._pending_s = 0.0  # about how long what the engine has will still sound
        self._made_s = 0.0
        self._handed_at: float | None = None

    def handed(self, sound_s: float, now: float, *, idle: bool) -> None:
        """A chunk goes to the engine, which may have had nothing to do."""
        self._pending_s += sound_s / self._speed
        if idle:
            self._handed_at = now

    def made(self, seconds: float, now: float) -> None:
        """The engine has made sound."""
        if seconds > 0 and self._handed_at is not None:
            self._latency.measured(now - self._handed_at)
            self._handed_at = None
        self._made_s += seconds
        self._pending_s = max(0.0, self._pending_s - seconds)

    def idle(self) -> None:
        """The engine has nothing left to do."""
        self._pending_s = 0.0

    def left_s(self, played_s: float) -> float:
        """Seconds until the listener hears nothing, if nothing else is closed."""
        return self._made_s + 0.9 * self._pending_s - played_s

    def cut_in_s(self, played_s: float) -> float:
        """Seconds until text that waits must be closed, or the listener hears nothing."""
        return max(0.0, self.left_s(played_s) - 1.5 * self._latency.seconds - RESERVE_S)

    def hold_back_s(self, played_s: float, made_at: float, now: float) -> float:
        """Seconds that the first sound is held back, where the engine has more to say but may not have it soon
        enough.
        """
        if not self._pending_s:
            return 0.0
        short_s = max(NEXT_BLOCK * self._latency.last, 1.3 * self._latency.seconds) - (self._made_s - played_s)
        return max(0.0, made_at + short_s - now)

    def suffices(self, known_s: float, now: float) -> bool:
        """Whether speech may start with so many seconds of sound known: there will be more to say when they are
        over.
        """
        start_s = self.buffering.start_s
        if start_s is None:
            return True
        more_s = self._gained_s(MORE_CHARS, now)
        return known_s / self._speed >= WITHHELD_S + self._latency.seconds + more_s + start_s

    def first_s(self, now: float) -> float:
        """How long a first chunk that is closed before its time must sound: until the next phrase has come and is
        made.
        """
        shortest_s = self.buffering.first_s
        if self.buffering.start_s is None:
            return shortest_s
        ready_s = WITHHELD_S + self._latency.seconds + self._gained_s(PHRASE_CHARS, now)
        return max(shortest_s, ready_s * self._speed)

    def _gained_s(self, chars: float, now: float) -> float:
        """Seconds until text is so many characters further ahead of speech, which it is taken to outrun at least a
        little.
        """
        rate = self.pace.chars_per_s(now)
        return chars / max(rate - SPOKEN_CHARS_PER_S * self._speed, rate / 4)

    def stalled(self, now: float) -> bool:
        """Whether text has stopped coming, by its own pace."""
        if self.pace.last_at is None:
            return False
        return now - self.pace.last_at > min(
            self.buffering.stall_s, 0.15 + 2 * STALL_CHARS / self.pace.chars_per_s(now)
        )

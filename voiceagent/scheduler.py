"""Whose blocks move next: pure Python, no tensors, no clock of its own.

Every tick is one forward pass for several streams. Streams that have not sounded yet go first, in order of arrival, then those
whose listeners run dry soonest; while somebody waits for a first sound, those that are far ahead sit out: the pass is short.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

COMFORT_S = 1.0  # audio ahead of the listener with which a stream can wait for others' first sound


@dataclass(slots=True)
class Standing:
    """What the scheduler knows of a stream."""

    arrived: int
    started_s: float | None = None  # when its first samples left
    sent_s: float = 0.0  # seconds of audio that have left since

    def deadline_s(self) -> float:
        """When the listener runs dry, if playback began with the first samples."""
        return -1.0 if self.started_s is None else self.started_s + self.sent_s


class Scheduler:
    """Admits streams up to a limit and picks the most urgent of those that are ready.

    Args:
        max_streams: streams that may be open at once.
        max_rows: streams that share a tick.
    """

    def __init__(self, max_streams: int, max_rows: int = 16) -> None:
        self.max_streams = max_streams
        self.max_rows = max_rows
        self._standing: dict[int, Standing] = {}
        self._arrivals = 0

    @property
    def full(self) -> bool:
        """No further stream can be admitted."""
        return len(self._standing) >= self.max_streams

    def admit(self, stream: int) -> None:
        """A new stream; the caller has looked at `full`."""
        self._arrivals += 1
        self._standing[stream] = Standing(self._arrivals)

    def retire(self, stream: int) -> None:
        """The stream is over."""
        self._standing.pop(stream, None)

    def sent(self, stream: int, audio_s: float, now_s: float) -> None:
        """Audio of a stream has left."""
        standing = self._standing.get(stream)
        if standing is None or audio_s <= 0:
            return
        if standing.started_s is None or now_s > standing.deadline_s():
            standing.started_s, standing.sent_s = now_s, 0.0  # first sound, or after a gap
        standing.sent_s += audio_s

    def pick(self, ready: Iterable[int], now_s: float) -> list[int]:
        """The streams of the next tick, the most urgent first; empty if none is ready."""
        known = [stream for stream in ready if stream in self._standing]
        known.sort(key=lambda s: (self._standing[s].deadline_s(), self._standing[s].arrived))
        if any(self._standing[stream].started_s is None for stream in known):
            known = [stream for stream in known if self._standing[stream].deadline_s() < now_s + COMFORT_S]
        return known[: self.max_rows]

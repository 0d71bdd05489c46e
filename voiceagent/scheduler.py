"""Whose block comes next: pure Python, no tensors, no clock of its own.

Streams that have not sounded yet come first, in order of arrival; then the stream whose listener runs dry soonest.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    """Admits streams up to a limit and picks the most urgent of those that are ready."""

    def __init__(self, max_streams: int) -> None:
        self.max_streams = max_streams
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

    def next(self, ready: list[int]) -> int | None:
        """The most urgent of the ready streams."""
        known = [stream for stream in ready if stream in self._standing]
        return min(known, key=lambda s: (self._standing[s].deadline_s(), self._standing[s].arrived), default=None)

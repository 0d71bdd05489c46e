"""Whose blocks move next: pure Python, no tensors, no clock of its own.

Every tick is one forward pass for several streams. The earliest deadline goes first: who waits for a first sound has been short of
audio since there was something to say, others are when they run dry. While somebody waits for a first sound, streams that are far
ahead sit out, and a connection brings one new stream at a time: the pass is short. Deadlines of those who wait stay where they
are and newcomers' are later, so nobody starves.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

COMFORT_S = 1.0  # audio ahead of the listener with which a stream can wait for others' first sound


@dataclass(slots=True)
class Standing:
    """What the scheduler knows of a stream."""

    arrived: int
    owner: Hashable
    ready_s: float | None = None  # since when there has been something to say, None: not known to be so
    started_s: float | None = None  # when its first samples left
    sent_s: float = 0.0  # seconds of audio that have left since

    def dry_s(self) -> float:
        """When the listener runs dry, if playback began with the first samples; long ago where there were none."""
        return float("-inf") if self.started_s is None else self.started_s + self.sent_s

    def deadline_s(self) -> float:
        """When the listener runs dry, or began to wait for what can be said now."""
        return self.dry_s() if self.ready_s is None else max(self.dry_s(), self.ready_s)


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
        self.late = 0
        """Blocks that came after their listener had run dry, although there was something to say before."""

    @property
    def full(self) -> bool:
        """No further stream can be admitted."""
        return len(self._standing) >= self.max_streams

    def admit(self, stream: int, owner: Hashable = None) -> None:
        """A new stream, and whose it is; the caller has looked at `full`."""
        self._arrivals += 1
        self._standing[stream] = Standing(self._arrivals, owner)

    def retire(self, stream: int) -> None:
        """The stream is over."""
        self._standing.pop(stream, None)

    def sounded(self, stream: int) -> bool:
        """Whether its listener has heard something."""
        return self._standing[stream].started_s is not None

    def sent(self, stream: int, audio_s: float, now_s: float) -> None:
        """A block of a stream is done and its audio has left."""
        standing = self._standing.get(stream)
        if standing is None:
            return
        ready_s, standing.ready_s = standing.ready_s, None
        if audio_s <= 0:
            return
        if ready_s is not None and ready_s < standing.dry_s() < now_s:
            self.late += 1
        if now_s > standing.dry_s():
            standing.started_s, standing.sent_s = now_s, 0.0  # first sound, or after a gap
        standing.sent_s += audio_s

    def pick(self, ready: Iterable[int], now_s: float) -> list[int]:
        """The streams of the next tick, the most urgent first; empty if none is ready."""
        known = [stream for stream in ready if stream in self._standing]
        for standing in (self._standing[stream] for stream in known):
            standing.ready_s = now_s if standing.ready_s is None else standing.ready_s
        known.sort(key=lambda s: (self._standing[s].deadline_s(), self._standing[s].arrived))
        if not all(map(self.sounded, known)):
            known = self._for_first_sounds(known, now_s)
        return known[: self.max_rows]

    def _for_first_sounds(self, known: list[int], now_s: float) -> list[int]:
        """Those of a short pass; where connections compete, one new stream of each."""
        alone = len({self._standing[stream].owner for stream in known}) == 1
        opening: set[Hashable] = set()
        chosen = []
        for stream in known:
            standing = self._standing[stream]
            if self.sounded(stream):
                waits = standing.deadline_s() >= now_s + COMFORT_S
            else:
                waits = standing.owner in opening and not alone
                opening.add(standing.owner)
            if not waits:
                chosen.append(stream)
        return chosen

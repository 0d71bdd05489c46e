"""Samples on their way to a loudspeaker: filled by the event loop, emptied by the sound card's thread.

Knows no sound card; `voiceagent.adapters.sound.local_audio` has one.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from voiceagent.audio.formats import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from voiceagent.audio.formats import Samples

CAPACITY_S = 2.0
# A cut inside a wave clicks; this much fade-out does not, and is too short to hear.
FADE_S = 0.005


class PlayBuffer:
    """A ring of samples that never blocks the thread that plays them: full, it takes no more; empty, it gives silence.

    Args:
        sample_rate: of what is put in and pulled.
        capacity_s: how much can wait.
    """

    def __init__(self, sample_rate: int = SAMPLE_RATE_HZ, capacity_s: float = CAPACITY_S) -> None:
        self.sample_rate = sample_rate
        self.underruns = 0
        """How often the card found nothing although more was to come."""
        self._lock = threading.Lock()
        self._ring = np.zeros(max(1, round(capacity_s * sample_rate)), np.float32)
        self._begin = 0
        self._count = 0
        self._pulled = 0
        self._playing = False

    @property
    def buffered_s(self) -> float:
        """Seconds that wait to be played."""
        return self._count / self.sample_rate

    @property
    def pulled_s(self) -> float:
        """Seconds of sound that the card has taken in all; the silence between is not counted."""
        return self._pulled / self.sample_rate

    def put(self, samples: Samples) -> int:
        """Adds as many of the samples, (n,) float32, as there is room for; returns how many."""
        with self._lock:
            taken = min(len(samples), len(self._ring) - self._count)
            end = (self._begin + self._count) % len(self._ring)
            first = min(taken, len(self._ring) - end)
            self._ring[end : end + first] = samples[:first]
            self._ring[: taken - first] = samples[first:taken]
            self._count += taken
            self._playing = self._playing or taken > 0
        return taken

    def finish(self) -> None:
        """No more comes: running empty is no underrun any more."""
        with self._lock:
            self._playing = False

    def drop(self) -> None:
        """Forgets what waits, but for a short fade-out."""
        with self._lock:
            self._count = min(self._count, round(FADE_S * self.sample_rate))
            fade = np.linspace(1, 0, self._count, dtype=np.float32)
            first = min(self._count, len(self._ring) - self._begin)
            self._ring[self._begin : self._begin + first] *= fade[:first]
            self._ring[: self._count - first] *= fade[first:]
            self._playing = False

    def pull(self, n: int) -> Samples:
        """The next n samples, with silence where there are none; on the sound card's thread."""
        out = np.zeros(n, np.float32)
        with self._lock:
            taken = min(n, self._count)
            first = min(taken, len(self._ring) - self._begin)
            out[:first] = self._ring[self._begin : self._begin + first]
            out[first:taken] = self._ring[: taken - first]
            self._begin = (self._begin + taken) % len(self._ring)
            self._count -= taken
            self._pulled += taken
            if taken < n and self._playing:
                self.underruns += 1
                self._playing = False  # counted once, until more comes
        return out

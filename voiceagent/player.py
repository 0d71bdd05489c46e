"""Samples on their way to a loudspeaker: filled by the event loop, emptied by the sound card's thread.

Knows no sound card; `voiceagent.adapters.local_audio` has one.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from voiceagent.events import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from voiceagent.events import Samples

# A cut inside a wave clicks; this much fade-out does not, and is too short to hear.
FADE_S = 0.005


class PlayBuffer:
    """A queue of samples that never blocks the thread that plays them. Whoever fills it looks at `buffered_s`."""

    def __init__(self) -> None:
        self.underruns = 0
        """How often the card found nothing although more was to come."""
        self._lock = threading.Lock()
        self._pieces: deque[Samples] = deque()
        self._samples = 0
        self._playing = False

    @property
    def buffered_s(self) -> float:
        """Seconds that wait to be played."""
        return self._samples / SAMPLE_RATE_HZ

    def put(self, samples: Samples) -> None:
        """Adds samples, (n,) float32."""
        if len(samples):
            with self._lock:
                self._pieces.append(samples)
                self._samples += len(samples)
                self._playing = True

    def finish(self) -> None:
        """No more comes: running empty is no underrun any more."""
        with self._lock:
            self._playing = False

    def drop(self) -> None:
        """Forgets what waits, but for a short fade-out."""
        with self._lock:
            kept = self._pull(min(self._samples, int(FADE_S * SAMPLE_RATE_HZ)))
            self._pieces.clear()
            self._samples = len(kept)
            if len(kept):
                self._pieces.append(kept * np.linspace(1, 0, len(kept), dtype=np.float32))
            self._playing = False

    def pull(self, n: int) -> Samples:
        """The next n samples, with silence where there are none; on the sound card's thread."""
        with self._lock:
            samples = self._pull(min(n, self._samples))
            if len(samples) < n and self._playing:
                self.underruns += 1
                self._playing = False  # counted once, until more comes
        return np.concatenate([samples, np.zeros(n - len(samples), np.float32)])

    def _pull(self, n: int) -> Samples:
        pulled: list[Samples] = []
        self._samples -= n
        while n:
            piece = self._pieces.popleft()
            if len(piece) > n:
                self._pieces.appendleft(piece[n:])
            pulled.append(piece[:n])
            n -= len(pulled[-1])
        return np.concatenate(pulled) if pulled else np.zeros(0, np.float32)

"""An engine whose every sample is different, so that a sample that is lost, repeated or out of place shows."""

from __future__ import annotations

import numpy as np
from support.fakes import FakeEngine

from voiceagent.audio.formats import Samples
from voiceagent.audio.pcm import to_s16le
from voiceagent.protocol import outputs


class NoiseEngine(FakeEngine):
    """Speaks noise that is never silent, and remembers it."""

    def __init__(self, *, word_s: float = 0.2, latency_s: float = 0.0) -> None:
        super().__init__(word_s=word_s, latency_s=latency_s, threaded=True)
        self._made: dict[int, list[Samples]] = {}
        self._random = np.random.default_rng(0)

    def said(self, stream: int = 1) -> bytes:
        """All that a stream has spoken, as it goes over the wire."""
        return to_s16le(np.concatenate(self._made[stream]))

    def _deliver(self, stream: int, output: outputs.Output) -> None:
        if isinstance(output, outputs.Speech) and len(output.samples):
            n = len(output.samples)
            loud = self._random.uniform(0.1, 0.5, n) * self._random.choice([-1, 1], n)
            output = outputs.Speech(loud.astype(np.float32), output.words, output.chunk_done)
            self._made.setdefault(stream, []).append(output.samples)
        super()._deliver(stream, output)

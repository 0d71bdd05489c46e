"""What every transport of one process shares: the engine, the settings, the counters.

Knows no transport; adapters get their sessions here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from voiceagent.config import ServeConfig
from voiceagent.live import LiveSession, default_chunker
from voiceagent.metrics import Metrics
from voiceagent.session import MakeChunker, SpeechEngine


@dataclass(slots=True)
class Service:
    """The parts that clients share."""

    engine: SpeechEngine
    config: ServeConfig = field(default_factory=ServeConfig)
    make_chunker: MakeChunker = default_chunker
    metrics: Metrics = field(default_factory=Metrics)
    connections: int = 0
    """Clients connected now."""

    @property
    def full(self) -> bool:
        """No more clients are taken."""
        return self.connections >= self.config.max_connections

    def connect(self, *, paced: bool = True) -> LiveSession:
        """A session for a client; inside a running event loop.

        Args:
            paced: hold audio back to `max_ahead_ms` of each utterance; a file is wanted as fast as it can be made.
        """
        return LiveSession(self.engine, limits=self.config.limits, paced=paced, make_chunker=self.make_chunker)

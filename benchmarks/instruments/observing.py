"""An engine that takes notes: how long each delivery was, so that joins between blocks can be looked at."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import accumulate
from typing import TYPE_CHECKING

from voiceagent.options import SpeakOptions
from voiceagent.protocol import outputs

if TYPE_CHECKING:
    from voiceagent.agent import AgentEngine
    from voiceagent.text.chunk import Chunk


class ObservedEngine:
    """Passes everything on to the engine inside. Meant for one utterance at a time."""

    def __init__(self, inner: AgentEngine) -> None:
        self._inner = inner
        self._lengths: list[int] = []
        self.sample_rate = inner.sample_rate
        self.voices = inner.voices

    @property
    def load(self) -> outputs.EngineLoad:
        """How busy the engine inside is."""
        return self._inner.load

    def start(self) -> None:
        """Bring the engine up."""
        self._inner.start()

    def close(self) -> None:
        """Bring the engine down."""
        self._inner.close()

    def open(self, options: SpeakOptions, deliver: Callable[[outputs.Output], None], *, owner: Hashable = None) -> int:
        """Open a stream and forget the notes about the one before."""
        self._lengths = lengths = []

        def note(output: outputs.Output) -> None:
            if isinstance(output, outputs.Speech):
                lengths.append(len(output.samples))
            deliver(output)

        return self._inner.open(options, note, owner=owner)

    def speak(self, stream: int, chunk: Chunk) -> None:
        """Queue a chunk."""
        self._inner.speak(stream, chunk)

    def cancel(self, stream: int) -> None:
        """Stop a stream."""
        self._inner.cancel(stream)

    def joins(self) -> list[int]:
        """Sample offsets where one delivery of the last utterance ends and the next begins."""
        return list(accumulate(self._lengths))[:-1]

"""What a session needs of others: an engine that speaks, and chunkers that cut text for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Protocol

from voiceagent.options import SpeakOptions
from voiceagent.protocol import outputs
from voiceagent.settings.policy import Setting

if TYPE_CHECKING:
    from voiceagent.text.chunk import Chunk


class SpeechEngine(Protocol):
    """What the session needs of an engine; every call returns at once."""

    sample_rate: int
    voices: tuple[str, ...]

    @property
    def load(self) -> outputs.EngineLoad:
        """How busy it is."""
        ...

    def open(self, options: SpeakOptions, deliver: Callable[[outputs.Output], None], *, owner: Hashable = None) -> int:
        """Opens a stream; `deliver` is called on the engine's thread. Owners have their turns alike, whatever each has open."""
        ...

    def speak(self, stream: int, chunk: Chunk) -> None:
        """Queues a chunk. Each ends in exactly one `Speech` with `chunk_done`, of no samples where nothing is spoken."""
        ...

    def cancel(self, stream: int) -> None:
        """Stops a stream."""
        ...


class Chunker(Protocol):
    """Cuts text into stretches that are spoken in one go; `voiceagent.text.chunker` has the real one."""

    def feed(self, text: str) -> list[Chunk]:
        """More text."""
        ...

    def flush(self) -> list[Chunk]:
        """Closes what waits."""
        ...

    def end(self) -> list[Chunk]:
        """Closes what waits; the last chunk is final."""
        ...

    def poll(self, waited_s: float) -> list[Chunk]:
        """Closes what has waited too long."""
        ...

    def cut(self, *, stalled: bool = False, least_s: float = 0.0) -> list[Chunk]:
        """Closes before its time what will sound for so long at least; where the text has stalled, what can be said by itself."""
        ...

    @property
    def waiting_s(self) -> float:
        """About how long the whole words that wait will sound."""
        ...


class Allowance(Protocol):
    """What a client may still do by its key, over all its sessions."""

    def check_start(self) -> None:
        """Raises NoCapacity where no further utterance may be open."""
        ...

    def check_text(self, chars: int, now: float) -> None:
        """Raises RateLimited where so many characters may not be taken at this time."""
        ...

    def spend(self, chars: int) -> None:
        """Counts characters that were taken."""
        ...


class MakeChunker(Protocol):
    """Makes the chunker of an utterance; `speech` has what its client wants spoken differently."""

    def __call__(self, speech: Mapping[str, Setting] | None = None, /) -> Chunker: ...

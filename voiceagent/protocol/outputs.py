"""What the engine says of a stream: samples, notices, and exactly one end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from voiceagent.audio.formats import Samples


@dataclass(frozen=True, slots=True)
class WordTime:
    """One spoken word: when, and which characters of the text as sent."""

    text: str
    start_s: float
    end_s: float
    char_start: int
    char_end: int
    char_starts_s: tuple[float, ...] = ()
    """When each character from `char_start` to `char_end` begins; the next one ends it. Empty where nobody asked."""


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """A stretch of audio."""

    samples: Samples  # (n,) float32 in [-1, 1], 24 kHz
    words: tuple[WordTime, ...] = ()
    """Words whose audio starts inside these samples; times from the start of the utterance's audio."""
    chunk_done: bool = False
    """The last sample here is the last one of a chunk."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the listener's side should know; speech goes on."""

    message: str
    code: str = "notice"
    """What a program may look for: "notice", or "remade" where speech was decoded again before it left."""


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """How busy an engine is; the place of an operator's gauges."""

    slots: int
    """Streams that may be open at once."""
    taken: int = 0
    """Streams that are open."""
    waiting: int = 0
    """Chunks that wait for their turn."""
    late: int = 0
    """Blocks since the start that came after their listener had run dry, although there was something to say."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a stream: always exactly one, last."""

    cancelled: bool = False
    error: str | None = None
    internal: bool = field(default=False, compare=False)
    """The error is for the log: it speaks of our code, not of what a client could do."""


Output: TypeAlias = Speech | Notice | Finished

"""What a client is told: the events of a session.

Plain frozen dataclasses that know nothing of transports, torch or clocks. Times are seconds in Python and milliseconds
on the wire; `voiceagent.protocol.wire` has the encoding, `commands` what a client asks for, `outputs` what the engine
says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from voiceagent.audio.formats import ENCODINGS, SAMPLE_RATES_HZ, AudioFormat, Samples
from voiceagent.protocol.outputs import WordTime


@dataclass(frozen=True, slots=True)
class Ready:
    """The first event of a connection."""

    type: ClassVar[str] = "ready"
    session: str
    limits: dict[str, int]
    voices: tuple[str, ...] = ()
    formats: tuple[str, ...] = ENCODINGS
    sample_rates: tuple[int, ...] = SAMPLE_RATES_HZ
    token: str | None = None
    """With this a lost connection is resumed; None: not at this door."""
    resume_window_ms: int = 0


@dataclass(frozen=True, slots=True)
class Received:
    """What the server has of an open utterance: a client that resumes goes on from there."""

    id: str
    chars: int
    """Characters of its text; what was sent beyond them is lost and must be sent again."""
    ended: bool


@dataclass(frozen=True, slots=True)
class Resumed:
    """The session of a lost connection goes on here; what its client missed follows."""

    type: ClassVar[str] = "resumed"
    session: str
    open: tuple[Received, ...]


@dataclass(frozen=True, slots=True)
class Started:
    """The utterance is open; its audio carries this stream number."""

    type: ClassVar[str] = "started"
    id: str
    stream: int
    format: AudioFormat


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """A frame of audio, always at 24 kHz here; transports convert."""

    type: ClassVar[str] = "audio"
    id: str
    stream: int
    seq: int
    """Number of the frame within its stream, from 0, without gaps."""
    pts_samples: int
    samples: Samples  # (n,) float32; may be empty in the last frame
    last: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """Words whose audio starts in the next frame of the utterance."""

    type: ClassVar[str] = "words"
    id: str
    words: tuple[WordTime, ...]


@dataclass(frozen=True, slots=True)
class Flushed:
    """Everything before the flush has been spoken; `seq` is its last frame, -1 where there was none."""

    type: ClassVar[str] = "flushed"
    id: str
    seq: int


@dataclass(frozen=True, slots=True)
class Done:
    """The utterance is complete."""

    type: ClassVar[str] = "done"
    id: str
    audio_ms: int
    chars: int
    ttfa_ms: int | None
    """From the first text to the first frame that was handed out."""
    last_seq: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The utterance was stopped; nothing of it follows."""

    type: ClassVar[str] = "cancelled"
    id: str
    sent_ms: int
    played_ms: int
    text_spoken: str
    text_remaining: str


@dataclass(frozen=True, slots=True)
class Warning_:
    """Something to know; the utterance goes on."""

    type: ClassVar[str] = "warning"
    id: str | None
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Error:
    """A request that was not obeyed, or an utterance that ended early."""

    type: ClassVar[str] = "error"
    id: str | None
    code: str
    message: str
    retryable: bool = False
    fatal: bool = False
    retry_after_ms: int | None = None
    """When the same request will be taken, where that is known."""


@dataclass(frozen=True, slots=True)
class Pong:
    """Answers a `Ping`."""

    type: ClassVar[str] = "pong"
    t: float


Event: TypeAlias = Ready | Resumed | Started | Audio | Words | Flushed | Done | Cancelled | Warning_ | Error | Pong

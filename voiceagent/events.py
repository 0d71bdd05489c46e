"""What is said between the parts: commands of a client, events for a client, outputs of the engine.

Plain frozen dataclasses that know nothing of transports, torch or clocks. Times are seconds in Python
and milliseconds on the wire; `voiceagent.wire` has the encoding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples: TypeAlias = NDArray[np.float32]

SAMPLE_RATE_HZ = 24_000
ENCODINGS = ("pcm_s16le", "pcm_f32le")
SAMPLE_RATES_HZ = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
LANGUAGES = ("en",)
SPEED_MIN, SPEED_MAX = 0.5, 2.0
STEPS_MAX = 64


@dataclass(frozen=True, slots=True)
class SpeakOptions:
    """How an utterance is spoken.

    Raises:
        ValueError: a value is out of range.
    """

    voice: str = "heart"
    speed: float = 1.0
    """Rate of speech, 0.5 to 2.0; 2.0 is twice as fast."""
    seed: int = 0
    """The same seed, text and chunks give the same samples."""
    steps: int | None = None
    """Decoding steps a block; None is the voice's own choice."""

    def __post_init__(self) -> None:
        if not SPEED_MIN <= self.speed <= SPEED_MAX:
            raise ValueError(f"speed {self.speed} is not within {SPEED_MIN} and {SPEED_MAX}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed {self.seed} is not within 0 and 2**63 - 1")
        if self.steps is not None and not 1 <= self.steps <= STEPS_MAX:
            raise ValueError(f"steps {self.steps} is not within 1 and {STEPS_MAX}")


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What the payload of an audio frame is.

    Raises:
        ValueError: the encoding or the rate is not one that we make.
    """

    encoding: str = "pcm_s16le"
    sample_rate: int = SAMPLE_RATE_HZ

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ValueError(f"unknown encoding {self.encoding!r}; encodings here: {', '.join(ENCODINGS)}")
        if self.sample_rate not in SAMPLE_RATES_HZ:
            rates = ", ".join(map(str, SAMPLE_RATES_HZ))
            raise ValueError(f"unknown sample_rate {self.sample_rate}; rates here: {rates}")


@dataclass(frozen=True, slots=True)
class WordTime:
    """One spoken word: when, and which characters of the text as sent."""

    text: str
    start_s: float
    end_s: float
    char_start: int
    char_end: int


# Outputs of the engine.


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


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a stream: always exactly one, last."""

    cancelled: bool = False
    error: str | None = None


Output: TypeAlias = Speech | Notice | Finished


# Commands of a client.


@dataclass(frozen=True, slots=True)
class Start:
    """Opens an utterance.

    Raises:
        ValueError: a value is out of range.
    """

    type: ClassVar[str] = "start"
    id: str
    voice: str = "heart"
    format: AudioFormat = field(default_factory=AudioFormat)
    language: str = "en"
    speed: float = 1.0
    seed: int = 0
    steps: int | None = None
    timestamps: Literal["none", "word"] = "word"
    buffering: Literal["auto", "sentence", "none"] = "auto"
    max_buffer_ms: int | None = None
    """How long text may wait for the rest of its sentence; None is the chunker's own choice."""
    max_ahead_ms: int = 3_000
    """How far sending may run ahead of playing."""
    preempt: bool = False
    """Cancel whatever else this client has open."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.id) <= 128 or self.id == "*":
            raise ValueError("an id has 1 to 128 characters and is not '*'")
        if self.language.split("-")[0].lower() not in LANGUAGES:
            raise ValueError(f"unknown language {self.language!r}; languages here: {', '.join(LANGUAGES)}")
        if not 100 <= self.max_ahead_ms <= 60_000:
            raise ValueError(f"max_ahead_ms {self.max_ahead_ms} is not within 100 and 60000")
        if self.max_buffer_ms is not None and not 0 <= self.max_buffer_ms <= 60_000:
            raise ValueError(f"max_buffer_ms {self.max_buffer_ms} is not within 0 and 60000")
        _ = self.options

    @property
    def options(self) -> SpeakOptions:
        return SpeakOptions(voice=self.voice, speed=self.speed, seed=self.seed, steps=self.steps)


@dataclass(frozen=True, slots=True)
class Text:
    """More of the utterance's text; pieces are joined exactly as they come."""

    type: ClassVar[str] = "text"
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Flush:
    """Speak what waits; the utterance stays open."""

    type: ClassVar[str] = "flush"
    id: str


@dataclass(frozen=True, slots=True)
class End:
    """No more text."""

    type: ClassVar[str] = "end"
    id: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop now; `"*"` is everything that is open."""

    type: ClassVar[str] = "cancel"
    id: str = "*"
    played_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Played:
    """How much of the utterance the listener has heard."""

    type: ClassVar[str] = "played"
    id: str
    ms: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a `Pong` with the same number."""

    type: ClassVar[str] = "ping"
    t: float = 0


@dataclass(frozen=True, slots=True)
class Close:
    """The client is done: cancel what is open and hang up."""

    type: ClassVar[str] = "close"


Command: TypeAlias = Start | Text | Flush | End | Cancel | Played | Ping | Close


# Events for a client.


@dataclass(frozen=True, slots=True)
class Ready:
    """The first event of a connection."""

    type: ClassVar[str] = "ready"
    session: str
    limits: dict[str, int]
    voices: tuple[str, ...] = ()
    formats: tuple[str, ...] = ENCODINGS
    sample_rates: tuple[int, ...] = SAMPLE_RATES_HZ


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


@dataclass(frozen=True, slots=True)
class Pong:
    """Answers a `Ping`."""

    type: ClassVar[str] = "pong"
    t: float


Event: TypeAlias = Ready | Started | Audio | Words | Flushed | Done | Cancelled | Warning_ | Error | Pong

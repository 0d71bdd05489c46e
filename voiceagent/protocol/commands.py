"""What a client asks for: the commands of a session, checked when they are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from voiceagent.audio.formats import AudioFormat
from voiceagent.options import AUTO, DEFAULT_VOICE, SpeakOptions, language_code
from voiceagent.settings.buffering import BufferingName
from voiceagent.settings.policy import Setting, SpeechPolicy


@dataclass(frozen=True, slots=True)
class Start:
    """Opens an utterance.

    Raises:
        ValueError: a value is out of range.
    """

    type: ClassVar[str] = "start"
    id: str
    voice: str = DEFAULT_VOICE
    format: AudioFormat = field(default_factory=AudioFormat)
    language: str = AUTO
    """What the text is written in, as "en", "zh-CN" or "es"; "auto" is what the voice speaks."""
    speed: float = 1.0
    seed: int = 0
    steps: int | None = None
    pitch: float = 1.0
    volume_db: float = 0.0
    liveliness: float = 1.0
    timestamps: Literal["none", "word", "char"] = "word"
    buffering: BufferingName | None = None
    """What text waits for before it is spoken; None is the service's own choice."""
    max_buffer_ms: int | None = None
    """How long text may wait for the rest of its sentence; None is the chunker's own choice."""
    max_ahead_ms: int = 3_000
    """How far sending may run ahead of playing."""
    preempt: bool = False
    """Cancel whatever else this client has open."""
    speech: Mapping[str, Setting] | None = None
    """What is spoken of markup, where it differs from the service's own policy: keys of `SpeechPolicy`."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.id) <= 128 or self.id == "*":
            raise ValueError("an id has 1 to 128 characters and is not '*'")
        if not 100 <= self.max_ahead_ms <= 60_000:
            raise ValueError(f"max_ahead_ms {self.max_ahead_ms} is not within 100 and 60000")
        if self.max_buffer_ms is not None and not 0 <= self.max_buffer_ms <= 60_000:
            raise ValueError(f"max_buffer_ms {self.max_buffer_ms} is not within 0 and 60000")
        _ = self.options, SpeechPolicy().with_changes(self.speech)

    @property
    def options(self) -> SpeakOptions:
        manner = self.pitch, self.volume_db, self.liveliness
        return SpeakOptions(self.voice, self.speed, self.seed, self.steps, *manner, language_code(self.language))


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
    """How much of the utterance the listener has heard.

    Raises:
        ValueError: a value is out of range.
    """

    type: ClassVar[str] = "played"
    id: str
    ms: int
    underruns: int = 0
    """How often the player ran empty since the last `Played` of this utterance."""

    def __post_init__(self) -> None:
        if not 0 <= self.underruns <= 1_000_000:
            raise ValueError(f"underruns {self.underruns} is not within 0 and 1000000")


@dataclass(frozen=True, slots=True)
class Resume:
    """Takes up the session of a lost connection; the first command of the new one."""

    type: ClassVar[str] = "resume"
    session: str
    token: str
    have: Mapping[str, int] = field(default_factory=dict)
    """Number of the last frame that arrived, for each utterance whose end has not; -1 is none."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a `Pong` with the same number."""

    type: ClassVar[str] = "ping"
    t: float = 0


@dataclass(frozen=True, slots=True)
class Close:
    """The client is done: cancel what is open and hang up."""

    type: ClassVar[str] = "close"


Command: TypeAlias = Start | Text | Flush | End | Cancel | Played | Resume | Ping | Close

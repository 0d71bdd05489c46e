"""How an utterance is spoken: the one place that says which values there are and which are allowed."""

from __future__ import annotations

from dataclasses import dataclass

from voiceagent.options.blends import BLEND_PARTS_MAX, check_voice, is_voice, parse_blend
from voiceagent.options.languages import AUTO, LANGUAGES, language_code

__all__ = [
    "AUTO", "BLEND_PARTS_MAX", "DEFAULT_VOICE", "LANGUAGES", "LIVELINESS_MAX", "PITCH_MAX", "PITCH_MIN", "SPEED_MAX",
    "SPEED_MIN",
    "SpeakOptions", "check_voice", "is_voice", "language_code", "parse_blend",
]  # fmt: skip

DEFAULT_VOICE = "heart"
SPEED_MIN, SPEED_MAX = 0.5, 2.0
STEPS_MAX = 64
PITCH_MIN, PITCH_MAX = 0.5, 2.0
VOLUME_DB_MIN, VOLUME_DB_MAX = -40.0, 12.0
LIVELINESS_MAX = 2.0


@dataclass(frozen=True, slots=True)
class SpeakOptions:
    """How an utterance is spoken.

    Raises:
        ValueError: a value is out of range.
    """

    voice: str = DEFAULT_VOICE
    speed: float = 1.0
    """Rate of speech, 0.5 to 2.0; 2.0 is twice as fast."""
    seed: int = 0
    """The same seed, text and chunks give the same samples."""
    steps: int | None = None
    """Decoding steps a block; None is the voice's own choice."""
    pitch: float = 1.0
    """Factor on F0, 0.5 to 2.0; 1.1 is a tenth higher."""
    volume_db: float = 0.0
    """Louder or softer, -40 to 12 dB; a limiter keeps peaks below full scale."""
    liveliness: float = 1.0
    """How far the melody moves, 0 (monotone) to 2.0 (twice as far)."""
    language: str = AUTO
    """What the text is written in, a code of `LANGUAGES`; "auto" is what the voice speaks."""

    def __post_init__(self) -> None:
        if not SPEED_MIN <= self.speed <= SPEED_MAX:
            raise ValueError(f"speed {self.speed} is not within {SPEED_MIN} and {SPEED_MAX}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed {self.seed} is not within 0 and 2**63 - 1")
        if self.steps is not None and not 1 <= self.steps <= STEPS_MAX:
            raise ValueError(f"steps {self.steps} is not within 1 and {STEPS_MAX}")
        if not PITCH_MIN <= self.pitch <= PITCH_MAX:
            raise ValueError(f"pitch {self.pitch} is not within {PITCH_MIN} and {PITCH_MAX}; 1.0 is the voice's own")
        if not VOLUME_DB_MIN <= self.volume_db <= VOLUME_DB_MAX:
            raise ValueError(f"volume_db {self.volume_db} is not within {VOLUME_DB_MIN:g} and {VOLUME_DB_MAX:g}")
        if not 0.0 <= self.liveliness <= LIVELINESS_MAX:
            raise ValueError(f"liveliness {self.liveliness} is not within 0 and {LIVELINESS_MAX}")
        _ = language_code(self.language)

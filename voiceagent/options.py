"""How an utterance is spoken: the one place that says which values there are and which are allowed."""

from __future__ import annotations

from dataclasses import dataclass

LANGUAGES = ("en",)
DEFAULT_VOICE = "heart"
SPEED_MIN, SPEED_MAX = 0.5, 2.0
STEPS_MAX = 64


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

    def __post_init__(self) -> None:
        if not SPEED_MIN <= self.speed <= SPEED_MAX:
            raise ValueError(f"speed {self.speed} is not within {SPEED_MIN} and {SPEED_MAX}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed {self.seed} is not within 0 and 2**63 - 1")
        if self.steps is not None and not 1 <= self.steps <= STEPS_MAX:
            raise ValueError(f"steps {self.steps} is not within 1 and {STEPS_MAX}")

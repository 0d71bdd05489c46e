"""How an utterance is spoken: the one place that says which values there are and which are allowed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from voiceagent.errors import InputError, UnknownVoice

LANGUAGES = ("en",)
DEFAULT_VOICE = "heart"
SPEED_MIN, SPEED_MAX = 0.5, 2.0
STEPS_MAX = 64
BLEND_PARTS_MAX = 8
BLEND_TOLERANCE = 0.02  # how far from 1 the shares of a blend may add up to
BLEND_EXAMPLE = "write it as 0.6*af_bella + 0.4*bm_george"
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


def parse_blend(text: str) -> dict[str, float]:
    """A name, or shares of names -> shares by name, which add up to 1.

    Raises:
        InputError: no such expression; the message says what is wrong with which part.
    """
    shares: dict[str, float] = {}
    parts = text.split("+")
    if len(parts) > BLEND_PARTS_MAX:
        raise InputError(f"a blend of {len(parts)} voices: at most {BLEND_PARTS_MAX} can be blended")
    for part in parts:
        number, star, name = (piece.strip() for piece in part.strip().rpartition("*"))
        if not name:
            raise InputError(f"voice {text[:80]!r} lacks a name: {BLEND_EXAMPLE}")
        try:
            share = float(number) if star else 1.0
        except ValueError:
            raise InputError(f"voice {text[:80]!r}: {number[:20]!r} is not a share: {BLEND_EXAMPLE}") from None
        if not 0 < share <= 1:
            raise InputError(
                f"voice {text[:80]!r}: the share {number[:20]} is not above 0 and at most 1: {BLEND_EXAMPLE}"
            )
        shares[name] = shares.get(name, 0.0) + share
    total = sum(shares.values())
    if abs(total - 1) > BLEND_TOLERANCE:
        raise InputError(f"voice {text[:80]!r}: the shares add up to {total:g}, not to 1: {BLEND_EXAMPLE}")
    return {name: share / total for name, share in shares.items()}


def check_voice(voice: str, known: Collection[str]) -> None:
    """Refuse what is neither a known voice nor a blend of such.

    Raises:
        UnknownVoice: there is none of that name.
        InputError: it is no name and no blend.
    """
    if voice in known:
        return
    for name in parse_blend(voice):
        if name not in known:
            raise UnknownVoice(name, known)


def is_voice(voice: str, known: Collection[str]) -> bool:
    """Whether it is a known voice, or a blend of such."""
    try:
        check_voice(voice, known)
    except (UnknownVoice, InputError):
        return False
    return True

"""Blends of voices: "0.6*af_bella + 0.4*bm_george"."""

from __future__ import annotations

from collections.abc import Collection

from voiceagent.errors import InputError, UnknownVoice

BLEND_PARTS_MAX = 8
BLEND_TOLERANCE = 0.02  # how far from 1 the shares of a blend may add up to
BLEND_EXAMPLE = "write it as 0.6*af_bella + 0.4*bm_george"


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

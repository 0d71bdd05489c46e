"""OpenAI's `instructions`, free text, as far as our voices can follow it: rate, pitch, volume, liveliness.

A table and no model: what it does not know is named in a notice. docs/openai.md shows the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from voiceagent.options import (
    LIVELINESS_MAX,
    PITCH_MAX,
    PITCH_MIN,
    SPEED_MAX,
    SPEED_MIN,
    VOLUME_DB_MAX,
    VOLUME_DB_MIN,
)


class Change(NamedTuple):
    """What a word asks for: factors on rate, pitch and liveliness, and decibels."""

    rate: float = 1.0
    pitch: float = 1.0
    volume_db: float = 0.0
    liveliness: float = 1.0


TABLE: Final = {
    "slow slowly slower unhurried leisurely measured": Change(rate=0.85),
    "fast faster quick quickly quicker rapid rapidly brisk briskly hurried": Change(rate=1.2),
    "high higher high-pitched": Change(pitch=1.1),
    "low lower low-pitched deep deeper deeply": Change(pitch=0.9),
    "loud loudly louder": Change(volume_db=4.0),
    "shout shouting yell yelling": Change(pitch=1.1, volume_db=6.0, liveliness=1.2),
    "soft softly softer quiet quietly quieter gentle gently hushed": Change(volume_db=-4.0, liveliness=0.9),
    "whisper whispering whispered whispers": Change(rate=0.95, volume_db=-10.0, liveliness=0.7),
    "lively livelier animated expressive expressively dramatic dramatically theatrical": Change(liveliness=1.4),
    "excited excitedly enthusiastic enthusiastically energetic energetically thrilled": Change(1.1, 1.05, 0.0, 1.4),
    "cheerful cheerfully happy happily joyful joyfully upbeat bright playful cheery": Change(1.05, 1.04, 0.0, 1.25),
    "warm warmly friendly kind kindly sympathetic caring welcoming": Change(rate=0.97, liveliness=1.1),
    "calm calmly soothing relaxed serene peaceful patient reassuring": Change(0.92, 0.98, -1.0, 0.85),
    "serious seriously formal professional authoritative confident": Change(rate=0.97, pitch=0.97, liveliness=0.9),
    "sad sadly sorrowful melancholy melancholic somber sombre solemn": Change(0.88, 0.96, -2.0, 0.75),
    "angry angrily furious urgent urgently": Change(1.1, 1.03, 2.0, 1.25),
    "monotone monotonous flat robotic bored deadpan": Change(liveliness=0.3),
}  # fmt: skip
_CHANGES: Final = {word: change for words, change in TABLE.items() for word in words.split()}
_FILLERS: Final = frozenset(
    "a affect also an and as at be but clear clearly clarity delivery emotion english feeling in intonation is it "
    "keep like make manner mood more natural naturally normal normally of pace pacing pitch please read say so sound "
    "sounding speak speaking speech speed style talk the this tone use using very voice volume way with you your rate "
    "should text extremely really quite rather slightly somewhat little bit sentence sentences words aloud".split()
)
_STRONG: Final = frozenset("very extremely really".split())
_WEAK: Final = frozenset("slightly somewhat little bit".split())
_NEGATIONS: Final = frozenset("not don't dont never no without avoid isn't".split())
_WORD: Final = re.compile(r"[a-z]+(?:['-][a-z]+)*")


@dataclass(frozen=True, slots=True)
class Manner:
    """How instructions are followed.

    notice: what of them is not, or "".
    """

    speed: float = 1.0
    pitch: float = 1.0
    volume_db: float = 0.0
    liveliness: float = 1.0
    notice: str = ""


def manner_of(instructions: str, speed: float = 1.0) -> Manner:
    """What the instructions come to, together with the `speed` of the request."""
    words = _WORD.findall(instructions.lower().replace("’", "'"))
    pitch, volume_db, liveliness = 1.0, 0.0, 1.0
    unknown: list[str] = []
    for index, word in enumerate(words):
        before = words[max(0, index - 3) : index]
        change = _CHANGES.get(word)
        if change is None:
            if word not in _FILLERS and word not in _NEGATIONS:
                unknown.append(word)
        elif any(earlier in _NEGATIONS for earlier in before):
            unknown.append(f"not {word}")
        else:
            close = words[max(0, index - 2) : index]
            power = 1.5 if any(w in _STRONG for w in close) else 0.5 if any(w in _WEAK for w in close) else 1.0
            speed *= change.rate**power
            pitch *= change.pitch**power
            volume_db += change.volume_db * power
            liveliness *= change.liveliness**power
    return Manner(
        _within(speed, SPEED_MIN, SPEED_MAX),
        _within(pitch, PITCH_MIN, PITCH_MAX),
        _within(volume_db, VOLUME_DB_MIN, VOLUME_DB_MAX),
        _within(liveliness, 0.0, LIVELINESS_MAX),
        f"instructions: not followed: {', '.join(dict.fromkeys(unknown))}"[:200] if unknown else "",
    )


def _within(value: float, least: float, most: float) -> float:
    return min(max(value, least), most)

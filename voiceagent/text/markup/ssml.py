"""The safe subset of SSML that may stand in a text: break, say-as, sub, phoneme, prosody. No XML parser is involved:
nothing is ever expanded, so there is nothing to bomb.
"""

from __future__ import annotations

import math
import re
from typing import Final, NamedTuple

from voiceagent.text.phonemes.alphabet import from_ipa

__all__ = ["PLAIN", "Prosody", "attributes_of", "pause_seconds", "prosody_of", "speak_tag"]

_ATTRIBUTE: Final = re.compile(r"""([A-Za-z][\w:.-]{0,30})\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>/]+))""")
_DURATION: Final = re.compile(r"^\s*(\d{1,7}(?:\.\d{1,6})?)\s*(ms|s|sec|seconds?|milliseconds?)?\s*$", re.I)
_STRENGTHS: Final = {"none": 0.0, "x-weak": 0.1, "weak": 0.2, "medium": 0.4, "strong": 0.7, "x-strong": 1.0}
_RATES: Final = {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "default": 1.0, "fast": 1.25, "x-fast": 1.6}
_PITCHES: Final = {"x-low": 0.8, "low": 0.9, "medium": 1.0, "default": 1.0, "high": 1.1, "x-high": 1.25}
_VOLUMES_DB: Final = {
    "silent": -80.0, "x-soft": -12.0, "soft": -6.0, "medium": 0.0, "default": 0.0, "loud": 6.0, "x-loud": 9.0,
}  # fmt: skip
_NUMBER: Final = re.compile(r"([+-]?)(\d{1,4}(?:\.\d{1,4})?)\s?(%|st|db|hz)?")
_LOWEST_DB, _HIGHEST_DB = -80.0, 12.0
_LONGEST_PAUSE_S: Final = 10.0


def attributes_of(tag: str) -> dict[str, str]:
    """The attributes of a tag's text, names in lower case; of repeated ones the first."""
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(tag):
        found.setdefault(match[1].lower(), next((g for g in match.groups()[1:] if g is not None), ""))
    return found


def pause_seconds(duration: str, strength: str = "") -> float:
    """Seconds of "400ms", "1.5s", "2" (seconds), or of a strength ("weak"); at most 10, 0.4 when nothing is said."""
    match = _DURATION.match(duration)
    if match:
        value = float(match[1])
        milliseconds = (match[2] or "s").lower().startswith("m")
        return min(value / 1000.0 if milliseconds else value, _LONGEST_PAUSE_S)
    return _STRENGTHS.get(strength.strip().lower(), 0.4)


class Prosody(NamedTuple):
    """How a part of a text is spoken, relative to the rest.

    rate: factor on the speaking rate, 0.5 to 2. pitch: factor on F0, 0.5 to 2. volume_db: at most 12.
    """

    rate: float = 1.0
    pitch: float = 1.0
    volume_db: float = 0.0


PLAIN: Final = Prosody()


def prosody_of(given: dict[str, str], around: Prosody) -> tuple[Prosody, str]:
    """What `<prosody>` with these attributes asks for inside `around`, and what of it is not understood, or ""."""
    values = around._asdict()
    unknown: list[str] = []
    for name, text in given.items():
        key, read = _READERS.get(name, ("", None))
        value = read(text.strip().lower()) if read is not None else None
        if value is None:
            unknown.append(f'{name}="{text[:40]}"')
        else:
            values[key] = value
    return Prosody(**values), f"not understood in <prosody>: {', '.join(unknown)}" if unknown else ""


def _rate(text: str) -> float | None:
    """A factor ("fast", "120%", "1.2", "+10%")."""
    return _factor(text, _RATES, ("", "%"))


def _pitch(text: str) -> float | None:
    """A factor ("high", "+10%", "-2st"); what is in hertz depends on the voice and is not known here."""
    return _factor(text, _PITCHES, ("%", "st"))


def _factor(text: str, named: dict[str, float], units: tuple[str, ...]) -> float | None:
    if text in named:
        return named[text]
    match = _NUMBER.fullmatch(text)
    if match is None or (match[3] or "") not in units:
        return None
    sign, value, unit = match[1], float(match[2]), match[3] or ""
    if unit == "st":
        factor = math.exp2((-value if sign == "-" else value) / 12.0)
    else:
        value /= 100.0 if unit else 1.0
        factor = value if not sign else 1.0 + value if sign == "+" else 1.0 - value
    return min(max(factor, 0.5), 2.0)


def _volume_db(text: str) -> float | None:
    """Decibels of "soft", "+6dB", "-10%", or of a number of SSML 1.0, where 100 is as loud as the voice is."""
    if text in _VOLUMES_DB:
        return _VOLUMES_DB[text]
    match = _NUMBER.fullmatch(text)
    if match is None or match[3] in ("st", "hz"):
        return None
    sign, value, unit = match[1], float(match[2]), match[3]
    if unit == "db":
        level = -value if sign == "-" else value
    else:
        part = value / 100.0
        factor = part if not sign else 1.0 + part if sign == "+" else 1.0 - part
        level = 20.0 * math.log10(max(factor, 1e-4))
    return min(max(level, _LOWEST_DB), _HIGHEST_DB)


_READERS: Final = {"rate": ("rate", _rate), "pitch": ("pitch", _pitch), "volume": ("volume_db", _volume_db)}


def speak_tag(tag: str, attributes: str, content: str) -> tuple[str, str]:
    """Words and prescribed phonemes ("" if none) of `<tag attributes>content</tag>`; tag is sub, phoneme or say-as."""
    given = attributes_of(attributes)
    content = " ".join(content.split())
    if tag == "sub":
        return given.get("alias", content)[:200], ""
    if tag == "phoneme":
        phonemes = given.get("ph", "")[:100]
        if given.get("alphabet", "ipa").lower() == "ipa":
            phonemes = from_ipa(phonemes)
        return content, phonemes.replace(" ", "")
    how = given.get("interpret-as", "").lower()
    if how in ("characters", "spell-out", "verbatim", "digits", "telephone"):
        return " ".join(character for character in content if character.isalnum()), ""
    if how == "ordinal" and content.isdigit():
        last_two = int(content[-2:])
        suffix = "th" if 10 < last_two < 14 else {1: "st", 2: "nd", 3: "rd"}.get(last_two % 10, "th")
        return content + suffix, ""
    if how == "expletive":
        return "beep", ""
    return content, ""

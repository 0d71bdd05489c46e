"""The safe subset of SSML that may stand in a text: break, say-as, sub, phoneme, prosody rate. No XML parser is involved:
nothing is ever expanded, so there is nothing to bomb.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["attributes_of", "pause_seconds", "rate_factor", "speak_tag"]

_ATTRIBUTE: Final = re.compile(r"""([A-Za-z][\w:.-]{0,30})\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>/]+))""")
_DURATION: Final = re.compile(r"^\s*(\d{1,7}(?:\.\d{1,6})?)\s*(ms|s|sec|seconds?|milliseconds?)?\s*$", re.I)
_STRENGTHS: Final = {"none": 0.0, "x-weak": 0.1, "weak": 0.2, "medium": 0.4, "strong": 0.7, "x-strong": 1.0}
_RATES: Final = {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "default": 1.0, "fast": 1.25, "x-fast": 1.6}
_LONGEST_PAUSE_S: Final = 10.0
# IPA that people write, as the voices' alphabet spells it.
_IPA: Final = [
    ("eɪ", "A"), ("aɪ", "I"), ("oʊ", "O"), ("əʊ", "O"), ("aʊ", "W"), ("ɔɪ", "Y"), ("tʃ", "ʧ"), ("dʒ", "ʤ"), ("t͡ʃ", "ʧ"),
    ("d͡ʒ", "ʤ"), ("ɝ", "ɜɹ"), ("ɚ", "əɹ"), ("r", "ɹ"), ("g", "ɡ"), ("ː", ""), ("ɫ", "l"), ("e", "ɛ"), (".", ""), (" ", ""),
]  # fmt: skip


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


def rate_factor(rate: str) -> float:
    """Factor of a prosody rate ("fast", "120%", "1.2", "+10%"), between 0.5 and 2; 1 when it cannot be read."""
    text = rate.strip().lower()
    if text in _RATES:
        return _RATES[text]
    match = re.fullmatch(r"([+-]?)(\d{1,4}(?:\.\d{1,4})?)(%?)", text)
    if not match:
        return 1.0
    value = float(match[2]) / (100.0 if match[3] else 1.0)
    if match[1]:
        value = 1.0 + value if match[1] == "+" else 1.0 - value
    return min(max(value, 0.5), 2.0)


def speak_tag(tag: str, attributes: str, content: str) -> tuple[str, str]:
    """Words and prescribed phonemes ("" if none) of `<tag attributes>content</tag>`; tag is sub, phoneme or say-as."""
    given = attributes_of(attributes)
    content = " ".join(content.split())
    if tag == "sub":
        return given.get("alias", content)[:200], ""
    if tag == "phoneme":
        phonemes = given.get("ph", "")[:100]
        if given.get("alphabet", "ipa").lower() == "ipa":
            for written, ours in _IPA:
                phonemes = phonemes.replace(written, ours)
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

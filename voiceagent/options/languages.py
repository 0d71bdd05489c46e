"""The languages that voices speak: their codes, as clients write them, and which one a voice speaks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from voiceagent.errors import InputError
from voiceagent.options.blends import parse_blend

LANGUAGES: Final = {
    "en": "English", "zh": "Mandarin", "es": "Spanish", "fr": "French", "it": "Italian", "pt": "Portuguese",
}  # fmt: skip
AUTO: Final = "auto"
_ALIASES: Final = {
    "cmn": "zh",
    "eng": "en",
    "spa": "es",
    "fra": "fr",
    "fre": "fr",
    "ita": "it",
    "por": "pt",
    "zho": "zh",
}
# Stock voices begin with a letter for their language: af_bella, bm_george, zf_xiaoxiao, ef_dora.
_STOCK: Final = re.compile(r"(?P<language>[abefhijpz])(?P<sex>[fm])_\w+")
_BY_LETTER: Final = {"a": "en", "b": "en", "e": "es", "f": "fr", "h": "hi", "i": "it", "j": "ja", "p": "pt", "z": "zh"}
_SEXES: Final = {"f": "female", "m": "male"}


def language_code(written: str) -> str:
    """What clients write ("en-US", "zh_CN", "Spanish", "auto") -> a code of `LANGUAGES`, or "auto".

    Raises:
        ValueError: it is no language that any voice speaks.
    """
    first = re.split(r"[-_]", written.strip().lower())[0]
    first = _ALIASES.get(first, first)
    by_name = {name.lower(): code for code, name in LANGUAGES.items()}
    code = by_name.get(first, first) or AUTO
    if code != AUTO and code not in LANGUAGES:
        known = ", ".join(f"{code} ({name})" for code, name in LANGUAGES.items())
        raise ValueError(f"language {written[:40]!r} is not spoken; languages here: {known}, or auto")
    return code


def stock_facts(voice: str) -> tuple[str, str]:
    """Language and sex that the name of a stock voice says; a voice of another name is English, of unknown sex."""
    found = _STOCK.fullmatch(voice)
    return (_BY_LETTER[found["language"]], _SEXES[found["sex"]]) if found else ("en", "")


def language_of(shares: Mapping[str, float], spoken: Mapping[str, str] | None = None) -> str:
    """The language of a blend: that of its greatest part; `spoken` has the languages of voices whose names do not say
    it.
    """
    lead = max(shares, key=lambda name: shares[name])
    return (spoken or {}).get(lead) or stock_facts(lead)[0]


def check_language(
    language: str, shares: Mapping[str, float], here: Iterable[str], spoken: Mapping[str, str] | None = None
) -> str:
    """The language that a voice or a blend is to speak: the one asked for, or its own where "auto" is.

    Raises:
        InputError: it speaks another one; the message names voices that speak it.
    """
    own = language_of(shares, spoken)
    if own not in LANGUAGES:
        raise InputError(f"{' + '.join(shares)} speaks a language that cannot be read here: choose another voice")
    if language in (AUTO, own):
        return own
    able = [name for name in here if language_of({name: 1.0}, spoken) == language]
    asked, speaks = LANGUAGES.get(language, language), LANGUAGES.get(own, own)
    some = ", ".join(able[:8]) + (", ..." if len(able) > 8 else "") if able else "none of the voices here does"
    who = " + ".join(shares)
    raise InputError(f"{who} speaks {speaks}, not {asked}; voices that speak it: {some}")


def reading_of(language: str, voice: str) -> str:
    """Whose rules text is read by: the language, and "en-GB" where a British voice speaks English."""
    shares = parse_blend(voice)
    lead = max(shares, key=lambda name: shares[name])
    british = language in (AUTO, "en") and _STOCK.fullmatch(lead) is not None and lead.startswith("b")
    return "en-GB" if british else "en" if language == AUTO else language

"""Which chunker and which phonemizer a language has, and the extra that brings it."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

from voiceagent.errors import InputError
from voiceagent.errors.extras import EXTRAS, install_hint
from voiceagent.text.languages.chunker import LanguageChunker
from voiceagent.text.phonemes.phonemizer import MisakiPhonemizer, Phonemizer

__all__ = ["chunker_of", "need_language", "phonemizer_of", "readable"]

_EXTRA = {"zh": "mandarin", "es": "romance", "fr": "romance", "it": "romance", "pt": "romance"}


def need_language(language: str) -> None:
    """Make sure that what a language needs is installed.

    Raises:
        InputError: it is not; the message says how to get it.
    """
    extra = _EXTRA[language]
    if missing := [module for module in EXTRAS[extra].modules if find_spec(module) is None]:
        raise InputError(f"language {language!r} needs {', '.join(missing)}: {install_hint(extra)}")


def readable() -> list[str]:
    """Languages whose text can be read with what is installed; who speaks them is another matter."""
    able = [
        language
        for language, extra in _EXTRA.items()
        if all(find_spec(module) is not None for module in EXTRAS[extra].modules)
    ]
    return ["en", *able]


def chunker_of(language: str) -> LanguageChunker:
    """A chunker for an utterance.

    Raises:
        InputError: what the language needs is not installed.
    """
    need_language(language)
    return LanguageChunker(language)


@cache
def phonemizer_of(language: str) -> Phonemizer:
    """What reads a language: "en-GB" is British English; reading its dictionaries takes a second or two at the first
    text.

    Raises:
        InputError: what the language needs is not installed.
    """
    if language == "en-GB":
        return MisakiPhonemizer(british=True)
    need_language(language)
    if language == "zh":
        from voiceagent.text.languages.mandarin import MandarinPhonemizer

        return MandarinPhonemizer()
    from voiceagent.text.languages.romance import RomancePhonemizer

    return RomancePhonemizer(language)

"""A user's own pronunciations: word -> respelling or phonemes, from TOML.

    [words]
    Nguyen = "win"
    "voice agent" = { phonemes = "vˈYs ˈAʤᵊnt" }
    SQL = { say = "sequel" }

A key in small letters matches however the word is written; one with capitals matches as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voiceagent.errors import ConfigError, InputError
from voiceagent.settings.toml import read_toml

__all__ = ["Lexicon", "LexiconError"]

_MOST_ENTRIES = 10_000
_LONGEST = 200


class LexiconError(InputError):
    """A lexicon that cannot be used; the message says which entry and why."""


@dataclass(frozen=True, slots=True)
class _Entry:
    say: str
    phonemes: str


class Lexicon:
    """Pronunciations by word or short phrase. Raises LexiconError for entries that make no sense."""

    def __init__(self, words: Mapping[str, str | Mapping[str, Any]]) -> None:
        if len(words) > _MOST_ENTRIES:
            raise LexiconError(f"a lexicon has at most {_MOST_ENTRIES} entries, this one {len(words)}")
        self._exact: dict[str, _Entry] = {}
        self._folded: dict[str, _Entry] = {}
        for word, given in words.items():
            key = " ".join(word.split())
            entry = _entry(word, given)
            (self._exact if key != key.lower() else self._folded)[key] = entry
        keys = sorted([*self._exact, *self._folded], key=len, reverse=True)
        alternatives = "|".join(r"\s+".join(re.escape(part) for part in key.split(" ")) for key in keys)
        self.pattern = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)" if keys else r"(?!)", re.I)

    @classmethod
    def load(cls, path: Path) -> Lexicon:
        """Read a TOML file. Raises LexiconError when it cannot be read."""
        try:
            words = read_toml(path).get("words", {})
        except ConfigError as error:
            raise LexiconError(f"lexicon: {error}") from error
        if not isinstance(words, dict):
            raise LexiconError(f"{path}: [words] must be a table")
        return cls(words)

    def find(self, text: str) -> tuple[str, str] | None:
        """Respelling and phonemes (one of them "") for text that the pattern matched."""
        key = " ".join(text.split())
        entry = self._exact.get(key) or self._folded.get(key.lower())
        return (entry.say, entry.phonemes) if entry else None


def _entry(word: str, given: str | Mapping[str, Any]) -> _Entry:
    if isinstance(given, str):
        given = {"say": given}
    if not isinstance(given, Mapping) or not word.strip() or len(word) > _LONGEST:
        raise LexiconError(f"lexicon entry {word!r}: give a respelling or a table with `say` or `phonemes`")
    say, phonemes = given.get("say", ""), given.get("phonemes", "")
    unknown = set(given) - {"say", "phonemes"}
    if unknown or not isinstance(say, str) or not isinstance(phonemes, str) or bool(say) == bool(phonemes):
        raise LexiconError(f"lexicon entry {word!r}: give either `say` or `phonemes`, as text, and nothing else")
    if len(say) > _LONGEST or len(phonemes) > _LONGEST:
        raise LexiconError(f"lexicon entry {word!r}: longer than {_LONGEST} characters")
    return _Entry(" ".join(say.split()), "".join(phonemes.split()))

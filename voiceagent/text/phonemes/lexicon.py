r"""A user's own pronunciations, from TOML: words, short phrases, and patterns for whole kinds of words.

    [words]
    Nguyen = "win"
    "voice agent" = { phonemes = "vˈYs ˈAʤᵊnt" }
    SQL = { say = "sequel" }
    tomato = { ipa = "təˈmeɪtoʊ" }

    [patterns]
    'v(\d+)' = 'version \1'

A key in small letters matches however the word is written; one with capitals matches as it stands. A pattern is a
regular expression that must match a whole word of at most 64 characters. Only such expressions are taken as cannot run
away: no groups that repeat, no references back, no looking around, three repetitions at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from re import _parser as regex_parser  # type: ignore[attr-defined]  # what the expressions hold can only be seen here
from typing import Any, Final

from voiceagent.errors import ConfigError, InputError
from voiceagent.settings.toml import read_toml
from voiceagent.text.phonemes.alphabet import UNKNOWN_HINT, from_ipa, unknown_symbols

__all__ = ["Lexicon", "LexiconError"]

_MOST_ENTRIES: Final = 10_000
_MOST_PATTERNS: Final = 100
_MOST_BYTES: Final = 2_000_000
_LONGEST: Final = 200
_LONGEST_WORD: Final = 64
_MOST_REPEATS: Final = 3
_WORD: Final = rf"(?<!\w)\w(?:[\w.'+#/&:-]{{0,{_LONGEST_WORD - 2}}}[\w+#])?(?!\w)"
_REPEATS: Final = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})
_REFUSED: Final = {
    "GROUPREF": "a reference to a group", "GROUPREF_EXISTS": "a reference to a group",
    "ASSERT": "looking ahead or back",
    "ASSERT_NOT": "looking ahead or back",
}  # fmt: skip


class LexiconError(InputError):
    """A lexicon that cannot be used; the message says which entry and why."""


@dataclass(frozen=True, slots=True)
class _Entry:
    say: str
    phonemes: str


class Lexicon:
    r"""Pronunciations by word, short phrase or pattern. Raises LexiconError for entries that make no sense.

    words: word or phrase to a respelling, or to a table with one of `say`, `phonemes` (the voices' alphabet) and `ipa`.
    patterns: regular expression to the same; a respelling may name its groups (`\1`). The first that matches counts.
    """

    def __init__(
        self,
        words: Mapping[str, str | Mapping[str, Any]],
        patterns: Mapping[str, str | Mapping[str, Any]] | None = None,
    ) -> None:
        if len(words) > _MOST_ENTRIES:
            raise LexiconError(f"a lexicon has at most {_MOST_ENTRIES} entries, this one {len(words)}")
        self._exact: dict[str, _Entry] = {}
        self._folded: dict[str, _Entry] = {}
        for word, given in words.items():
            key = " ".join(word.split())
            entry = _entry(word, given)
            (self._exact if key != key.lower() else self._folded)[key] = entry
        self._patterns = _compiled(patterns or {})
        keys = sorted([*self._exact, *self._folded], key=len, reverse=True)
        alternatives = "|".join(r"\s+".join(re.escape(part) for part in key.split(" ")) for key in keys)
        parts = [rf"(?<!\w)(?:{alternatives})(?!\w)"] if keys else []
        self.pattern = re.compile("|".join([*parts, *([_WORD] if self._patterns else [])]) or r"(?!)", re.I)

    @classmethod
    def load(cls, path: Path) -> Lexicon:
        """Read a TOML file. Raises LexiconError when it cannot be read or used."""
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise LexiconError(f"{path}: a lexicon has at most {_MOST_BYTES:,} bytes")
            values = read_toml(path)
        except OSError as error:
            raise LexiconError(f"lexicon: {path}: {error.strerror}") from error
        except ConfigError as error:
            raise LexiconError(f"lexicon: {error}") from error
        for name in sorted(set(values) - {"words", "patterns"}):
            raise LexiconError(f"{path}: unknown key {name!r}; a lexicon has [words] and [patterns]")
        words, patterns = values.get("words", {}), values.get("patterns", {})
        for name, table in (("words", words), ("patterns", patterns)):
            if not isinstance(table, dict):
                raise LexiconError(f"{path}: [{name}] must be a table")
        try:
            return cls(words, patterns)
        except LexiconError as error:
            raise LexiconError(f"{path}: {error}") from error

    def find(self, text: str) -> tuple[str, str] | None:
        """Respelling and phonemes (one of them "") for text that `pattern` matched."""
        key = " ".join(text.split())
        entry = self._exact.get(key) or self._folded.get(key.lower())
        if entry is not None:
            return entry.say, entry.phonemes
        if len(key) <= _LONGEST_WORD:
            for pattern, entry in self._patterns:
                match = pattern.fullmatch(key)
                if match is not None:
                    return (" ".join(match.expand(entry.say).split()) or key, "") if entry.say else ("", entry.phonemes)
        return None


def _entry(word: str, given: str | Mapping[str, Any]) -> _Entry:
    where = f"lexicon entry {word[:80]!r}"
    if isinstance(given, str):
        given = {"say": given}
    if not isinstance(given, Mapping) or not word.strip() or len(word) > _LONGEST:
        raise LexiconError(f"{where}: give a respelling or a table with one of `say`, `phonemes`, `ipa`")
    kinds = [kind for kind in ("say", "phonemes", "ipa") if given.get(kind)]
    if len(kinds) != 1 or set(given) - {"say", "phonemes", "ipa"} or not isinstance(given[kinds[0]], str):
        raise LexiconError(f"{where}: give one of `say`, `phonemes` and `ipa`, as text, and nothing else")
    kind, value = kinds[0], str(given[kinds[0]])
    if len(value) > _LONGEST:
        raise LexiconError(f"{where}: longer than {_LONGEST} characters")
    if kind == "say":
        return _Entry(" ".join(value.split()), "")
    phonemes = "".join((from_ipa(value) if kind == "ipa" else value).split())
    if unknown := unknown_symbols(phonemes):
        raise LexiconError(f"{where}: {' '.join(unknown)} is not a symbol of the voices; {UNKNOWN_HINT}")
    return _Entry("", phonemes)


def _compiled(patterns: Mapping[str, str | Mapping[str, Any]]) -> list[tuple[re.Pattern[str], _Entry]]:
    if len(patterns) > _MOST_PATTERNS:
        raise LexiconError(f"a lexicon has at most {_MOST_PATTERNS} patterns, this one {len(patterns)}")
    compiled = []
    for source, given in patterns.items():
        where = f"lexicon pattern {source[:80]!r}"
        entry = _entry(source, given)
        try:
            tree = regex_parser.parse(source)
            if (wrong := _runs_away(tree)) is not None:
                raise LexiconError(f"{where}: {wrong} is not taken here; write it without")
            pattern = re.compile(source)
            groups = {int(n) for n in re.findall(r"\\(\d)", entry.say)}
            if groups and max(groups) > pattern.groups:
                raise LexiconError(f"{where}: its respelling names group {max(groups)}; it has {pattern.groups}")
            regex_parser.parse_template(entry.say, pattern)
        except (re.error, RecursionError, OverflowError, IndexError) as error:
            raise LexiconError(f"{where}: not a regular expression ({error})") from error
        compiled.append((pattern, entry))
    return compiled


def _runs_away(tree: Any) -> str | None:
    """What in a parsed expression could make matching slow: the time is a power of the repetitions on a word of 64
    characters.
    """
    repeats = 0
    for operator, argument, depth in _walk(tree, 0):
        if operator in _REFUSED:
            return _REFUSED[operator]
        if operator in _REPEATS and argument[1] > 1:
            repeats += 1
            if depth:
                return "a repetition within a repetition"
    return f"more than {_MOST_REPEATS} repetitions" if repeats > _MOST_REPEATS else None


def _walk(tree: Any, depth: int) -> Iterator[tuple[str, Any, int]]:
    """Every node of a parsed expression, with the number of repetitions around it."""
    for operator, argument in tree:
        name = str(operator)
        yield name, argument, depth
        inner = depth + (name in _REPEATS and argument[1] > 1)
        for child in _children(argument):
            yield from _walk(child, inner)


def _children(argument: Any) -> Iterator[Any]:
    if isinstance(argument, regex_parser.SubPattern):
        yield argument
    elif isinstance(argument, tuple | list):
        for part in argument:
            yield from _children(part)

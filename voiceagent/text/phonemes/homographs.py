"""Words that are written alike and said in two ways: which one is meant, from the words around.

`homographs.tsv` has a row for each way of saying a word: the word classes it may be, how common it is, and cues;
`homograph_context.tsv` has what was learnt of the words beside it. The
dictionaries of the front end name several hundred more, whose classes alone tell them apart ("a record", "to record"). A capital
matters where the table has such a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from voiceagent.text.phonemes.homograph_context import ContextWeights, context_keys, turn_of
from voiceagent.text.phonemes.word_class import CLASSES, WordClassModel, bare_word

__all__ = ["Homographs", "Seen", "Way"]

_CUE: Final = 1.6  # nats for a word of the subject near by
_PHRASE: Final = 2.2  # nats for a phrase that holds the word
_MOST_CUES: Final = 2
_FLOOR: Final = 0.02  # no class is out of the question
_KEYS: Final = {
    "noun": ("NOUN", "ADJ"), "verb": ("VERB",), "adjective": ("ADJ", "NOUN"), "past": ("VBD",), "participle": ("VBN",),
}  # fmt: skip
_MARKS: Final = ",.;:!?—…()\"'“”‘’[]*"


@dataclass(frozen=True, slots=True)
class Way:
    """One way of saying a homograph.

    classes: word classes that are said so. prior: how common it is, in nats. words, phrases: cues; a phrase is (words before,
    words after), in which `*ing` is a word that ends so.
    """

    phonemes: str
    classes: frozenset[str]
    prior: float = 0.0
    words: frozenset[str] = frozenset()
    phrases: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """Two ways of a word, how far classes and cues lean to the second in nats, and the keys of its context with their signs."""

    ways: tuple[Way, ...]
    lean: float
    keys: tuple[tuple[str, int], ...]


class Homographs:
    """Finds homographs among words and says which way they are meant.

    kind: the tag of a word that has one and the same everywhere, else None. dictionary: what the front end says of a word.
    classes: the table of word classes, that which ships if None.
    """

    def __init__(
        self, kind: Callable[[str], str | None], dictionary: Callable[[str], Any], classes: Path | None = None
    ) -> None:
        self._classify = WordClassModel(kind, classes)
        self._context = ContextWeights()
        self._kind = kind
        self._dictionary = dictionary
        self._table = _read(Path(__file__).with_name("homographs.tsv"))

    def find(self, words: Sequence[str], tags: Sequence[str], start: int = 0) -> dict[int, str]:
        """Phonemes by index of the homographs among `words[start:]`.

        words: with their punctuation. tags: the tagger's, one a word.
        """
        found: dict[int, str] = {}
        bare: list[str] | None = None
        for index in range(start, len(words)):
            ways = self._ways(words[index].strip(_MARKS), sentence_start=_starts(words, index))
            if not ways:
                continue
            bare = bare or [bare_word(word) for word in words]
            found[index] = self._choose(ways, words, bare, index, self._tag(words, tags, index))
        return found

    def seen(self, words: Sequence[str], tags: Sequence[str], index: int) -> Seen | None:
        """What is known of a word that has two ways, None of others: what the weights of its context are trained on."""
        ways = self._ways(words[index].strip(_MARKS), sentence_start=_starts(words, index))
        if len(ways) != 2:
            return None
        bare, tag = [bare_word(word) for word in words], self._tag(words, tags, index)
        first, second = self._scores(ways, words, bare, index, tag)
        return Seen(ways, second - first, tuple(self._keys(ways, words, bare, index, tag)))

    def _tag(self, words: Sequence[str], tags: Sequence[str], index: int) -> str:
        """The tagger's; a tag that never changes says nothing."""
        return "" if self._kind(words[index].strip(_MARKS)) else tags[index]

    def _ways(self, word: str, *, sentence_start: bool) -> tuple[Way, ...]:
        """The ways of saying `word`; () when there is only one."""
        lower = word.lower()
        if word in self._table and not (sentence_start and word != lower and lower in self._table):
            return self._table[word]
        if lower in self._table:
            return self._table[lower]
        known = self._dictionary(lower) if word == lower or word == lower.capitalize() else None
        return _ways_of(known) if isinstance(known, dict) else ()

    def _choose(self, ways: tuple[Way, ...], words: Sequence[str], bare: list[str], index: int, tag: str) -> str:
        if len(ways) == 1:
            return ways[0].phonemes
        scores = self._scores(ways, words, bare, index, tag)
        if len(ways) == 2:
            scores[1] += self._context.lean(self._keys(ways, words, bare, index, tag))
        return ways[scores.index(max(scores))].phonemes

    def _scores(
        self, ways: Sequence[Way], words: Sequence[str], bare: Sequence[str], index: int, tag: str
    ) -> list[float]:
        """What classes and cues say for each of `ways`, in nats."""
        classes = self._classify(words, index, tag)
        near = set(bare[max(0, index - 7) : index]) | set(bare[index + 1 : index + 7])
        found = []
        for way in ways:
            score = way.prior + math.log(_FLOOR + sum(classes[name] for name in way.classes))
            score += _CUE * min(len(way.words & near), _MOST_CUES)
            score += _PHRASE * min(sum(_stands(phrase, bare, index) for phrase in way.phrases), _MOST_CUES)
            found.append(score)
        return found

    def _keys(
        self, ways: Sequence[Way], words: Sequence[str], bare: Sequence[str], index: int, tag: str
    ) -> Iterator[tuple[str, int]]:
        """What `ContextWeights` sees of a word that has two ways."""
        return context_keys(words, bare, index, tag, self._classify.shape, turn_of([way.classes for way in ways]))


def _starts(words: Sequence[str], index: int) -> bool:
    return index == 0 or words[index - 1].rstrip("\"')”’")[-1:] in ".!?…:"


def _stands(phrase: tuple[tuple[str, ...], tuple[str, ...]], bare: Sequence[str], index: int) -> bool:
    before, after = phrase
    if len(before) > index or len(after) >= len(bare) - index:
        return False
    return all(map(_is, bare[index - len(before) : index], before)) and all(map(_is, bare[index + 1 :], after))


def _is(word: str, wanted: str) -> bool:
    return word == wanted or (wanted[0] == "*" and word.endswith(wanted[1:]))


def _ways_of(known: dict[str, str | None]) -> tuple[Way, ...]:
    """What a dictionary that goes by tags says: a way for each pronunciation that a class has."""
    classes: dict[str, set[str]] = {}
    tenses = "VBD" in known
    for name in CLASSES if tenses else CLASSES[:3]:
        phonemes = next((said for key in (*_KEYS[name], "DEFAULT") if (said := known.get(key))), "")
        if phonemes:
            classes.setdefault(phonemes, set()).add(name)
    if len(classes) < 2:
        return ()
    return tuple(Way(phonemes, frozenset(classes[phonemes])) for phonemes in sorted(classes))


def _read(path: Path) -> dict[str, tuple[Way, ...]]:
    table: dict[str, tuple[Way, ...]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        word, phonemes, classes, prior, cues = line.split("\t")
        given = [cue for cue in cues.split(";") if cue]
        phrases = tuple(_phrase(cue) for cue in given if "_" in cue)
        names = frozenset(CLASSES if classes == "*" else classes.split(","))
        way = Way(phonemes, names, float(prior), frozenset(cue for cue in given if "_" not in cue), phrases)
        table[word] = (*table.get(word, ()), way)
    return {word: tuple(sorted(ways, key=lambda way: way.phonemes)) for word, ways in table.items()}


def _phrase(cue: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    before, after = cue.split("_")
    return tuple(before.split()), tuple(after.split())

"""Whether a word is a noun, a verb, an adjective, a past tense or a participle, told from the words around it alone.

A log-linear model with a few thousand features. It learnt from words that are always the same class ("kitchen",
"bring"), each
hidden from it: only the context counts, as homographs need it, and how often a homograph is which.
`voiceagent.training.word_class` makes its table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

__all__ = ["CLASSES", "WordClassModel", "bare_word", "context_features"]

CLASSES: Final = ("noun", "verb", "adjective", "past", "participle")
"""`verb` is the infinitive and the present tense."""
UNKNOWN: Final = "?"  # beyond what has arrived
EDGE: Final = "#"  # the sentence begins or ends
_MARKS: Final = ",.;:!?—…()\"'“”‘’-[]*"
_PAUSES: Final = frozenset(",;:—()")
_FULL_ENDS: Final = frozenset(".!?…")
_SCALE: Final = 16.0  # the table holds sixteenths of a nat
_VOTE: Final = 24  # what the tagger's word counts, in the same unit
_CLASS_OF_TAG: Final = {
    "NN": "noun", "NNS": "noun", "NNP": "noun", "VB": "verb", "VBP": "verb",
    "VBZ": "verb", "JJ": "adjective", "VBD": "past", "VBN": "participle",
}  # fmt: skip


def bare_word(word: str) -> str:
    """In small letters, without the punctuation around it."""
    return word.strip(_MARKS).lower()


def context_features(words: Sequence[str], index: int, shape: Callable[[str], str]) -> Iterator[str]:
    """What stands around `words[index]`, as the names of features; the word itself only as far as it ends in s.

    words: with their punctuation. shape: a word, as written, to itself where it is frequent, else to its kind.
    """
    target = words[index]
    left = _left(words, index, shape)
    right = _right(words, index, shape)
    many = "s" if bare_word(target).endswith("s") and not bare_word(target).endswith("ss") else "-"
    first, second, third = left
    after, behind = right
    yield f"b{many}"
    yield f"l{many}{first}"
    yield f"m{second}"
    yield f"n{third}"
    yield f"lm{first} {second}"
    yield f"mn{second} {third}"
    yield f"r{many}{after}"
    yield f"q{behind}"
    yield f"rq{after} {behind}"
    yield f"lr{first} {after}"
    yield f"mr{second} {after}"


def _left(words: Sequence[str], index: int, shape: Callable[[str], str]) -> list[str]:
    """The shapes of three words before; a pause is one of them, and nothing is seen across a full stop."""
    found: list[str] = []
    for word in reversed(words[max(0, index - 3) : index]):
        if word[-1] in _FULL_ENDS and len(word.rstrip(".!?…")) > 1:
            break
        if word[-1] in _PAUSES:
            found.append(",")
        found.append(shape(word))
    return [*found, EDGE, EDGE, EDGE][:3]


def _right(words: Sequence[str], index: int, shape: Callable[[str], str]) -> list[str]:
    """The shapes of two words after, as far as they are known."""
    found: list[str] = []
    for at in range(index, min(index + 3, len(words))):
        if at > index:
            found.append(shape(words[at]))
        end = words[at].rstrip("\"')”’")[-1:]
        if end in _FULL_ENDS:
            return [*found, EDGE, EDGE][:2]
        if end in _PAUSES:
            found.append(",")
    return [*found, UNKNOWN, UNKNOWN][:2]


class WordClassModel:
    """Probabilities of the classes of a word in its context.

    kind: the tag of a word that has one and the same everywhere, else None.
    """

    def __init__(self, kind: Callable[[str], str | None], table: Path | None = None) -> None:
        self._kind = kind
        self._weights: dict[str, tuple[int, ...]] = {}
        self._frequent: set[str] = set()
        path = table or Path(__file__).with_name("word_class.tsv")
        for line in path.read_text(encoding="utf-8").splitlines():
            name, *values = line.split("\t")
            if values:
                self._weights[name] = tuple(map(int, values))
            elif not name.startswith("#"):
                self._frequent.update(name.split(" "))
        self.shape = lru_cache(4_096)(self._shape)

    def __call__(self, words: Sequence[str], index: int, tag: str = "") -> dict[str, float]:
        """The probability of each class for `words[index]`; they add up to 1.

        tag: what the tagger calls it, "" if it cannot tell.
        """
        sums = [_VOTE if _CLASS_OF_TAG.get(tag) == name else 0 for name in CLASSES]
        for name in (f"w{bare_word(words[index])}", *context_features(words, index, self.shape)):
            for at, weight in enumerate(self._weights.get(name, ())):
                sums[at] += weight
        top = max(sums)
        powers = [math.exp((value - top) / _SCALE) for value in sums]
        total = sum(powers)
        return {name: power / total for name, power in zip(CLASSES, powers, strict=True)}

    def _shape(self, word: str) -> str:
        return shape_of(word, self._frequent, self._kind)


def shape_of(word: str, frequent: set[str], kind: Callable[[str], str | None]) -> str:
    """A frequent word as it is; of others their tag where it never changes, else how they end."""
    bare = bare_word(word)
    if bare in frequent:
        return bare
    if not bare:
        return ","
    if bare[-1].isdigit():
        return "0"
    if bare.endswith(("'s", "s'")):
        return "'s"
    tag = kind(bare)
    if tag is not None:
        return tag.upper()
    if word.strip(_MARKS)[:1].isupper():
        return "Cap"
    return "-" + bare[-3:] if bare.endswith(("ing", "ous", "ful", "ive", "ble", "ion", "ity")) else "-" + bare[-2:]

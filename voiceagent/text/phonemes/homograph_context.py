"""What the words beside a homograph say for its first or its second way, in the order of their phonemes.

`homograph_context.tsv` has some 560 weights, which an L1 penalty left of a hundred thousand. They are learnt from
sentences in which people marked the way; `voiceagent.training.homographs` makes them. Some are of one word ("bow"
before "and"), others of all words that have a verb and another class ("to" before it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

__all__ = ["ContextWeights", "context_keys", "turn_of"]

_SCALE: Final = 16.0  # the table holds sixteenths of a nat
_SHARE: Final = 0.7  # what is learnt of an encyclopaedia holds less in conversation; chosen on 333 sentences of our own
_ENDS: Final = frozenset(".,;:!?…")


def turn_of(classes: Sequence[frozenset[str]]) -> int:
    """1 where the second of two ways is the verb, -1 where the first is, 0 where classes do not tell them apart."""
    verb = ["verb" in names for names in classes]
    return verb[1] - verb[0]


def context_keys(
    words: Sequence[str], bare: Sequence[str], index: int, tag: str, shape: Callable[[str], str], turn: int
) -> Iterator[tuple[str, int]]:
    """The names of what stands around `words[index]`, each with the sign it has.

    words: with their punctuation. bare: without it. tag: the tagger's. shape: as the word classes
    see a word. turn: `turn_of` the ways.
    """
    before = [(bare[at], shape(words[at])) if at >= 0 else ("#", "#") for at in (index - 1, index - 2)]
    ends = words[index][-1] in _ENDS
    after = [(bare[at], shape(words[at])) if at < len(bare) else ("#", "#") for at in (index + 1, index + 2)]
    if ends:
        after[0] = ("E", "E")
    raised = words[index].strip("\"'([“‘")[:1].isupper() and index > 0 and words[index - 1][-1] not in ".!?"
    found = [
        f"l={before[0][0]}", f"L={before[0][1]}", f"ll={before[1][0]}", f"LL={before[1][1]}",
        f"r={after[0][0]}", f"R={after[0][1]}", f"q={after[1][0]}", f"tag={tag}", "b",
        f"c={'cap' if raised else 'low'}",
    ]  # fmt: skip
    for key in found:
        yield f"{bare[index]}:{key}", 1
    if turn:
        found += [
            f"lr={before[0][1]} {after[0][1]}",
            f"LLL={before[1][1]} {before[0][1]}",
            f"RR={'E' if ends else f'{after[0][1]} {after[1][1]}'}",
        ]
        for key in found:
            yield f"*:{key}", turn


class ContextWeights:
    """The table: how far the words around lean toward the second way, in nats."""

    def __init__(self, table: Path | None = None) -> None:
        path = table or Path(__file__).with_name("homograph_context.tsv")
        rows = [row.split("\t") for row in path.read_text(encoding="utf-8").splitlines() if not row.startswith("# ")]
        self._weights = {key: int(value) / _SCALE for key, value in rows}

    def lean(self, keys: Iterator[tuple[str, int]]) -> float:
        """The sum of the weights of `keys`."""
        return _SHARE * sum(self._weights.get(key, 0.0) * sign for key, sign in keys)

"""The table of `voiceagent.text.phonemes.homograph_context`, from sentences in which people marked how a homograph is said.

The sentences are those of Google's Wikipedia homograph data (Apache-2.0,
github.com/google-research-datasets/WikipediaHomographData):
`data/wordids.tsv` names the ways of each word, `data/train/*.tsv` has about ninety sentences a word. `data/eval` is not read.
"""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voiceagent.text.phonemes.dictionaries import load_front_end
from voiceagent.text.phonemes.homographs import Homographs
from voiceagent.text.phonemes.word_class import bare_word

__all__ = ["Marked", "make_table", "marked_sentences", "nearest"]

_PENALTY = 1.0  # C of the L1 penalty
_FOLDS = 5
_RESPELLED = (
    ("tʃ", "ʧ"), ("dʒ", "ʤ"), ("eɪ", "A"), ("aɪ", "I"), ("oʊ", "O"), ("aʊ", "W"), ("ɔɪ", "Y"), ("ɝ", "ɜɹ"), ("ɚ", "əɹ"),
    ("r", "ɹ"), ("g", "ɡ"), ("'", "ˈ"), ("ᵻ", "ɪ"), ("ᵊ", "ə"), ("ʌ", "ə"), ("ɾ", "t"),
)  # fmt: skip
_VOWELS = re.compile("[AIOWYiuæɑɔəɛɜɪʊaeo]")


@dataclass(frozen=True, slots=True)
class Marked:
    """A sentence, the offset of its homograph, and how that is said, in phonemes of the data."""

    word: str
    text: str
    start: int
    said: str


def marked_sentences(data: Path, half: str = "train") -> Iterator[Marked]:
    """Every sentence of one half of the data; `data` is its folder `data`."""
    said = {row["wordid"]: row["pronunciation"] for row in _rows(data / "wordids.tsv")}
    for path in sorted((data / half).glob("*.tsv")):
        for row in _rows(path):
            before = row["sentence"].encode()[: int(row["start"])]
            yield Marked(row["homograph"], row["sentence"], len(before.decode(errors="ignore")), said[row["wordid"]])


def nearest(ways: Sequence[str], said: str) -> int | None:
    """Which of `ways` is most like `said`, both in phonemes of any alphabet of ours; None where two are as like."""
    wanted = _plain(said)
    far = [_distance(letters, wanted[0]) + 2 * (stress != wanted[1]) for letters, stress in map(_plain, ways)]
    best = far.index(min(far))
    return best if far.count(far[best]) == 1 else None


def make_table(data: Path, out: Path, *, classes: Path | None = None, seed: int = 0) -> float:
    """Writes the table and returns how many of the sentences are said as marked, each judged by a table made without it.

    classes: the table of word classes, that which ships if None.
    """
    examples = list(_examples(data, classes, random.Random(seed)))
    fold = np.array([random.Random(seed + at).randrange(_FOLDS) for at in range(len(examples))])
    right = 0
    for held in range(_FOLDS):
        weights = _fit([example for example, at in zip(examples, fold, strict=True) if at != held])
        right += sum(
            (_sum(features, weights) > 0) == second
            for (features, second), at in zip(examples, fold, strict=True)
            if at == held
        )
    weights = _fit(examples)
    base = weights.pop("base")
    rows = [f"{key}\t{value}" for key, weight in sorted(weights.items()) if (value := round(16 * weight / base))]
    partial = out.with_suffix(".partial")
    partial.write_text("# made by voiceagent.training.homographs\n" + "\n".join(rows) + "\n", encoding="utf-8")
    partial.replace(out)
    return right / len(examples)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        yield from csv.DictReader(file, delimiter="\t")


def _examples(data: Path, classes: Path | None, rng: random.Random) -> Iterator[tuple[dict[str, float], bool]]:
    """Features of each homograph, and whether its second way is meant, with as much behind it as a stream brings."""
    front = load_front_end(british=False)
    homographs = Homographs(front.tagger.tagdict.get, front.lexicon.golds.get, classes)
    for marked in marked_sentences(data):
        words = marked.text.split()
        index = len(marked.text[: marked.start + 1].split()) - 1
        words = words[max(0, index - 8) : index + 1 + rng.choice((1, 2, 3, 4))]
        index = min(index, 8)
        if bare_word(words[index]) != marked.word:
            continue  # a part of a compound
        found = homographs.seen(words, front.tagger(words), index)
        if found is not None and (second := nearest([way.phonemes for way in found.ways], marked.said)) is not None:
            features = {key: float(sign) for key, sign in found.keys}
            yield features | {"base": min(max(found.lean, -6.0), 6.0)}, second == 1


def _fit(examples: Sequence[tuple[dict[str, float], bool]]) -> dict[str, float]:
    """Logistic regression with an L1 penalty, which leaves few weights that are not zero."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression

    names = DictVectorizer(dtype=np.float32)
    matrix = names.fit_transform([features for features, _ in examples])
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    model: Any = LogisticRegression(C=_PENALTY, l1_ratio=1.0, solver="liblinear", fit_intercept=False, max_iter=500)
    model.fit(matrix, [second for _, second in examples])
    return {name: float(w) for name, w in zip(names.get_feature_names_out(), model.coef_[0], strict=True) if w}


def _sum(features: dict[str, float], weights: dict[str, float]) -> float:
    return sum(weights.get(name, 0.0) * value for name, value in features.items())


def _plain(phonemes: str) -> tuple[str, int]:
    """Letters without marks, and the number of the stressed syllable."""
    for written, ours in _RESPELLED:
        phonemes = phonemes.replace(written, ours)
    phonemes = re.sub(r"[^\wˈˌ]|[\dː]", "", phonemes)
    return re.sub("[ˈˌ]", "", phonemes), len(_VOWELS.findall(phonemes.partition("ˈ")[0]))


def _distance(one: str, other: str) -> int:
    """Levenshtein's."""
    row = list(range(len(other) + 1))
    for at, a in enumerate(one, 1):
        corner, row[0] = row[0], at
        for column, b in enumerate(other, 1):
            corner, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, corner + (a != b))
    return row[-1]

"""The table of `voiceagent.text.phonemes.word_class`, from a folder of plain text.

Classes come from the tagger of the front end: a word counts when the tagger calls it the same nearly always. The word is hidden,
so what is learnt is which contexts hold nouns and which hold verbs.
"""

from __future__ import annotations

import gzip
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from voiceagent.text.phonemes.dictionaries import load_front_end
from voiceagent.text.phonemes.word_class import CLASSES, bare_word, context_features, shape_of

__all__ = ["make_table"]

_CLASS_OF_TAG = {
    "NN": "noun", "NNS": "noun", "VB": "verb", "VBP": "verb", "VBZ": "verb", "JJ": "adjective", "VBD": "past", "VBN": "participle",
}  # fmt: skip
_FREQUENT_WORDS = 400
_SURE = 0.97
_LEAST_COUNT = 8
_LEAST_FEATURE = 20
_EPOCHS = 4
_MOST_EXAMPLES = 400_000
_TEMPER = 0.6  # the tagger's own mistakes are in the counts that become priors


def make_table(folder: Path, out: Path, *, most: int = 4_000, seed: int = 0) -> None:
    """Reads every `*.txt` and `*.txt.gz` of `folder` and writes the table of the `most` heaviest features."""
    front = load_front_end(british=False)
    lines = [line.split() for line in _lines(folder)]
    tagged = [(words, front.tagger(words)) for words in ([bare_word(w) or "," for w in line] for line in lines)]
    frequent = {w for w, _ in Counter(w for words, _ in tagged for w in words).most_common(_FREQUENT_WORDS)}
    homographs = {w for words, _ in tagged for w in words if isinstance(front.lexicon.golds.get(w), dict)}
    sure = _sure_words(tagged, homographs)
    rng = random.Random(seed)
    names: Counter[str] = Counter()
    examples: list[tuple[list[str], int]] = []
    for line, (words, _) in zip(lines, tagged, strict=True):
        for index, word in enumerate(words):
            if word not in sure:
                continue
            known = rng.choice((0, 1, 2, 99))  # as much of what follows as a stream may have brought
            seen = line[: index + 1 + known]
            features = list(context_features(seen, index, lambda w: shape_of(w, frequent, front.tagger.tagdict.get)))
            names.update(features)
            examples.append((features, CLASSES.index(sure[word])))
    weights = _train(_balanced(examples, rng), [n for n, count in names.items() if count >= _LEAST_FEATURE], rng)
    heaviest = sorted(weights, key=lambda n: -float(np.abs(weights[n]).max()) * names[n] ** 0.5)[:most]
    rows = ["# " + " ".join(CLASSES), " ".join(sorted(frequent))]
    rows += ["\t".join([n, *(str(round(float(x) * 16)) for x in weights[n])]) for n in sorted(heaviest)]
    rows += ["\t".join([f"w{word}", *map(str, prior)]) for word, prior in sorted(_priors(tagged, homographs).items())]
    partial = out.with_suffix(".partial")
    partial.write_text("\n".join(rows) + "\n", encoding="utf-8")
    partial.replace(out)


def _lines(folder: Path) -> Iterator[str]:
    for path in sorted([*folder.glob("*.txt"), *folder.glob("*.txt.gz")]):
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            yield from file


def _sure_words(tagged: Iterable[tuple[list[str], list[str]]], left_out: set[str]) -> dict[str, str]:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for words, tags in tagged:
        for word, tag in zip(words, tags, strict=True):
            counts[word][_CLASS_OF_TAG.get(tag, "")] += 1
    sure = {}
    for word, count in counts.items():
        (name, most), total = count.most_common(1)[0], sum(count.values())
        if name and total >= _LEAST_COUNT and most >= _SURE * total and word.isalpha() and word not in left_out:
            sure[word] = name
    return sure


def _priors(tagged: Iterable[tuple[list[str], list[str]]], homographs: set[str]) -> dict[str, list[int]]:
    """How often each homograph is which class, in sixteenths of a nat around the mean."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for words, tags in tagged:
        for word, tag in zip(words, tags, strict=True):
            if word in homographs and tag in _CLASS_OF_TAG:
                counts[word][_CLASS_OF_TAG[tag]] += 1
    priors = {}
    for word, count in counts.items():
        if sum(count.values()) >= 4:
            logs = [_TEMPER * float(np.log(count[name] + 0.7)) for name in CLASSES]
            priors[word] = [round(16 * (x - sum(logs) / len(logs))) for x in logs]
    return priors


def _balanced(examples: list[tuple[list[str], int]], rng: random.Random) -> list[tuple[list[str], int]]:
    """At most as many of a class as of verbs: nouns are everywhere."""
    verbs = sum(target == CLASSES.index("verb") for _, target in examples)
    rng.shuffle(examples)
    kept: list[tuple[list[str], int]] = []
    counts: Counter[int] = Counter()
    for example in examples:
        counts[example[1]] += 1
        if counts[example[1]] <= verbs:
            kept.append(example)
    return kept[:_MOST_EXAMPLES]


def _train(examples: list[tuple[list[str], int]], names: list[str], rng: random.Random) -> dict[str, Any]:
    """Logistic regression by AdaGrad."""
    index = {name: at for at, name in enumerate(names)}
    weights = np.zeros((len(names), len(CLASSES)), np.float32)  # (F, C)
    squares = np.full_like(weights, 1e-3)
    rows = [(np.array([index[n] for n in features if n in index]), target) for features, target in examples]
    for _ in range(_EPOCHS):
        rng.shuffle(rows)
        for features, target in rows:
            logits = weights[features].sum(0)
            p = np.exp(logits - logits.max())
            p /= p.sum()
            p[target] -= 1
            squares[features] += p * p
            weights[features] -= 0.1 * p / np.sqrt(squares[features]) + 1e-5 * weights[features]
    return {name: weights[at] for name, at in index.items()}

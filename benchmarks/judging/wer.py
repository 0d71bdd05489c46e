"""Word error rate that does not punish spelling: "2" is "two", "can't" is "can not", "colour" is "color".

Text goes through the normaliser published with Whisper. Around it, repairs for spoken English that it gets wrong: clock
times ("7:30" against "seven thirty"), "o'clock", digits said one by one, and the interjection "oh", which it reads as a zero.
Knows nothing of audio or of models.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whisper_normalizer.english import EnglishTextNormalizer

_CLOCK = re.compile(r"\b(\d{1,2})(?::(\d\d)\b|[. ](\d\d)(?=\s?[ap]\.?\s?m\b))", re.IGNORECASE)  # 7:30, or 7.30 pm
_CANNOT = re.compile(r"\bcannot\b", re.IGNORECASE)
_OCLOCK = re.compile(r"\bo['’]\s?clock\b", re.IGNORECASE)
_MERIDIEM = re.compile(r"\b([ap])\.?\s?m\b\.?", re.IGNORECASE)
_OH = re.compile(r"(?<![0-9])\boh?\b(?!['’])", re.IGNORECASE)
_NUMBER_BEFORE_OH = re.compile(
    r"\b(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|hundred|\d+)[\s,-]+oh?\b", re.IGNORECASE
)
_LONE_DIGITS = re.compile(r"\b\d(?: \d)+\b")  # "5 0 7 2" is "5072"
_BOOTSTRAP_ROUNDS = 1000


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Edits between two normalised texts; `words` counts the reference."""

    substitutions: int
    deletions: int
    insertions: int
    words: int

    @property
    def errors(self) -> int:
        """All edits together."""
        return self.substitutions + self.deletions + self.insertions


@cache
def _normalizer() -> EnglishTextNormalizer:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


def _clock_digits(match: re.Match[str]) -> str:
    minutes = match[2] or match[3]
    return match[1] if minutes == "00" else f"{match[1]}{minutes}"


def normalize(text: str) -> str:
    """Lower case, no punctuation, numbers as digits, contractions expanded, American spelling."""
    text = _CANNOT.sub("can not", text)
    text = _CLOCK.sub(_clock_digits, text)
    text = _OCLOCK.sub("oclock", text)
    text = _MERIDIEM.sub(r"\1m", text)
    if not _NUMBER_BEFORE_OH.search(text):
        text = _OH.sub("ohh", text)
    return _LONE_DIGITS.sub(lambda m: m[0].replace(" ", ""), str(_normalizer()(text)).strip())


def count_errors(reference: str, hypothesis: str) -> WordErrors:
    """Edits that turn the reference into the hypothesis, both normalised first."""
    from rapidfuzz.distance import Levenshtein

    expected, heard = normalize(reference).split(), normalize(hypothesis).split()
    tags = [edit.tag for edit in Levenshtein.editops(expected, heard)]
    return WordErrors(tags.count("replace"), tags.count("delete"), tags.count("insert"), len(expected))


@dataclass(frozen=True, slots=True)
class FirstWordErrors:
    """Edits that touch the first words of the reference, and all edits; `words` counts the reference."""

    first: int
    all: int
    words: int


def first_word_errors(reference: str, hypothesis: str, count: int) -> FirstWordErrors:
    """Edits of the first `count` words of the reference, both texts normalised; what is inserted before them counts."""
    from rapidfuzz.distance import Levenshtein

    expected, heard = normalize(reference).split(), normalize(hypothesis).split()
    edits = Levenshtein.editops(expected, heard)
    first = sum(edit.src_pos < count for edit in edits)
    return FirstWordErrors(first, len(edits), len(expected))


def paired(errors: Sequence[int], others: Sequence[int], words: Sequence[int]) -> tuple[float, float, float]:
    """Errors of two speakers on the same sentences, in percent: rate of the first, its excess, and the excess's standard error."""
    total = sum(words)
    if not total:
        return 0.0, 0.0, 0.0
    excess = 100 * (sum(errors) - sum(others)) / total
    count = len(words)
    left = [100 * (e - o) - excess * w for e, o, w in zip(errors, others, words, strict=True)]
    variance = sum(d * d for d in left) / max(count - 1, 1)
    return 100 * sum(errors) / total, excess, float((variance * count) ** 0.5 / total)


def corpus_rate(errors: Sequence[WordErrors]) -> float:
    """All edits over all reference words; 0.0 where there is no word at all."""
    words = sum(e.words for e in errors)
    return sum(e.errors for e in errors) / words if words else 0.0


def standard_error(errors: Sequence[WordErrors], *, seed: int = 0) -> float:
    """Standard error of `corpus_rate` by bootstrap over sentences; the same input gives the same figure."""
    if len(errors) < 2:
        return 0.0
    rng = random.Random(seed)
    rates = [corpus_rate(rng.choices(errors, k=len(errors))) for _ in range(_BOOTSTRAP_ROUNDS)]
    mean = sum(rates) / len(rates)
    return float((sum((rate - mean) ** 2 for rate in rates) / (len(rates) - 1)) ** 0.5)


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Word error rate of a corpus as a fraction (0.03 is 3%; more than 1 is possible).

    Raises:
        ValueError: the two lists differ in length.
    """
    pairs = zip(references, hypotheses, strict=True)
    return corpus_rate([count_errors(reference, hypothesis) for reference, hypothesis in pairs])

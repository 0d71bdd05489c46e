"""What has been said on the clock of an utterance, and how words become phonemes with silence around sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic

import numpy as np
import numpy.typing as npt

from voiceagent.model.runtime_values import ArrayT
from voiceagent.model.symbols import BOUNDARY, ENGLISH, GAP, INDEX, PUNCTUATION, SYMBOLS, encode

CONTEXT_PHONEMES = 160  # text before the stretch that the encoder still sees
SENTENCE_ENDS = (".", "?", "!", "…")
CLAUSE_ENDS = (",", ";", ":", "—")
# Training always showed the encoder the word behind a pause. Where that is not known yet, two words stand in: without
# any, the pauses that the durations predict are 28% short, with these 5% (57 commas of held-back sentences; nine pairs
# of words tried).
EXPECTED_AFTER_CLAUSE = " ðə fˈɜɹst"
_SILENT = frozenset(SYMBOLS.index(symbol) for symbol in PUNCTUATION | {BOUNDARY, GAP})


@dataclass(frozen=True, slots=True)
class Script:
    """Text that has been spoken or planned, on the clock of the utterance; a value."""

    symbols: tuple[int, ...] = ()
    ends_s: tuple[float, ...] = ()
    tokens: int = 0  # tokens planned so far
    sentence_open: bool = False  # the last sentence goes on

    @property
    def clock_s(self) -> float:
        """Where the next phoneme starts."""
        return self.ends_s[-1] if self.ends_s else 0.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What is made of a voice's predicted durations.

    scale: on all durations. They are learnt as medians, which are shorter than means; the mean is what makes the pace.
    sentence_tail_s, sentence_lead_s: silence at the end of a sentence that another may follow, and before one that
    follows another. The training speech was cut to less than the teacher leaves there.
    """

    scale: float = 1.0
    sentence_tail_s: float = 0.0
    sentence_lead_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PhonemeChunk:
    """A chunk as it is to be spoken.

    words: phoneme strings, one a word. lookahead: those of words that are known beyond it.
    final: nothing of the utterance follows. speed: factor on how fast it is spoken. pause_s: silence at its end, in
    seconds.
    """

    words: Sequence[str]
    lookahead: Sequence[str] = ()
    final: bool = field(kw_only=True)
    speed: float = field(default=1.0, kw_only=True)
    pause_s: float = field(default=0.0, kw_only=True)


@dataclass(frozen=True, slots=True)
class ChunkPlan(Generic[ArrayT]):
    """A planned chunk: what its slots hear of the text, what they say, and when each word sounds (seconds of the
    utterance).
    """

    conditioning: ArrayT  # (T, C)
    word_times_s: tuple[tuple[float, float], ...]
    labels: ArrayT  # (T, 2) the symbols that each token says


def spell(
    words: Sequence[str], lookahead: Sequence[str], *, opened: bool, final: bool, known: int = ENGLISH
) -> tuple[list[int], list[int], list[int]]:
    """Symbols of the stretch, the word that each belongs to (-1: none), and symbols of the look-ahead.

    The look-ahead is spelled as the next stretch will be that begins with it.
    `known`: how much of the alphabet the weights have learnt.
    """
    symbols, owners, ends_sentence = _spelled(words, GAP if opened else BOUNDARY, known)
    closes = ends_sentence or final
    if closes:
        symbols += encode(BOUNDARY)
        owners.append(-1)
    ahead = _spelled(lookahead, BOUNDARY if closes else GAP, known)[0] if lookahead else []
    return symbols, owners, ahead


def _spelled(words: Sequence[str], before: str, known: int) -> tuple[list[int], list[int], bool]:
    """Symbols of the words and what stands `before` and between them, the word of each, and whether they end a
    sentence.
    """
    symbols, owners = encode(before), [-1]
    ends_sentence = False
    for index, word in enumerate(words):
        between = encode(BOUNDARY + BOUNDARY if ends_sentence else GAP) if index else []
        spelled = encode(word, known)
        symbols += between + spelled
        owners += [-1] * len(between) + [index] * len(spelled)
        ends_sentence = word.rstrip('”")')[-1:] in SENTENCE_ENDS if word else ends_sentence
    return symbols, owners, ends_sentence


def word_times(
    symbols: Sequence[int], owners: Sequence[int], starts_s: Sequence[float], ends_s: Sequence[float], words: int
) -> tuple[tuple[float, float], ...]:
    """Start and end of each word's sounding phonemes; a word without any is a point in time."""
    times: list[tuple[float, float]] = []
    for word in range(words):
        sounding = [i for i, owner in enumerate(owners) if owner == word and symbols[i] not in _SILENT]
        if sounding:
            times.append((starts_s[sounding[0]], ends_s[sounding[-1]]))
        else:
            at = times[-1][1] if times else starts_s[0]
            times.append((at, at))
    return tuple(times)


def expected(symbols: Sequence[int]) -> list[int]:
    """Look-ahead where nothing is known of what follows the stretch: a sentence's silence, or two words behind a
    clause.
    """
    last = SYMBOLS[symbols[-1]] if symbols else ""
    return encode(BOUNDARY if last == BOUNDARY else EXPECTED_AFTER_CLAUSE if last in CLAUSE_ENDS else "")


def with_silences(
    symbols: Sequence[int], durations_s: npt.NDArray[np.float64], rhythm: Rhythm, *, follows: bool, final: bool
) -> npt.NDArray[np.float64]:
    """Durations (symbols,) with the silence between sentences; `follows`: one was spoken before the first symbol."""
    boundary = INDEX[BOUNDARY]
    at = [index for index, symbol in enumerate(symbols) if symbol == boundary]
    leads = [i for i in at if (symbols[i - 1] == boundary if i else follows)]
    tails = [i for i in at if i not in leads and i and not (final and i == len(symbols) - 1)]
    durations_s[leads] += rhythm.sentence_lead_s
    durations_s[tails] += rhythm.sentence_tail_s
    return durations_s

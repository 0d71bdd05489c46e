"""A transcript against a recording: when each of its words sounds, and whether it says what the recording says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
from torch import Tensor

from voiceagent.errors import InputError
from voiceagent.model.lm.aligner import LABEL_S, SILENT, Aligner, agreement, best_path
from voiceagent.model.lm.script import spell

LEEWAY = 1.5  # nats a label that the sound may contradict a word: teachers swallow "a" and "of", too
FIT = -8.0  # a word that is contradicted by more than this beyond the leeway (nats) was not said
UNSAID = -15.0  # where silence agrees less than this with all the sound that it was given (nats), something is said
SHOWN = 8  # places that an error names


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text as words, with the phonemes of each; a number is several words with one and the same text."""

    words: tuple[str, ...]
    phonemes: tuple[str, ...]

    def spell(self) -> tuple[list[int], list[int]]:
        """Its symbols, and the word that each belongs to (-1: none)."""
        symbols, owners, _ = spell(self.phonemes, (), opened=False, final=True)
        return symbols, owners


@dataclass(frozen=True, slots=True)
class Timed:
    """A transcript's symbols, the word that each belongs to (-1: none), and how many labels of 20 ms each sounds
    (P,).
    """

    symbols: list[int]
    owners: list[int]
    labels: npt.NDArray[np.int64]


def sounding(symbols: list[int], owners: list[int]) -> dict[int, range]:
    """Where each word sounds: its symbols from the first phoneme to the last, without the marks around them."""
    places: dict[int, list[int]] = {}
    for place, (symbol, owner) in enumerate(zip(symbols, owners, strict=True)):
        if owner >= 0 and symbol not in SILENT:
            places.setdefault(owner, []).append(place)
    return {word: range(where[0], where[-1] + 1) for word, where in places.items()}


def time_words(aligner: Aligner, values: Tensor, transcript: Spoken) -> Timed:
    """Align a transcript with quantised speech (1, T, 6).

    Raises:
        InputError: the transcript does not fit; the words that do not, or that it lacks, are named.
    """
    symbols, owners = transcript.spell()
    log_p = aligner.log_probabilities(values)
    try:
        labels = best_path(log_p, symbols)
    except ValueError as error:
        raise InputError(f"the transcript is longer than the recording: {error}") from error
    timed, fit = Timed(symbols, owners, labels), agreement(log_p, symbols, labels)
    wrong = [*_not_said(timed, fit, transcript), *_not_written(timed, fit, transcript)]
    if wrong:
        shown = ", ".join(wrong[:SHOWN]) + (" and more" if len(wrong) > SHOWN else "")
        raise InputError(
            f"the transcript does not fit the recording at {shown}: write what is said, word by word; "
            "other speakers than the voices here and their teachers are not understood"
        )
    return timed


def _not_said(timed: Timed, fit: npt.NDArray[np.float32], transcript: Spoken) -> Iterator[str]:
    """Words whose phonemes are not heard where they should be."""
    for word, where in sounding(timed.symbols, timed.owners).items():
        if np.nansum((fit[where] + LEEWAY) * timed.labels[where]) < FIT:
            yield repr(transcript.words[word])


def _not_written(timed: Timed, fit: npt.NDArray[np.float32], transcript: Spoken) -> Iterator[str]:
    """Silences that are none: a word is said there that the transcript lacks."""
    ends = np.cumsum(timed.labels)
    where = "at the beginning"
    for silent, places in groupby(range(len(timed.symbols)), lambda place: timed.symbols[place] in SILENT):
        run = list(places)
        if not silent:
            where = f"after {transcript.words[timed.owners[run[-1]]]!r}"
        elif np.nansum(fit[run] * timed.labels[run]) < UNSAID:
            start_s, end_s = (ends[run[0]] - timed.labels[run[0]]) * LABEL_S, ends[run[-1]] * LABEL_S
            yield f"what is said {where} ({start_s:.2f} to {end_s:.2f} s)"

"""Whole sentences as a stream would have got them: chunk by chunk, with a word or two of look-ahead (model/prefix_stream.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from voiceagent.model.codec.constants import TOKEN_RATE_HZ
from voiceagent.model.symbols import BOUNDARY, GAP, INDEX
from voiceagent.training.prefix.layout import SPEAK
from voiceagent.training.prefix.stream import stretch_positions


@dataclass(frozen=True, slots=True)
class Chunking:
    """How a sentence is cut: words of a chunk, from and to; words of look-ahead at most; how often it is not cut at all."""

    words: tuple[int, int] = (3, 15)
    ahead: int = 2
    whole_odds: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.ahead < self.words[0] <= self.words[1]:
            raise ValueError(f"look-ahead ends in the next chunk: {self.ahead} must be below {self.words[0]} words")


@dataclass(frozen=True, slots=True)
class Streamed:
    """A batch of text in the order in which it arrives, padded; between two arrivals one slot is empty.

    Neighbouring phonemes are mixed (PrefixLanguageModel.text), but no phoneme knows what arrives after it.
    """

    phonemes: Tensor  # (B, P) with <speak> after each stretch
    present: Tensor  # (B, P) True where there is a phoneme or <speak>
    positions: Tensor  # (B, P) rotary
    arrival: Tensor  # (B, P) the stretch with which each came
    stretch: Tensor  # (B, T) the stretch that says each token


def draw_cuts(phonemes: Sequence[int], ends_s: Sequence[float], chunking: Chunking) -> list[tuple[int, int, int]]:
    """Phonemes (P,) and when each ends -> where each stretch ends: in phonemes, with its look-ahead, and in tokens.

    The last ends with everything. A stretch that would be shorter than a token is joined to the next.
    """
    gap, boundary = INDEX[GAP], INDEX[BOUNDARY]
    words = [
        at for at in range(1, len(phonemes)) if phonemes[at] == gap or phonemes[at - 1] == phonemes[at] == boundary
    ]  # where each word but the first begins
    last = len(phonemes) - (phonemes[-1] == boundary)  # the silence at the end comes with the last words
    everything = (len(phonemes), len(phonemes), round(ends_s[-1] * TOKEN_RATE_HZ))
    size, ahead = _between(*chunking.words), _between(0, chunking.ahead)
    cuts, tokens = [], 0
    for word in range(size - 1, len(words), size):
        stop = int(ends_s[words[word] - 1] * TOKEN_RATE_HZ)
        if tokens < stop < everything[2]:
            known = words[word + ahead] if word + ahead < len(words) else last
            known -= (
                known > words[word] and phonemes[known - 1] == boundary
            )  # silence comes with the sentence behind it
            cuts.append((words[word], known, stop))
            tokens = stop
    return [*cuts, everything]


def _between(low: int, high: int) -> int:
    """A whole number, both included."""
    return int(torch.randint(low, high + 1, (), device="cpu"))


def arrive(phonemes: Tensor, cuts: Sequence[tuple[int, int, int]]) -> tuple[Tensor, ...]:
    """Phonemes (P,) cut as `draw_cuts` does -> a row of each field of `Streamed`."""
    nothing = phonemes.new_zeros(1)
    ids, there, where, arrival, stretch = [], list[Tensor](), [], [], []
    start = heard = begun = 0  # of the stretch: its first phoneme, those known already, its first token
    for number, (end, known, stop) in enumerate(cuts):
        arrived = torch.cat((phonemes[heard:end], phonemes.new_tensor([SPEAK]), phonemes[end:known]))
        places = stretch_positions(begun, stop - begun, end - start, heard - start, known - end)
        if number:
            arrived, places = torch.cat((nothing, arrived)), torch.cat((places.new_zeros(1), places))
        ids.append(arrived)
        where.append(places)
        there.append(torch.arange(len(arrived), device="cpu") >= bool(number))
        arrival.append(torch.full((len(arrived),), number, device="cpu"))
        stretch.append(torch.full((stop - begun,), number, device="cpu"))
        start, heard, begun = end, known, stop
    return tuple(torch.cat(parts) for parts in (ids, there, where, arrival, stretch))


def entire(phonemes: Tensor, tokens: int) -> tuple[Tensor, ...]:
    """The same of a text that is there from the beginning, as prefix.py reads it: without <speak>."""
    there = torch.ones_like(phonemes, dtype=torch.bool)
    where = stretch_positions(0, tokens, len(phonemes), 0, 0)[:-1]
    return phonemes, there, where, torch.zeros_like(phonemes), phonemes.new_zeros(tokens)


def streamed(phonemes: Sequence[Tensor], ends_s: Sequence[Sequence[float]], chunking: Chunking) -> Streamed:
    """Rows of phonemes (P,) and when each ends -> a batch, each row cut in its own way."""
    rows = []
    for row, ends in zip(phonemes, ends_s, strict=True):
        cuts = draw_cuts(row.tolist(), ends, chunking)
        whole = float(torch.rand((), device="cpu")) < chunking.whole_odds
        rows.append(entire(row, cuts[-1][2]) if whole else arrive(row, cuts))
    return Streamed(*(pad_sequence(list(column), batch_first=True) for column in zip(*rows, strict=True)))

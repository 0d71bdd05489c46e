"""Text and speech, aligned: attention heads that became monotonic by themselves, and what an alignment is good for.

In the prefix layout the model must find its place in the text by attention; the paper sees heads that do it (52 ms). In the aligned
layout no head looks at text: the plan is the alignment, and for recordings the aligner (voiceagent/model/lm/aligner.py) finds it.
Either can tell whether speech leaves out or repeats words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from instruments.machine import CONSOLE
from rich.progress import track
from torch import Tensor

from reproduction.commitment import spearman
from reproduction.layouts import Prefix
from reproduction.results import Row, Table
from reproduction.stand import Spoken, Stand
from reproduction.streaming import in_chunks
from voiceagent.model.codec.constants import TOKEN_RATE_HZ
from voiceagent.model.lm.aligner import LABEL_S, Aligner, agreement, best_path
from voiceagent.model.weights import load_aligner
from voiceagent.training.prefix.attention_times import FloatArray, monotonic_path, onsets_s
from voiceagent.training.prefix.layout import attention_maps

SHOWN = 6  # heads in the table
FALSE_ALARMS = 0.02  # share of words that were said and are flagged all the same, on half of the speech


@dataclass(frozen=True, slots=True)
class Head:
    """How well a head follows the text, means over sentences."""

    layer: int
    head: int
    forward_share: float  # steps on which the phoneme it looks at most does not go back
    correlation: float  # rank correlation of that phoneme with the true one
    error_ms: float  # of phoneme onsets, along the best monotonic path
    word_error_ms: float  # of word onsets


def follow(attention: FloatArray, spoken: Spoken) -> tuple[float, float, float, float]:
    """Attention (T, P) of a head -> share of steps forward, rank correlation, error of onsets of phonemes and words in ms."""
    looked = attention.argmax(1)
    forward = float((np.diff(looked) >= 0).mean())
    onsets = onsets_s(monotonic_path(attention), attention.shape[1])
    return forward, spearman(looked, spoken.canvas.sounding()), *errors_ms(spoken, onsets)


def errors_ms(spoken: Spoken, onsets: FloatArray) -> tuple[float, float]:
    """Mean error of the onsets of phonemes (P,), and of those that words begin with, in ms."""
    errors_s = np.abs(onsets - spoken.canvas.starts_s)
    first = [own[0] for own in _by_word(np.asarray(spoken.canvas.owners)) if len(own)]
    return 1000 * float(errors_s.mean()), 1000 * float(errors_s[first].mean())


def proportional(spoken: Spoken) -> tuple[float, float]:
    """The errors if all phonemes were equally long."""
    count = len(spoken.canvas.symbols)
    return errors_ms(spoken, np.arange(count) / count * len(spoken.digits) / TOKEN_RATE_HZ)


class Listener:
    """Attention of the prefix layout or the aligner, each as a judge of whether words were said."""

    def __init__(self, stand: Stand) -> None:
        self.stand, self.head = stand, (0, 0)

    @cached_property
    def aligner(self) -> Aligner:
        """The aligner of the voices."""
        return load_aligner(self.stand.options.weights)

    def maps(self, spoken: Spoken, digits: Tensor) -> npt.NDArray[np.float64]:
        """Attention of all heads on the text, (layers, heads, T, P)."""
        layout = self.stand.layout
        assert isinstance(layout, Prefix)
        found: FloatArray = (
            attention_maps(layout.model, torch.tensor(spoken.canvas.symbols), layout.voice, digits).double().numpy()
        )
        return found

    def by_attention(self, spoken: Spoken, digits: Tensor) -> FloatArray:
        """How surely each word was said (words,): the most attention that its phonemes get at any token."""
        attention = self.maps(spoken, digits)[self.head]
        owners = np.asarray(spoken.canvas.owners)
        return np.asarray([attention[:, owners == word].sum(1).max() for word in range(owners.max() + 1)])

    def by_aligner(self, spoken: Spoken, digits: Tensor) -> FloatArray:
        """How surely each word was said (words,): how well its phonemes agree with the sound where they were found, nats."""
        log_p, symbols = self._log_p(digits), list(spoken.canvas.symbols)
        owners = np.asarray(spoken.canvas.owners)
        try:
            spent = best_path(log_p, symbols)
        except ValueError:  # too short for its text
            return np.full(owners.max() + 1, -np.inf)
        fit = np.nan_to_num(agreement(log_p, symbols, spent))
        sums = [float(np.average(fit[own], weights=spent[own] + 1e-9)) for own in _by_word(owners)]
        return np.asarray(sums)

    def _log_p(self, digits: Tensor) -> npt.NDArray[np.float32]:
        return self.aligner.log_probabilities(self.stand.voices.codec.quantizer.values(digits[None]))

    def aligner_errors_ms(self, spoken: Spoken) -> tuple[float, float]:
        """Errors of onsets along the aligner's path."""
        symbols = list(spoken.canvas.symbols)
        spent = best_path(self._log_p(spoken.digits), symbols).astype(np.float64) * LABEL_S
        return errors_ms(spoken, np.concatenate(([0.0], np.cumsum(spent)[:-1])))


def _by_word(owners: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    return [np.flatnonzero(owners == word) for word in range(owners.max() + 1)]


def heads_of(listener: Listener, speech: list[Spoken]) -> list[Head]:
    """Every head, the best first."""
    sums: dict[tuple[int, int], list[tuple[float, ...]]] = {}
    for spoken in track(speech, "looking at attention", console=CONSOLE):
        maps = listener.maps(spoken, spoken.digits)
        for layer in range(maps.shape[0]):
            for head in range(maps.shape[1]):
                sums.setdefault((layer, head), []).append(follow(maps[layer, head], spoken))
    found = [Head(*where, *np.mean(figures, axis=0).tolist()) for where, figures in sums.items()]
    return sorted(found, key=lambda head: head.error_ms)


def alignment(stand: Stand) -> Table:
    """Which heads follow the text, and how exactly; next to the aligner and to equal lengths."""
    listener, speech = Listener(stand), stand.teacher_speech
    rows, data = [], {}
    if stand.options.layout == "prefix":
        # Chosen on one half and measured on the other: the best of many on the same sentences is flattered.
        heads = heads_of(listener, speech[::2])
        measured = {(head.layer, head.head): head for head in heads_of(listener, speech[1::2] or speech)}
        for head in (measured[chosen.layer, chosen.head] for chosen in heads[:SHOWN]):
            figures = {
                "forward_share": 100 * head.forward_share,
                "correlation": head.correlation,
                "error_ms": head.error_ms,
                "word_error_ms": head.word_error_ms,
            }
            rows.append(Row(f"layer {head.layer}, head {head.head}", figures))
        best = (heads[0].layer, heads[0].head)
        data = {"attention": listener.maps(speech[0], speech[0].digits)[best].round(3).tolist()}
    for label, measure in (("the aligner", listener.aligner_errors_ms), ("all phonemes equally long", proportional)):
        phonemes, words = np.mean([measure(one) for one in speech], axis=0).tolist()
        rows.append(Row(label, {"error_ms": phonemes, "word_error_ms": words}))
    notes = [
        f"{len(speech)} sentences by the teacher, whose phoneme times are the truth; heads are numbered from 0, those that follow "
        "best on every other sentence are shown, best first, with their figures on the rest; a token is 40 ms"
    ]
    title = (alignment.__doc__ or "").rstrip(".")
    return Table("alignment", title, stand.options.layout, stand.voice, rows, notes, data)


def damaged(spoken: Spoken, word: int, *, twice: bool) -> Tensor:
    """The tokens without those of a word, or with those of the word two times."""
    own = [index for index, owner in enumerate(spoken.canvas.owners) if owner == word]
    first = round(spoken.canvas.starts_s[own[0]] * TOKEN_RATE_HZ)
    end_s = spoken.canvas.starts_s[own[-1]] + float(spoken.canvas.durations_s[own[-1]])
    last = max(first + 1, round(end_s * TOKEN_RATE_HZ))
    middle = spoken.digits[first:last].repeat(2, 1) if twice else spoken.digits[:0]
    return torch.cat((spoken.digits[:first], middle, spoken.digits[last:]))


def streamed(stand: Stand, spoken: Spoken) -> Tensor:
    """The same words as we say them in a stream, tokens (T, 6)."""
    chunks = in_chunks(stand.voices.model, stand.row, spoken.words, 3, 1)
    return stand.layout.in_chunks(chunks, stand.voices.decoding[stand.voice])[0]


def check(stand: Stand) -> Table:
    """Words that were left out or said twice, found by alignment."""
    listener, speech = Listener(stand), [one for one in stand.teacher_speech if len(one.words) > 3]
    learnt, tested = speech[::2], speech[1::2]
    if not tested:
        raise SystemExit("two sentences of more than three words are needed: raise --limit")
    surely: Callable[[Spoken, Tensor], FloatArray] = listener.by_aligner
    if stand.options.layout == "prefix":
        best = heads_of(listener, learnt)[0]
        listener.head, surely = (best.layer, best.head), listener.by_attention
    threshold = float(np.quantile(np.concatenate([surely(one, one.digits) for one in learnt]), FALSE_ALARMS))
    said = np.concatenate([surely(one, one.digits) for one in track(tested, "listening", console=CONSOLE)])
    rows = [Row("said once", {"flagged": 100 * float((said < threshold).mean()), "words": float(len(said))})]
    ours = np.concatenate([surely(one, streamed(stand, one)) for one in track(tested, "streamed", console=CONSOLE)])
    rows.append(Row("streamed by us", {"flagged": 100 * float((ours < threshold).mean()), "words": float(len(ours))}))
    for label, twice in (("left out", False), ("said twice", True)):
        flagged = []
        for one in track(tested, label, console=CONSOLE):
            for word in range(1, len(one.words) - 1, 3):
                near = surely(one, damaged(one, word, twice=twice))[max(0, word - 1) : word + 2]
                flagged.append(bool((near < threshold).any()))
        rows.append(Row(label, {"flagged": 100 * float(np.mean(flagged)), "words": float(len(flagged))}))
    by = "the best attention head" if stand.options.layout == "prefix" else "the aligner"
    notes = [
        f"judged by {by}; streamed: 3 words a chunk, look-ahead 1",
        f"the limit lets {100 * FALSE_ALARMS:.0f}% of the words pass as false alarms on half of the speech, the table is the other "
        "half; a word is found where it or a neighbour is flagged, so by chance three times the first row",
    ]
    title = (check.__doc__ or "").rstrip(".")
    return Table("check", title, stand.options.layout, stand.voice, rows, notes)

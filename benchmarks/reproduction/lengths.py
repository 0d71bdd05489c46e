"""How well lengths are predicted, and what wrong ones cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from instruments.machine import CONSOLE
from rich.progress import track
from torch import Tensor

from reproduction.decoding import shipped
from reproduction.layouts import Canvas
from reproduction.results import Row, Table
from reproduction.stand import Sentence, Spoken, Stand
from voiceagent.model.lm import planning
from voiceagent.model.lm.script import PhonemeChunk, Script
from voiceagent.training import teachers

LOOKAHEAD = 1


def errors(label: str, pairs: Iterable[tuple[float, float]]) -> Row:
    """A line of the table from (predicted, true) seconds."""
    predicted, true = torch.tensor(list(pairs)).double().unbind(1)
    off = predicted - true
    figures = {
        "mae_s": float(off.abs().mean()),
        "relative": 100 * float((off.abs() / true).mean()),
        "bias": 100 * float(off.sum() / true.sum()),
        "stretches": float(len(true)),
    }
    return Row(label, figures)


def word_ends_s(canvas: Canvas) -> list[float]:
    """When each word of a canvas ends; the last is followed by the silence at the end, which counts to it."""
    ends = canvas.durations_s.cumsum(0).tolist()
    last = {owner: end for owner, end in zip(canvas.owners, ends, strict=True) if owner >= 0}
    return [*(last[word] for word in sorted(last)[:-1]), ends[-1]]


def in_chunks(stand: Stand, spoken: Spoken, words: int) -> list[tuple[float, float]]:
    """(predicted, true) seconds of every chunk of so many words, as a stream plans them."""
    true, state, pairs = word_ends_s(spoken.canvas), Script(), []
    for at in range(0, len(spoken.words), words):
        stop = min(at + words, len(spoken.words))
        chunk, ahead = spoken.words[at:stop], spoken.words[stop : stop + LOOKAHEAD]
        begin_s = state.clock_s
        planned = PhonemeChunk(chunk, ahead, final=stop == len(spoken.words))
        _, state = planning.plan_chunk(stand.voices.model, state, planned, stand.row)
        pairs.append((state.clock_s - begin_s, true[stop - 1] - (true[at - 1] if at else 0.0)))
    return pairs


def durations(stand: Stand) -> Table:
    """Predicted lengths against the teacher's."""
    spoken = [one for one in stand.teacher_speech if len(word_ends_s(one.canvas)) == len(one.words)]
    whole = [(float(stand.plan(one).durations_s.sum()), float(one.canvas.durations_s.sum())) for one in spoken]
    rows = [errors("a sentence", whole)]
    rows += [
        errors(f"{n} words, look-ahead {LOOKAHEAD}", [pair for one in spoken for pair in in_chunks(stand, one, n)])
        for n in (3, 6)
    ]
    again = teachers.TEACHERS[stand.voice](seed=1)
    readings = [
        (float(stand.speak_as(again, one.key, one.text, " ".join(one.words)).canvas.durations_s.sum()), true)
        for one, (_, true) in zip(track(spoken, "the teacher speaks again", console=CONSOLE), whole, strict=True)
    ]
    rows.append(errors("the teacher, read again (what nobody can predict)", readings))
    notes = [
        "sentences that are no part of training, spoken by the teacher at its own rate, silence trimmed as in the corpus"
    ]
    return Table("durations", "Predicted lengths against the teacher's", stand.options.layout, stand.voice, rows, notes)


def length(stand: Stand) -> Table:
    """Word error rate with predicted, true and wrong lengths."""
    speak = shipped(stand)
    true: dict[str, list[Canvas]] = {}
    for spoken in stand.teacher_speech:
        true.setdefault(spoken.key.rpartition(".")[0], []).append(spoken.canvas)

    def joined(canvases: list[Canvas]) -> tuple[Tensor, int]:
        made = [speak(canvas) for canvas in canvases]
        return torch.cat([tokens for tokens, _ in made]), sum(passes for _, passes in made)

    def stretched(by: float) -> Callable[[Sentence], Canvas]:
        return lambda sentence: stand.plan(sentence).stretched(by)

    rows = [
        stand.speak("predicted", speak, stand.plan),
        stand.speak("the teacher's durations", joined, lambda sentence: true[sentence.key]),
    ]
    rows += [stand.speak(f"predicted, times {by:g}", speak, stretched(by)) for by in (0.8, 0.9, 1.1, 1.2)]
    notes = ["blocks of 16, shipped options; all durations of a text are stretched alike"]
    title = (length.__doc__ or "").rstrip(".")
    return Table("length", title, stand.options.layout, stand.voice, rows, notes)

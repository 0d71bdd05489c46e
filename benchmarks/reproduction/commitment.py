"""In which order masked diffusion commits the positions of an utterance: the paper sees a wave from left to right."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from instruments.machine import CONSOLE
from rich.progress import track
from torch import Tensor

from reproduction.layouts import Canvas, Layout, margin, whole
from reproduction.results import Row, Table, mean_and_error
from reproduction.stand import Stand
from voiceagent.model.decode.infill import Confidence
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.reference import propose
from voiceagent.model.lm.aligner import SILENT

STEPS = 32
BINS = 24  # places of an utterance in the heat map


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """When each token of an utterance was committed, and which are silent."""

    steps: npt.NDArray[np.int64]  # (T,)
    silent: npt.NDArray[np.bool_]  # (T,)

    def rank_correlation(self) -> float:
        """Spearman's, of position and step: 1 is strictly from left to right, 0 is no order."""
        return spearman(np.arange(len(self.steps)), self.steps)

    def left_first(self) -> float:
        """Of neighbours committed in different steps, the share in which the left one came first."""
        change = np.diff(self.steps)
        return float((change > 0).sum() / max(1, (change != 0).sum()))


def spearman(first: npt.NDArray[np.generic], second: npt.NDArray[np.generic]) -> float:
    """Rank correlation; equal values share a rank. 0.0 where one of them is constant."""
    a, b = ranks(first), ranks(second)
    if not a.std() or not b.std():
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def ranks(values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """Rank of every value, the mean of its places where it occurs several times."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    places: npt.NDArray[np.float64] = (ends - (counts - 1) / 2)[index]
    return places


def observe(layout: Layout, canvas: Canvas, options: DecodingOptions, confidence: Confidence) -> Order:
    """Decode an utterance as a whole and note the step of every token."""
    steps = torch.zeros(canvas.tokens, dtype=torch.long)

    def note(step: int, chosen: Tensor) -> None:
        steps[chosen] = step

    whole(layout, canvas, options, confidence, note)
    return Order(steps.numpy(), silent_tokens(canvas))


def silent_tokens(canvas: Canvas) -> npt.NDArray[np.bool_]:
    """Tokens (T,) in whose middle a gap, a boundary or a punctuation mark lies."""
    silent: npt.NDArray[np.bool_] = np.isin(np.asarray(canvas.symbols)[canvas.sounding()], sorted(SILENT))
    return silent


def heat(orders: list[Order]) -> list[list[float]]:
    """Share of the tokens at each place of an utterance that each step commits, (BINS, STEPS); lengths are scaled."""
    counts = np.zeros((BINS, STEPS))
    for order in orders:
        place = np.arange(len(order.steps)) * BINS // len(order.steps)
        np.add.at(counts, (place, order.steps), 1 / len(order.steps))
    shares: list[list[float]] = (counts / counts.sum(1, keepdims=True)).round(5).tolist()
    return shares


def row_of(label: str, orders: list[Order]) -> Row:
    """A line of the table."""
    rank, error = mean_and_error(order.rank_correlation() for order in orders)
    steps, silent = (np.concatenate([getattr(order, name) for order in orders]) for name in ("steps", "silent"))
    figures = {"rank": rank, "rank_error": error}
    figures["left_first"] = 100 * mean_and_error(order.left_first() for order in orders)[0]
    for name, which in (("silent_step", silent), ("sounding_step", ~silent)):
        if which.any():
            figures[name] = 100 * float(steps[which].mean()) / (STEPS - 1)
    return Row(label, figures)


def order(stand: Stand) -> Table:
    """The order in which positions are committed."""
    plain = DecodingOptions(steps=STEPS, tau=1.0, alpha=0.0)
    ways: list[tuple[str, DecodingOptions, Confidence]] = [
        ("margin (LLaDA-TTS)", plain, margin),
        ("log p - log prior (ours)", plain, propose),
        ("log p", replace(plain, prior=0.0), propose),
    ]
    rows, maps = [], {}
    canvases = [stand.plan(sentence) for sentence in stand.sentences]
    for name, options, confidence in ways:
        seen = [observe(stand.layout, canvas, options, confidence) for canvas in track(canvases, name, console=CONSOLE)]
        rows.append(row_of(name, seen))
        maps[name] = heat(seen)
    notes = [
        f"whole utterance, {STEPS} steps, as many tokens in each, greedy, {len(canvases)} sentences; of the "
        "steps 0% is the first and 100% the last"
    ]
    title = (order.__doc__ or "").rstrip(".")
    return Table("order", title, stand.options.layout, stand.voice, rows, notes, {"heat": maps})

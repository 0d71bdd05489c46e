"""Theorem 1 of the paper, measured: what future tokens add to the prediction of a token when the past is known.

Epsilon is the gain of all of the future over the past alone, in nats of cross entropy. The theorem says that the KL of the causal
predictor to the bidirectional one is at most that; for exact predictors both are the same conditional information.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from instruments.machine import CONSOLE
from rich.progress import track
from torch import Tensor

from reproduction.layouts import Predictor
from reproduction.results import Row, Table, mean_and_error
from reproduction.stand import Stand

DISTANCES = (1, 2, 4, 8, 16)
POSITIONS = 6  # of each sentence
LONGEST = 320  # tokens, what the models were trained to see at once


@dataclass(frozen=True, slots=True)
class View:
    """What is known of the speech when a token is predicted: so many tokens before it and after it; None is all of them."""

    past: int | None
    future: int | None

    def masked(self, tokens: int, position: int) -> Tensor:
        """Which of `tokens` are hidden, (tokens,); the one at `position` always is."""
        at = torch.arange(tokens) - position
        before = at < 0 if self.past is None else (at < 0) & (at >= -self.past)
        after = at > 0 if self.future is None else (at > 0) & (at <= self.future)
        return ~(before | after)


CAUSAL, BOTH, NEITHER = View(None, 0), View(None, None), View(0, 0)
FUTURES = (CAUSAL, *(View(None, d) for d in DISTANCES), BOTH)
PASTS = (NEITHER, *(View(d, 0) for d in DISTANCES), CAUSAL)
VIEWS = tuple(dict.fromkeys(FUTURES + PASTS))


def log_probabilities(logits: Tensor, levels: Sequence[int]) -> list[Tensor]:
    """Logits (N, codes) -> log probabilities (N, levels[d]) of every digit."""
    return [part.log_softmax(-1) for part in logits.split(tuple(levels), -1)]


def question(predict: Predictor, levels: Sequence[int], digits: Tensor, position: int) -> tuple[Tensor, Tensor]:
    """Ask for the token at `position` of (T, D) in every view -> cross entropies and KL from the view of both sides, (views,).

    Digits are predicted independently of each other, so both are sums over them. Nats.
    """
    masked = torch.stack([view.masked(len(digits), position) for view in VIEWS])
    with torch.inference_mode():
        logits = predict(digits.expand(len(VIEWS), -1, -1), masked)[:, position]
    both = VIEWS.index(BOTH)
    entropy, divergence = torch.zeros(len(VIEWS)), torch.zeros(len(VIEWS))
    for d, log_p in enumerate(log_probabilities(logits, levels)):
        entropy -= log_p[:, digits[position, d]]
        divergence += (log_p[both].exp() * (log_p[both] - log_p)).sum(-1)
    return entropy, divergence


def asked(stand: Stand) -> tuple[Tensor, Tensor]:
    """Cross entropy and KL by sentence and view, (sentences, views) each, of the teacher's speech on sentences of no training."""
    generator = torch.Generator().manual_seed(0)
    edge, entropies, divergences = max(DISTANCES), [], []
    for spoken in track(stand.teacher_speech, "asking for tokens", console=CONSOLE):
        count = len(spoken.digits)
        if not 2 * edge + POSITIONS < count <= LONGEST:
            continue
        predict = stand.layout.predictor(spoken.canvas)
        at = edge + torch.randperm(count - 2 * edge, generator=generator)[:POSITIONS]
        found = [question(predict, stand.layout.model.config.levels, spoken.digits, int(i)) for i in at]
        entropies.append(torch.stack([entropy for entropy, _ in found]).mean(0))
        divergences.append(torch.stack([divergence for _, divergence in found]).mean(0))
    if not entropies:
        raise SystemExit(f"no sentence of the teacher has {2 * edge + POSITIONS} to {LONGEST} tokens: raise --limit")
    return torch.stack(entropies), torch.stack(divergences)


def rows_of(entropies: Tensor, divergences: Tensor) -> list[Row]:
    """The table from cross entropies and KLs (sentences, views)."""

    def row(label: str, view: View, base: View) -> Row:
        column = VIEWS.index(view)
        figures: dict[str, float] = {}
        figures["nats"], figures["nats_error"] = mean_and_error(entropies[:, column].tolist())
        if view != base:
            gained = entropies[:, VIEWS.index(base)] - entropies[:, column]
            figures["gain"], figures["gain_error"] = mean_and_error(gained.tolist())
        if view.past is None and view != BOTH:
            figures["kl"], figures["kl_error"] = mean_and_error(divergences[:, column].tolist())
        return Row(label, figures)

    rows = [row("all of the past (causal)", CAUSAL, CAUSAL)]
    rows += [row(f"all of the past and {d} of the future", View(None, d), CAUSAL) for d in DISTANCES]
    rows.append(row("all of the past and all of the future: gain is epsilon", BOTH, CAUSAL))
    rows.append(row("text alone", NEITHER, NEITHER))
    rows += [row(f"{d} of the past, nothing of the future", View(d, 0), NEITHER) for d in DISTANCES]
    return [*rows, row("all of the past, against text alone", CAUSAL, NEITHER)]


def dependence(stand: Stand) -> Table:
    """What neighbours add to the prediction of a token, by distance (Theorem 1)."""
    entropies, divergences = asked(stand)
    rows = rows_of(entropies, divergences)
    by_distance = [*DISTANCES, LONGEST]
    data = {
        "distances": by_distance,
        "future": [row.figures["gain"] for row in rows[1 : 2 + len(DISTANCES)]],
        "past": [row.figures["gain"] for row in rows[3 + len(DISTANCES) :]],
        "epsilon": rows[1 + len(DISTANCES)].figures["gain"],
        "kl": rows[0].figures["kl"],
    }
    notes = [
        f"teacher's speech as tokens, {len(entropies)} sentences that are no part of training, {POSITIONS} positions in each; "
        "text and durations are known in every row",
        "KL: from the prediction that sees both sides to the row's, of the same model",
    ]
    title = (dependence.__doc__ or "").rstrip(".")
    return Table("dependence", title, stand.options.layout, stand.voice, rows, notes, data)

"""Which phoneme sounds when: speech tokens -> log probabilities a phoneme, and the best path of a text through them.

For speech that was not made here; the voices know their own times. Editing needs it, and refuses a transcript that does
not fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from voiceagent.model.codec.constants import TOKEN_RATE_HZ
from voiceagent.model.codec.layers import ContextBlock, FrameStack
from voiceagent.model.config import LABELS_PER_TOKEN
from voiceagent.model.symbols import BOUNDARY, ENGLISH, GAP, PUNCTUATION, SYMBOLS

LABEL_S = 1 / (TOKEN_RATE_HZ * LABELS_PER_TOKEN)
SKIPPABLE = frozenset(SYMBOLS.index(symbol) for symbol in PUNCTUATION | {BOUNDARY, GAP, "ˈ", "ˌ"})
SILENT = frozenset(SYMBOLS.index(symbol) for symbol in PUNCTUATION | {BOUNDARY, GAP})

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AlignerConfig:
    """Shape of the aligner."""

    digits: int = 6
    width: int = 128
    blocks: int = 3
    symbols: int = ENGLISH  # of the alphabet that it tells apart, the first ones


class Aligner(nn.Module):
    """A classifier of phonemes on quantised speech tokens, two labels a token."""

    def __init__(self, config: AlignerConfig) -> None:
        super().__init__()
        self.config = config
        self.into = nn.Linear(config.digits, config.width)
        self.mix = FrameStack(
            *(ContextBlock(config.width, 2 * config.width, left=1, right=1) for _ in range(config.blocks))
        )
        self.norm = nn.RMSNorm(config.width, eps=1e-6)
        self.out = nn.Linear(config.width, LABELS_PER_TOKEN * config.symbols)

    def forward(self, values: Tensor) -> Tensor:
        """Quantised values (B, T, 6) -> logits (B, T * 2, symbols)."""
        x, _ = self.mix(self.into(values))
        logits: Tensor = self.out(self.norm(x)).unflatten(2, (LABELS_PER_TOKEN, -1))
        return logits.flatten(1, 2)

    @torch.no_grad()
    def log_probabilities(self, values: Tensor) -> FloatArray:
        """Quantised values (1, T, 6) -> (T * 2, symbols). All silent symbols share one probability: silence sounds
        alike.
        """
        log_p = self(values)[0].float().log_softmax(-1)
        silent = sorted(SILENT)
        log_p[:, silent] = log_p[:, silent].logsumexp(-1, keepdim=True)
        shared: FloatArray = log_p.numpy()
        return shared


def best_path(log_p: FloatArray, symbols: list[int]) -> npt.NDArray[np.int64]:
    """The most probable monotonic path (Viterbi): labels (L, symbols), a text of P symbols -> labels spent on each
    symbol (P,).

    Sounding phonemes get at least one label; stress marks, punctuation and gaps may get none.

    Raises:
        ValueError: there are more sounding phonemes than labels.
    """
    labels, count = len(log_p), len(symbols)
    emit = log_p[:, symbols]  # (L, P)
    skip = np.asarray([symbol in SKIPPABLE for symbol in symbols])
    if labels < int((~skip).sum()):
        raise ValueError(f"{int((~skip).sum())} sounding phonemes do not fit into {labels * LABEL_S:.2f} s")
    # entering[p]: the symbols between the last one with labels and p, all of them skipped
    reach = [[p - 1] for p in range(count)]
    for p in range(count):
        q = p - 1
        while q >= 0 and skip[q]:
            q -= 1
            reach[p].append(q)
    score = np.full(count, -np.inf, np.float32)
    for p in range(count):
        if p == 0 or skip[:p].all():
            score[p] = emit[0, p]
    came = np.zeros((labels, count), np.int32)
    came[0] = -1
    width = max(len(r) for r in reach)
    from_ = np.full((count, width), -1, np.int64)
    for p, r in enumerate(reach):
        from_[p, : len(r)] = r
    own = np.arange(count)
    for t in range(1, labels):
        before = np.where(from_ >= 0, score[from_], -np.inf)  # (P, width)
        best = before.argmax(1)
        entered = before[own, best]
        stays = score >= entered
        came[t] = np.where(stays, own, from_[own, best])
        score = np.where(stays, score, entered) + emit[t]
    ends = [p for p in range(count) if skip[p + 1 :].all()]
    at = max(ends, key=lambda p: score[p])
    spent = np.zeros(count, np.int64)
    for t in range(labels - 1, -1, -1):
        spent[at] += 1
        at = int(came[t, at]) if t else at
    return spent


def agreement(log_p: FloatArray, symbols: list[int], spent: npt.NDArray[np.int64]) -> FloatArray:
    """How well each symbol fits where it lies (P,): mean log probability minus the best symbol's; nan where it has no
    label.
    """
    best = log_p.max(1)
    fit = np.full(len(symbols), np.nan, np.float32)
    start = 0
    for p, n in enumerate(spent.tolist()):
        if n:
            here = slice(start, start + n)
            fit[p] = float((log_p[here, symbols[p]] - best[here]).mean())
        start += n
    return fit

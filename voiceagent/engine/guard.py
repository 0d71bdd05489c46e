"""Was said what was asked? A cheap look at each block of tokens before it becomes sound.

The plan says which phoneme every 20 ms of a block is, the aligner says which it sounds like. Where several in a row
sound like others, the block is doubtful, and is decoded again while it is still here. It knows nothing of streams,
threads or sound.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.interface import Listen
from voiceagent.model.runtime_values import RuntimeArray
from voiceagent.model.symbols import BOUNDARY, GAP, INDEX, PUNCTUATION

Tokens = npt.NDArray[np.int64]  # (n, 6)

CONTEXT = 3  # tokens before the block that the aligner hears with it
SLACK = 2  # labels of 20 ms that a phoneme may lie beside where it was planned
WORST = 8.0  # nats that a label may count at most
WINDOW = 8  # labels in a row whose mean is the doubt: 160 ms, about two phonemes
DOUBTFUL = 2.0  # 1% of blocks of held-back sentences, 99% of blocks that are laid beside other text
ATTEMPTS = 2  # further ones
TEMPERATURE = 0.5

_SILENT = sorted(INDEX[symbol] for symbol in PUNCTUATION | {BOUNDARY, GAP})


class Guard:
    """Rates blocks; the same block gets the same rating in any company.

    Args:
        listen: what tokens sound like.
    """

    def __init__(self, listen: Listen) -> None:
        self._listen = listen

    def doubt(self, digits: RuntimeArray, before: Tokens | None, labels: RuntimeArray) -> float:
        """How far a block sounds from what was planned, in nats; 0 is as planned, more than DOUBTFUL is doubtful.

        Args:
            digits: tokens of the block, (n, 6).
            before: the last tokens before it, (m, 6), m up to CONTEXT, or None.
            labels: the phonemes that were planned, (n, 2) indices of symbols.
        """
        mine: Tokens = np.asarray(digits)
        planned = np.asarray(labels).ravel()
        heard = mine if before is None else np.concatenate((before, mine))
        logits = self._listen(heard)[-len(planned) :]
        if not np.isfinite(logits).all():
            return WORST
        log_p = logits - _log_sum(logits)  # (L, symbols)
        log_p[:, _SILENT] = _log_sum(log_p[:, _SILENT])  # silence sounds alike
        if planned.max(initial=0) >= log_p.shape[1]:
            return 0.0  # of a language that the aligner has not learnt
        fits = log_p[:, planned]  # (L, L) label by planned place
        place = np.arange(len(planned))
        fits = np.where(np.abs(place[:, None] - place) > SLACK, -np.inf, fits).max(1)
        misfit = np.clip(log_p.max(1) - fits, 0, WORST)
        window = min(WINDOW, len(misfit))
        return float(np.lib.stride_tricks.sliding_window_view(misfit, window).mean(1).max())


def _log_sum(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Log of the sum of exp over the last axis, which stays."""
    largest = x.max(-1, keepdims=True)
    summed: npt.NDArray[np.float32] = largest + np.log(np.exp(x - largest).sum(-1, keepdims=True))
    return summed


def latest(before: Tokens | None, digits: RuntimeArray) -> Tokens:
    """The last tokens of a stream, up to CONTEXT, of those before and those of a block."""
    mine: Tokens = np.asarray(digits)
    return (mine if before is None else np.concatenate((before, mine)))[-CONTEXT:]


def again(options: DecodingOptions) -> DecodingOptions:
    """How a doubtful block is decoded again, with another seed: more steps, and tokens that are drawn.

    Of five ways this brought the doubt down furthest (42 blocks of held-back sentences, best of two attempts); more
    steps alone choose nearly the same tokens.
    """
    return replace(options, steps=2 * options.steps, temperature=max(options.temperature, TEMPERATURE))

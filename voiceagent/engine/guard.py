"""Was said what was asked? A cheap look at each block of tokens before it becomes sound.

The plan says which phoneme every 20 ms of a block is, the aligner says which it sounds like. Where several in a row sound like
others, the block is doubtful, and is decoded again while it is still here. It knows nothing of streams, threads or sound.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from voiceagent.model.codec.quantizer import FiniteScalarQuantizer
from voiceagent.model.decode.reference import DecodingOptions
from voiceagent.model.lm.aligner import Aligner
from voiceagent.model.lm.language_model import LABELS_PER_TOKEN
from voiceagent.model.symbols import BOUNDARY, GAP, INDEX, PUNCTUATION

CONTEXT = 3  # tokens before the block that the aligner hears with it
SLACK = 2  # labels of 20 ms that a phoneme may lie beside where it was planned
WORST = 8.0  # nats that a label may count at most
WINDOW = 8  # labels in a row whose mean is the doubt: 160 ms, about two phonemes
DOUBTFUL = 2.0  # 1% of blocks of held-back sentences, 99% of blocks that are laid beside other text
ATTEMPTS = 2  # further ones
TEMPERATURE = 0.5

_SILENT = sorted(INDEX[symbol] for symbol in PUNCTUATION | {BOUNDARY, GAP})


class Guard:
    """Rates blocks; the same block gets the same rating in any company."""

    def __init__(self, aligner: Aligner, quantizer: FiniteScalarQuantizer) -> None:
        self._aligner, self._quantizer = aligner, quantizer

    @torch.inference_mode()
    def doubt(self, digits: Tensor, before: Tensor, labels: Tensor) -> float:
        """How far a block sounds from what was planned, in nats; 0 is as planned, more than DOUBTFUL is doubtful.

        Args:
            digits: tokens of the block, (n, 6).
            before: the last tokens before it, (m, 6), m up to CONTEXT.
            labels: the phonemes that were planned, (n, 2) indices of symbols.
        """
        values = self._quantizer.values(torch.cat((before, digits)))[None]
        log_p = self._aligner(values)[0, len(before) * LABELS_PER_TOKEN :].float().log_softmax(-1)  # (L, symbols)
        log_p[:, _SILENT] = log_p[:, _SILENT].logsumexp(-1, keepdim=True)  # silence sounds alike
        planned = labels.flatten()
        fits = log_p[:, planned]  # (L, L) label by planned place
        place = torch.arange(len(planned))
        fits = fits.masked_fill((place[:, None] - place).abs() > SLACK, -torch.inf).amax(1)
        misfit = (log_p.amax(1) - fits).clamp(0, WORST)
        if not torch.isfinite(misfit).all():
            return WORST
        window = min(WINDOW, len(misfit))
        return float(misfit.unfold(0, window, 1).mean(1).max())


def again(options: DecodingOptions) -> DecodingOptions:
    """How a doubtful block is decoded again, with another seed: more steps, and tokens that are drawn.

    Of five ways this brought the doubt down furthest (42 blocks of held-back sentences, best of two attempts); more steps alone
    choose nearly the same tokens.
    """
    return replace(options, steps=2 * options.steps, temperature=max(options.temperature, TEMPERATURE))

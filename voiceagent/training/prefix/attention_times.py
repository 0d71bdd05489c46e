"""When each word sounds, read off an attention head that follows the text, where no durations were predicted.

In the prefix layout some heads turn monotonic by themselves, as LLaDA-TTS (arXiv 2603.26364) found of its own: which, and how
exactly they follow, is measured (docs/results/paper.md). `prefix.attention_maps` has their attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from voiceagent.model.codec.constants import TOKEN_RATE_HZ
from voiceagent.model.lm.script import word_times

FloatArray: TypeAlias = npt.NDArray[np.float64]
FASTEST = 3  # phonemes that a path may go forward in a token


def monotonic_path(attention: FloatArray) -> npt.NDArray[np.int64]:
    """Attention (T, P) -> the phoneme at every token (T,): the best path that never goes back.

    It ends at most `FASTEST` phonemes before the end of the text.

    Raises:
        ValueError: there are too few tokens to reach it.
    """
    tokens, phonemes = attention.shape
    if not tokens or phonemes > FASTEST * (tokens + 1) + 1:
        raise ValueError(f"{phonemes} phonemes do not fit into {tokens} tokens")
    log_a = np.log(attention + 1e-6)
    score = np.full((tokens, phonemes), -np.inf)
    came = np.zeros((tokens, phonemes), np.int64)
    score[0, : FASTEST + 1] = log_a[0, : FASTEST + 1]
    for t in range(1, tokens):
        moves = np.stack([np.pad(score[t - 1], (m, 0), constant_values=-np.inf)[:phonemes] for m in range(FASTEST + 1)])
        came[t] = moves.argmax(0)
        score[t] = moves.max(0) + log_a[t]
    path = np.zeros(tokens, np.int64)
    path[-1] = phonemes - 1 - int(np.argmax(score[-1, ::-1][: FASTEST + 1]))
    for t in range(tokens - 1, 0, -1):
        path[t - 1] = path[t] - came[t, path[t]]
    return path


def onsets_s(path: npt.NDArray[np.int64], phonemes: int) -> FloatArray:
    """When each phoneme begins (P,): the first token at which the path has reached it."""
    reached: FloatArray = np.searchsorted(path, np.arange(phonemes)).astype(np.float64) / TOKEN_RATE_HZ
    return reached


def word_times_s(
    attention: FloatArray, symbols: Sequence[int], owners: Sequence[int], words: int
) -> tuple[tuple[float, float], ...]:
    """Attention (T, P), the phonemes and the word of each (-1: none) -> start and end of each word's sound in seconds."""
    tokens, phonemes = attention.shape
    starts = onsets_s(monotonic_path(attention), phonemes)
    return word_times(symbols, owners, starts.tolist(), [*starts[1:].tolist(), tokens / TOKEN_RATE_HZ], words)

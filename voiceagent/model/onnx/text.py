"""From phonemes to the token grid by the graphs `text` and `conditioning`: model/lm/planning.py in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceagent.model.codec.constants import TOKEN_RATE_HZ
from voiceagent.model.config import LABELS_PER_TOKEN, LanguageModelConfig
from voiceagent.model.lm.script import (
    CONTEXT_PHONEMES,
    ChunkPlan,
    Rhythm,
    Script,
    expected,
    spell,
    with_silences,
    word_times,
)
from voiceagent.model.onnx.language_model import Rotary
from voiceagent.model.onnx.voices import Heard
from voiceagent.model.symbols import BOUNDARY, SYMBOLS

Floats = npt.NDArray[np.float32]

_LEAST_LOG, _MOST_LOG = -5.0, 4.0  # log durations are kept between these


class OnnxPlanner:
    """Predicts durations of words and lays them on the token grid.

    Args:
        text: the graph of phonemes to encodings and log durations.
        conditioning: the graph of what tokens say to what slots hear.
        config: of the language model.
    """

    def __init__(self, text: Any, conditioning: Any, config: LanguageModelConfig) -> None:
        self._text, self._conditioning = text, conditioning
        self._rotary = Rotary(config.text.head_dim, config.text.rope_base)

    def plan_chunk(
        self,
        script: Script,
        words: Sequence[str],
        lookahead: Sequence[str],
        heard: Heard,
        *,
        final: bool,
        speed: float = 1.0,
        pause_s: float = 0.0,
        rhythm: Rhythm | None = None,
    ) -> tuple[ChunkPlan, Script]:
        """The next words (phoneme strings) -> what their slots hear and when each sounds, and the script after them.

        The fraction of a token at the end is carried over to the next stretch; the last stretch is rounded up. `speed` scales all
        durations; `pause_s` adds silence at the end; `rhythm` is the voice's.
        """
        rhythm = rhythm or Rhythm()
        symbols, owners, ahead = spell(words, lookahead, opened=script.sentence_open, final=final)
        context = script.symbols[-CONTEXT_PHONEMES:]
        ahead = ahead or expected(symbols)
        phonemes = [*context, *symbols, *ahead]
        encodings, log_durations = self._encode(phonemes, heard["text"])
        ours = log_durations[len(context) : len(context) + len(symbols)]
        durations = (np.exp(np.clip(ours, _LEAST_LOG, _MOST_LOG)) * np.float32(0.04)).astype(np.float64) * rhythm.scale
        if words:
            durations = with_silences(symbols, durations, rhythm, follows=bool(script.symbols), final=final)
        durations /= speed
        if pause_s > 0:
            durations[-1] += pause_s
        ends = (script.clock_s + np.cumsum(durations)).tolist()
        ends_s = (*script.ends_s[-CONTEXT_PHONEMES:], *ends)
        exact = ends_s[-1] * TOKEN_RATE_HZ
        last = max(script.tokens, int(exact + 0.999) if final else int(exact))
        first_start = script.ends_s[-CONTEXT_PHONEMES - 1] if len(script.ends_s) > CONTEXT_PHONEMES else 0.0
        said, index = _spread(encodings, ends_s, first_start, script.tokens - 1, last - script.tokens + 1)
        (conditioning,) = self._conditioning.run(None, {"said": said, "voice": heard["conditioning"]})
        times = word_times(symbols, owners, (script.clock_s, *ends[:-1]), ends, len(words))
        closes = bool(symbols) and symbols[-1] == SYMBOLS.index(BOUNDARY)
        after = Script((*context, *symbols), ends_s, last, sentence_open=not closes)
        return ChunkPlan(conditioning, times, np.array(phonemes)[index[1:]]), after

    def _encode(self, phonemes: list[int], voice: Floats) -> tuple[Floats, Floats]:
        """-> encodings (P, C), log durations (P,)."""
        places = np.arange(len(phonemes))
        cosines, sines = self._rotary(places)
        given = {"phonemes": np.array(phonemes), "voice": voice, "positions": places[None]}
        encodings, log_durations = self._text.run(None, given | {"cosines": cosines, "sines": sines})
        return encodings, log_durations


def _spread(
    encodings: Floats, ends_s: Sequence[float], first_start: float, first_token: int, tokens: int
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """The phonemes that sound at 10 and 30 ms of each token, and how far into them it is (tokens, 2 C + 4), and which these are."""
    rate = TOKEN_RATE_HZ * LABELS_PER_TOKEN
    at = (np.arange(tokens * LABELS_PER_TOKEN, dtype=np.float32) + np.float32(0.5)) / np.float32(rate)
    at += np.float32(first_token / TOKEN_RATE_HZ)
    ends = np.array(ends_s, np.float32)
    starts = np.concatenate((np.array([first_start], np.float32), ends[:-1]))
    index = np.minimum(np.searchsorted(ends, at, side="right"), len(ends) - 1)
    timing = np.stack((at - starts[index], ends[index] - at), axis=-1).clip(0, 1) * np.float32(5)
    spread = encodings[index].reshape(tokens, -1)
    return np.concatenate((spread, timing.reshape(tokens, -1)), axis=1), index.reshape(tokens, -1)

"""From phonemes to the token grid by the graphs `text` and `conditioning`: model/lm/planning.py in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceagent.model.codec.constants import TOKEN_RATE_HZ
from voiceagent.model.config import LABELS_PER_TOKEN, LanguageModelConfig
from voiceagent.model.lm.script import ChunkPlan, PhonemeChunk, Rhythm, Script
from voiceagent.model.lm.timing import Spelling, Timing
from voiceagent.model.onnx.language_model import Rotary
from voiceagent.model.onnx.voices import Heard

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
        self._known = config.symbols
        self._rotary = Rotary(config.text.head_dim, config.text.rope_base)

    def plan_chunk(
        self,
        script: Script,
        chunk: PhonemeChunk,
        heard: Heard,
        rhythm: Rhythm | None = None,
    ) -> tuple[ChunkPlan[npt.NDArray[Any]], Script]:
        """The next words -> what their slots hear and when each sounds, and the script after them.

        Args:
            script: what was planned before.
            chunk: the words.
            heard: what the graphs hear of the voice.
            rhythm: the voice's.
        """
        spelling = Spelling.of(script, chunk, self._known)
        encodings, log_durations = self._encode(spelling.heard, heard["text"])
        ours = np.clip(log_durations[spelling.own], _LEAST_LOG, _MOST_LOG)
        timing = Timing.of(script, chunk, spelling, (np.exp(ours) * np.float32(0.04)).astype(np.float64), rhythm)
        said, index = _spread(encodings, timing)
        (conditioning,) = self._conditioning.run(None, {"said": said, "voice": heard["conditioning"]})
        return ChunkPlan(conditioning, timing.word_times_s, np.array(spelling.heard)[index[1:]]), timing.after

    def _encode(self, phonemes: Sequence[int], voice: Floats) -> tuple[Floats, Floats]:
        """-> encodings (P, C), log durations (P,)."""
        places = np.arange(len(phonemes))
        cosines, sines = self._rotary(places)
        given = {"phonemes": np.array(phonemes), "voice": voice, "positions": places[None]}
        encodings, log_durations = self._text.run(None, given | {"cosines": cosines, "sines": sines})
        return encodings, log_durations


def _spread(encodings: Floats, timing: Timing) -> tuple[Floats, npt.NDArray[np.int64]]:
    """The phonemes that sound at 10 and 30 ms of each token, and how far into them it is (tokens, 2 C + 4), and which
    these are.
    """
    tokens = timing.tokens
    rate = TOKEN_RATE_HZ * LABELS_PER_TOKEN
    at = (np.arange(tokens * LABELS_PER_TOKEN, dtype=np.float32) + np.float32(0.5)) / np.float32(rate)
    at += np.float32(timing.first_token / TOKEN_RATE_HZ)
    ends = np.array(timing.ends_s, np.float32)
    starts = np.concatenate((np.array([timing.first_start_s], np.float32), ends[:-1]))
    index = np.minimum(np.searchsorted(ends, at, side="right"), len(ends) - 1)
    distances = np.stack((at - starts[index], ends[index] - at), axis=-1).clip(0, 1) * np.float32(5)
    spread = encodings[index].reshape(tokens, -1)
    return np.concatenate((spread, distances.reshape(tokens, -1)), axis=1), index.reshape(tokens, -1)

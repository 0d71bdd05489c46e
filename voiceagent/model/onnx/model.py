"""The voices in ONNX Runtime, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceagent.audio.formats import Samples
from voiceagent.model.config import VoicesConfig
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.interface import LONGEST_BLOCK, Listen
from voiceagent.model.lm.script import ChunkPlan, PhonemeChunk, Script
from voiceagent.model.onnx.codec import DecoderState, OnnxCodec, Part
from voiceagent.model.onnx.graphs import Loaded
from voiceagent.model.onnx.language_model import OnnxDecoder
from voiceagent.model.onnx.text import OnnxPlanner
from voiceagent.model.onnx.voices import Heard
from voiceagent.model.voices import VoiceSpace

KNOWN_VOICES = 256  # blends whose vectors are kept


class OnnxModel:
    """A `SpeechModel` for processors.

    Args:
        config: of the voices.
        loaded: graphs and tables of the same voices.
    """

    def __init__(self, config: VoicesConfig, loaded: Loaded) -> None:
        self._config, self._tables = config, loaded.voices
        self._heard = lru_cache(KNOWN_VOICES)(self._hear)
        self.decoder = OnnxDecoder(
            loaded.sessions["speech"],
            config.language_model,
            loaded.embeddings,
            loaded.log_prior,
            longest=LONGEST_BLOCK,
        )
        self._planner = OnnxPlanner(loaded.sessions["text"], loaded.sessions["conditioning"], config.language_model)
        self._aligner = loaded.sessions.get("aligner")
        self._codec = OnnxCodec(loaded.sessions["decoder"], config.codec)

    @property
    def space(self) -> VoiceSpace:
        return self._config.space

    @property
    def listen(self) -> Listen | None:
        return None if self._aligner is None else self._listen

    def _listen(self, digits: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        assert self._aligner is not None
        (logits,) = self._aligner.run(None, {"values": self._codec.values(digits)[None]})
        made: npt.NDArray[np.float32] = logits[0]
        return made

    def options(self, voice: str) -> DecodingOptions:
        return self._config.options(voice)

    def plan_chunk(self, script: Script, chunk: PhonemeChunk, voice: str) -> tuple[ChunkPlan[npt.NDArray[Any]], Script]:
        return self._planner.plan_chunk(script, chunk, self._heard(voice), self._config.rhythms.get(voice))

    def render(self, parts: Sequence[Part]) -> list[tuple[Samples, DecoderState]]:
        return self._codec.render(parts, [self._heard(part.voice) for part in parts])

    def _hear(self, voice: str) -> Heard:
        """What each graph hears of a voice or a blend."""
        vector = self.space.vector(voice)
        return {name: table(vector) for name, table in self._tables.items()}

    def use_threads(self, threads: int) -> None:
        """Decided when the graphs were loaded."""

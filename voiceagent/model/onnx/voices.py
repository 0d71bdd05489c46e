"""What the graphs hear of a voice: `VoiceTable` in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceagent.model.config import CodecConfig, LanguageModelConfig

Floats = npt.NDArray[np.float32]
Heard = Mapping[str, Floats]  # (1, C) by graph: text, conditioning, decoder, frames


@dataclass(frozen=True, slots=True)
class HeardVoice:
    """A table of voices: rows, and a matrix of styles.

    With `any_voice` there is one row more, which speaks as far as the rows do not.
    """

    rows: Floats  # (rows, C)
    styles: Floats  # (style_width, C)
    any_voice: bool = False

    def __call__(self, vector: Floats) -> Floats:
        """A voice (rows + style_width,) -> (1, C)."""
        count = len(self.rows) - self.any_voice
        shares = vector[:count]
        if self.any_voice:
            shares = np.concatenate((shares, 1 - shares.sum(keepdims=True)))
        heard: Floats = (shares[:, None] * self.rows).sum(0) + (vector[count:, None] * self.styles).sum(0)
        return heard[None]


@dataclass(frozen=True, slots=True)
class StyleAlone:
    """A table without rows: what of a vector is style is heard."""

    styles: Floats  # (style_width, C)

    def __call__(self, vector: Floats) -> Floats:
        """A voice (rows + style_width,) -> (1, C)."""
        style = vector[len(vector) - len(self.styles) :]
        heard: Floats = (style[:, None] * self.styles).sum(0)
        return heard[None]


def tables_of(
    language_model: Mapping[str, npt.NDArray[Any]],
    codec: Mapping[str, npt.NDArray[Any]],
    config: LanguageModelConfig,
    codec_config: CodecConfig,
) -> dict[str, HeardVoice | StyleAlone]:
    """The tables of all graphs, of the tensors of both files."""

    def styles(tensors: Mapping[str, npt.NDArray[Any]], name: str, width: int) -> Floats:
        if not config.style_width:
            return np.zeros((0, width), np.float32)
        return tensors[f"{name}.style"].astype(np.float32)

    def table(tensors: Mapping[str, npt.NDArray[Any]], name: str, *, any_voice: bool = False) -> HeardVoice:
        rows = tensors[f"{name}.weight"].astype(np.float32)
        return HeardVoice(rows, styles(tensors, name, rows.shape[1]), any_voice)

    return {
        "text": table(language_model, "text.voice"),
        "conditioning": table(language_model, "voice"),
        "decoder": table(codec, "decoder.voice", any_voice=True),
        "frames": StyleAlone(styles(codec, "decoder.frame_voice", codec_config.frame_width)),
    }

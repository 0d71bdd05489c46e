"""From checkpoints to the folder of voices that ships: `voiceagent train export`."""

from __future__ import annotations

from pathlib import Path

import torch

from voiceagent.model.codec import Codec, CodecConfig
from voiceagent.model.decoding import DecodingOptions
from voiceagent.model.language_model import LanguageModelConfig, SpeechLanguageModel
from voiceagent.model.weights import Voices, save


def codec_of(checkpoint: Path) -> Codec:
    """The averaged codec of a checkpoint."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=False)
    codec = Codec(CodecConfig(**saved["config"]))
    codec.load_state_dict(saved["average"])
    return codec.eval().requires_grad_(False)


def language_model_of(checkpoint: Path, config: LanguageModelConfig) -> SpeechLanguageModel:
    """The averaged language model of a checkpoint."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=False)
    model = SpeechLanguageModel(config)
    model.load_state_dict(saved["average"])
    return model.eval().requires_grad_(False)


def export(codec: Path, language_model: Path, out: Path, decoding: dict[str, DecodingOptions]) -> None:
    """Write `voice.toml` and the tensors of both checkpoints in half precision."""
    config = LanguageModelConfig()
    save(out, Voices(codec_of(codec), language_model_of(language_model, config), decoding))

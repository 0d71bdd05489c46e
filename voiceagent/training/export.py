"""From checkpoints to the folder of voices that ships, and back: `voiceagent train export`, `voiceagent train unpack`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch

from voiceagent.model.codec.codec import Codec
from voiceagent.model.config import CodecConfig, LanguageModelConfig, TransformerConfig
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.lm.aligner import Aligner, AlignerConfig
from voiceagent.model.lm.language_model import SpeechLanguageModel
from voiceagent.model.symbols import SYMBOLS
from voiceagent.model.weights import Voices, load, save, save_aligner
from voiceagent.training.codec import PhonemeProbe
from voiceagent.training.optim import save as save_checkpoint
from voiceagent.training.prefix.layout import PrefixLanguageModel


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


def prefix_model_of(checkpoint: Path) -> PrefixLanguageModel:
    """The averaged language model of a checkpoint of the layout with the text in the sequence."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=False)
    shape = saved["config"]
    transformers = {name: TransformerConfig(**shape[name]) for name in ("speech", "text")}
    model = PrefixLanguageModel(LanguageModelConfig(**(shape | transformers)))
    model.load_state_dict(saved["average"])
    return model.eval().requires_grad_(False)


def export(codec: Path, language_model: Path, out: Path, decoding: dict[str, DecodingOptions]) -> None:
    """Write `voice.toml` and the tensors of both checkpoints in half precision."""
    config = LanguageModelConfig()
    save(out, Voices(codec_of(codec), language_model_of(language_model, config), decoding))


def export_aligner(checkpoint: Path, out: Path) -> None:
    """Write the averaged aligner beside the voices."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=False)
    aligner = Aligner(AlignerConfig(**saved["config"]))
    aligner.load_state_dict(saved["average"])
    save_aligner(out, aligner)


def unpack(voices: Path, runs: Path) -> None:
    """Make checkpoints of a folder of voices, so that training goes on from them; optimisers and schedule begin afresh."""
    loaded = load(voices)
    probe = PhonemeProbe(len(loaded.codec.config.levels), len(SYMBOLS))
    begin: dict[str, object] = {"optimizers": [], "step": 0, "seconds": 0.0}
    codec, model = loaded.codec.state_dict(), loaded.model.state_dict()
    codec_checkpoint = begin | {
        "config": asdict(loaded.codec.config), "codec": codec, "average": codec, "probe": probe.state_dict()
    }  # fmt: skip
    save_checkpoint(runs / "codec" / "last.pt", lambda: codec_checkpoint)
    model_checkpoint = begin | {"config": asdict(loaded.model.config), "model": model, "average": model}
    save_checkpoint(runs / "lm" / "last.pt", lambda: model_checkpoint)

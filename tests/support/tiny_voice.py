"""A tiny voice with random weights: real shapes, real code, no training."""

from __future__ import annotations

import torch

from voiceagent.model.codec.codec import Codec
from voiceagent.model.codec.layers import ContextBlock
from voiceagent.model.config import CodecConfig, LanguageModelConfig, TransformerConfig
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.lm.language_model import SpeechLanguageModel
from voiceagent.model.voice_table import VoiceTable
from voiceagent.model.voices import VoiceCard
from voiceagent.model.weights import Voices
from voiceagent.training.prefix.layout import PrefixLanguageModel

SHAPE = TransformerConfig(width=32, layers=2, heads=4, kv_heads=2, ffn=48)


def tiny_codec(style_width: int = 0) -> Codec:
    """A codec whose blocks are not the identity that they start as."""
    shape = CodecConfig(
        encoder_frame_width=16, encoder_width=24, token_width=24, frame_width=16, style_width=style_width
    )
    codec = Codec(shape)
    for module in codec.modules():
        if isinstance(module, ContextBlock):
            torch.nn.init.normal_(module.down.weight, std=0.1)
    torch.nn.init.constant_(codec.decoder.pitch.bias, 0.3)  # voiced
    return codec.eval().requires_grad_(False)


def tiny_model(style_width: int = 0) -> SpeechLanguageModel:
    """A language model over the full alphabet of tokens."""
    shape = LanguageModelConfig(speech=SHAPE, text=SHAPE, style_width=style_width)
    return SpeechLanguageModel(shape).eval().requires_grad_(False)


def tiny_prefix() -> PrefixLanguageModel:
    """The same with the text in the sequence."""
    return PrefixLanguageModel(LanguageModelConfig(speech=SHAPE, text=SHAPE)).eval().requires_grad_(False)


def attentive_prefix() -> PrefixLanguageModel:
    """The same, always with the same weights, and so that what is attended to matters."""
    torch.manual_seed(0)
    made = tiny_prefix()
    for name, weight in made.named_parameters():
        if "o_proj" in name or "mix.down" in name:
            torch.nn.init.normal_(weight, std=0.3)
    return made


def tiny_voices(seed: int = 0) -> Voices:
    """Both, as they are read from disk."""
    torch.manual_seed(seed)
    codec, model = tiny_codec(), tiny_model()
    return Voices(codec, model, {voice: DecodingOptions(steps=3) for voice in model.config.voices})


def styled_voices(style_width: int = 4) -> Voices:
    """The same with two voices that are a style each, and networks that hear it."""
    torch.manual_seed(0)
    codec, model = tiny_codec(style_width), tiny_model(style_width)
    for module in (*codec.modules(), *model.modules()):
        if isinstance(module, VoiceTable) and module.style is not None:
            torch.nn.init.normal_(module.style)
    about = {"language": "English (US)", "sex": "female"}
    cards = tuple(
        VoiceCard(name, torch.randn(style_width).half().float().numpy(), about) for name in ("af_bella", "af_sky")
    )
    return Voices(codec, model, {}, cards)

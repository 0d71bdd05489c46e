"""Shapes of the voices' models, and the `voice.toml` that holds them. No tensor library is needed to read it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from voiceagent.errors import ModelError
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.lm.script import Rhythm
from voiceagent.model.symbols import ENGLISH
from voiceagent.model.voices import VoiceCard, VoiceSpace, load_card

LABELS_PER_TOKEN = 2  # a token of 40 ms may speak of two phonemes: one at 10 ms, one at 30 ms
TIMING_FEATURES = 2 * LABELS_PER_TOKEN
STOCK = "stock"  # the folder of voices that are a style each
SHIPPED = Path(__file__).resolve().parent.parent / "voices"


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """Shape of a stack of blocks."""

    width: int = 320
    layers: int = 6
    heads: int = 5
    kv_heads: int = 1
    ffn: int = 768
    rope_base: float = 10_000.0

    @property
    def head_dim(self) -> int:
        """Channels of a head."""
        return self.width // self.heads


@dataclass(frozen=True, slots=True)
class LanguageModelConfig:
    """Shape of the language model."""

    levels: tuple[int, ...] = (8, 8, 8, 5, 5, 5)
    voices: tuple[str, ...] = ("heart", "joe")
    speech: TransformerConfig = field(default_factory=TransformerConfig)
    text: TransformerConfig = field(default_factory=lambda: TransformerConfig(layers=2))
    context_tokens: int = 320  # left context, 12.8 s
    style_width: int = 0  # numbers in a style; 0: the voices are rows alone
    symbols: int = ENGLISH  # of the alphabet that it has learnt, the first ones


@dataclass(frozen=True, slots=True)
class CodecConfig:
    """Sizes of encoder and decoder."""

    levels: tuple[int, ...] = (8, 8, 8, 5, 5, 5)
    mels: int = 100
    encoder_frame_width: int = 192
    encoder_width: int = 320
    token_width: int = 320
    frame_width: int = 256
    voices: tuple[str, ...] = ("heart", "joe")
    frame_dilations: tuple[int, ...] = (1, 2, 4, 1, 2)
    token_left: tuple[int, ...] = field(default=(2, 2, 2, 2))
    token_right: tuple[int, ...] = field(default=(1, 1, 0, 0))
    style_width: int = 0  # numbers in a style; 0: the voices are rows alone


@dataclass(frozen=True, slots=True)
class VoicesConfig:
    """All of `voice.toml`."""

    codec: CodecConfig
    language_model: LanguageModelConfig
    decoding: dict[str, DecodingOptions]  # by voice
    cards: tuple[VoiceCard, ...] = ()  # voices that are a style each
    rhythms: dict[str, Rhythm] = field(default_factory=dict)  # by voice; one that is missing is as it was learnt
    space: VoiceSpace = field(init=False)

    def __post_init__(self) -> None:
        config = self.language_model
        object.__setattr__(self, "space", VoiceSpace.of(config.voices, config.style_width, self.cards))

    def options(self, voice: str) -> DecodingOptions:
        """How a voice or a blend is decoded."""
        return self.decoding.get(voice) or DecodingOptions()


def read_config(folder: Path | None = None) -> VoicesConfig:
    """Read `voice.toml` of a folder, by default of the voices that ship.

    Raises:
        ModelError: it is missing, cannot be read, or lacks something.
    """
    folder = folder or SHIPPED
    tables = _read(folder)
    try:
        codec = CodecConfig(**_known(CodecConfig, tables["codec"]))
        lm = dict(tables["language_model"])
        speech = TransformerConfig(**_known(TransformerConfig, lm.pop("speech")))
        text = TransformerConfig(**_known(TransformerConfig, lm.pop("text")))
        config = LanguageModelConfig(**_known(LanguageModelConfig, lm), speech=speech, text=text)
        decoding = {
            voice: DecodingOptions(**_known(DecodingOptions, values))
            for voice, values in tables.get("decoding", {}).items()
        }
        rhythms = {voice: Rhythm(**_known(Rhythm, values)) for voice, values in tables.get("rhythm", {}).items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder / 'voice.toml'} lacks {error}: restore the file, or reinstall voiceagent") from error
    if (codec.voices, codec.style_width) != (config.voices, config.style_width):
        raise ModelError(
            f"{folder / 'voice.toml'}: codec and language_model differ in their voices or style_width: "
            "both must come from one training run"
        )
    options = {voice: decoding.get(voice, DecodingOptions()) for voice in config.voices}
    return VoicesConfig(codec, config, options, _cards(folder, config.style_width), rhythms)


def _cards(folder: Path, style_width: int) -> tuple[VoiceCard, ...]:
    """The voices that are a style each; weights that know no styles have none."""
    files = sorted((folder / STOCK).glob("*.safetensors")) if style_width else []
    return tuple(load_card(file, style_width) for file in files)


def _read(folder: Path) -> dict[str, dict[str, Any]]:
    file = folder / "voice.toml"
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            f"no voice.toml in {folder}: point --weights at a folder of voices, or reinstall voiceagent"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ModelError(f"{file} cannot be read ({error}): restore the file, or reinstall voiceagent") from error


# What a file holds is of any type; a wrong one shows where it is used.
def _known(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """The values of a table as keyword arguments; an unknown key is an error that lists the valid ones."""
    names = {field.name for field in fields(kind)}
    if unknown := set(values) - names:
        raise ModelError(f"voice.toml: unknown keys {sorted(unknown)} in {kind.__name__}; valid keys: {sorted(names)}")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}

"""Voices on disk: a folder with `voice.toml`, `codec.safetensors`, `language_model.safetensors`, and a file a voice in
`stock`.

`voice.toml` holds the shapes and the decoding options; the tensors are stored in half precision and computed with in
float32.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from voiceagent.errors import InputError, ModelError
from voiceagent.model.codec.codec import Codec
from voiceagent.model.config import STOCK, read_config
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.lm.aligner import Aligner, AlignerConfig
from voiceagent.model.lm.language_model import SpeechLanguageModel
from voiceagent.model.lm.script import Rhythm
from voiceagent.model.voices import VoiceCard, VoiceSpace, save_card

SHIPPED = Path(__file__).resolve().parent.parent / "voices"


@dataclass(frozen=True, slots=True)
class Voices:
    """Everything that text needs to become sound."""

    codec: Codec
    model: SpeechLanguageModel
    decoding: dict[str, DecodingOptions]  # by voice
    cards: tuple[VoiceCard, ...] = ()  # voices that are a style each
    rhythms: dict[str, Rhythm] = field(default_factory=dict)  # by voice; one that is missing is as it was learnt
    space: VoiceSpace = field(init=False)

    def __post_init__(self) -> None:
        config = self.model.config
        object.__setattr__(self, "space", VoiceSpace.of(config.voices, config.style_width, self.cards))

    @property
    def names(self) -> tuple[str, ...]:
        """The voices that have a name; blends of them are voices too."""
        return self.space.names

    def options(self, voice: str) -> DecodingOptions:
        """How a voice or a blend is decoded."""
        return self.decoding.get(voice) or DecodingOptions()


def _toml(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)


def _table(name: str, values: object) -> str:
    pairs = asdict(values).items()  # type: ignore[call-overload]  # any dataclass
    return "\n".join(
        [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in pairs if not isinstance(value, dict)), ""]
    )


def save(folder: Path, voices: Voices) -> None:
    """Write the folder that `load` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, module in (("codec", voices.codec), ("language_model", voices.model)):
        tensors = {key: tensor.to(torch.float16).contiguous() for key, tensor in module.state_dict().items()}
        save_file(tensors, folder / f"{name}.safetensors")
        (folder / f"{name}.safetensors").chmod(0o644)
    config = voices.model.config
    tables = [
        _table("codec", voices.codec.config),
        _table("language_model", config),
        _table("language_model.speech", config.speech),
        _table("language_model.text", config.text),
        *(_table(f"decoding.{voice}", options) for voice, options in voices.decoding.items()),
        *(_table(f"rhythm.{voice}", rhythm) for voice, rhythm in voices.rhythms.items()),
    ]
    (folder / "voice.toml").write_text("\n".join(tables), encoding="utf-8")
    for card in voices.cards:
        save_card(folder / STOCK, card)


def save_aligner(folder: Path, aligner: Aligner) -> None:
    """Write the aligner beside the voices whose tokens it knows."""
    tensors = {key: tensor.to(torch.float16).contiguous() for key, tensor in aligner.state_dict().items()}
    save_file(tensors, folder / "aligner.safetensors")
    (folder / "aligner.safetensors").chmod(0o644)


def load_aligner(folder: Path | None = None) -> Aligner:
    """Read the aligner of a folder of voices.

    Raises:
        ModelError: there is none, or it is cut short.
    """
    aligner = Aligner(AlignerConfig())
    _fill(aligner, (folder or SHIPPED) / "aligner.safetensors")
    return aligner


def find_aligner(folder: Path | None = None) -> Aligner | None:
    """The aligner of a folder of voices, or None where there is none.

    Raises:
        ModelError: it is cut short.
    """
    return load_aligner(folder) if ((folder or SHIPPED) / "aligner.safetensors").exists() else None


def _fill(module: nn.Module, file: Path) -> None:
    """Load the tensors of a file into a module."""
    try:
        tensors = {name: tensor.float() for name, tensor in load_file(file).items()}
        module.load_state_dict(tensors)
    except FileNotFoundError as error:
        raise ModelError(f"{file} is missing: reinstall voiceagent, or train it with `voiceagent train`") from error
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{file} is cut short or damaged ({error}): restore the file, or reinstall voiceagent"
        ) from error
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{file} does not fit voice.toml ({reason}): both must come from one training run") from error
    module.eval().requires_grad_(False)


def load(folder: Path | None = None, *, device: str = "cpu") -> Voices:
    """Read the voices of a folder, by default those that ship.

    Raises:
        ModelError: a file is missing, cut short, or does not fit the others.
        InputError: there is no such device here.
    """
    if device not in ("cpu", "cuda"):
        raise InputError(f"unknown device {device!r}: choose cpu or cuda, or leave it out")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "device cuda was asked for, but torch finds no GPU: "
            "install a driver and a CUDA build of torch, or choose cpu"
        )
    folder = folder or SHIPPED
    config = read_config(folder)
    codec, model = Codec(config.codec), SpeechLanguageModel(config.language_model)
    _fill(codec, folder / "codec.safetensors")
    _fill(model, folder / "language_model.safetensors")
    return Voices(codec.to(device), model.to(device), config.decoding, config.cards, config.rhythms)


def voice_vector(voices: Voices, voice: str) -> Tensor:
    """A voice's name, or a blend as "0.6*heart + 0.4*joe" -> its vector (V,).

    Raises:
        UnknownVoice: there is none of that name.
        InputError: it is neither a name nor a blend.
    """
    return torch.from_numpy(voices.space.vector(voice))

"""A voice as a vector: one number for each voice that has a row of its own in the weights, then its style.

Rows are how the first two voices were trained. A style is a point in a space that many voices share, so that a voice is
a file of a few hundred bytes and a blend is a weighted mean: "0.6*af_bella + 0.4*bm_george".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from voiceagent.errors import ModelError, UnknownVoice
from voiceagent.options import parse_blend


@dataclass(frozen=True, slots=True)
class VoiceCard:
    """A voice that is not a row of the weights: where it lies in the style space, and what a list of voices says of
    it.
    """

    name: str
    style: npt.NDArray[np.float32]  # (style_width,)
    about: Mapping[str, str] = field(default_factory=dict)  # language, sex, description, licence

    def line(self) -> str:
        """Its line in a list: the name, then what is known."""
        known = [self.about[key] for key in ("language", "sex", "description") if self.about.get(key)]
        return "  ".join([self.name, ", ".join(known)]).rstrip()


def save_card(folder: Path, card: VoiceCard) -> Path:
    """Write `NAME.safetensors`, a few hundred bytes; what is known of the voice is in the header."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{card.name}.safetensors"
    save_file({"style": np.ascontiguousarray(card.style, np.float16)}, path, metadata=dict(card.about))
    path.chmod(0o644)
    return path


def load_card(path: Path, style_width: int) -> VoiceCard:
    """Read a voice's file.

    Raises:
        ModelError: it is damaged, or belongs to other weights.
    """
    try:
        with safe_open(path, "numpy") as file:
            style, about = file.get_tensor("style").astype(np.float32), file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is no voice that can be read ({error}): restore the file, or remove it") from error
    if style.shape != (style_width,) or not np.isfinite(style).all():
        raise ModelError(
            f"{path} holds a style of shape {style.shape}, the weights want {style_width} finite numbers: "
            "the voice was made for other weights; make it again, or remove it"
        )
    return VoiceCard(path.stem, style, about)


@dataclass(frozen=True, slots=True)
class VoiceSpace:
    """All voices that some weights can speak with."""

    rows: tuple[str, ...]
    style_width: int = 0
    cards: Mapping[str, VoiceCard] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: tuple[str, ...], style_width: int, cards: Iterable[VoiceCard] = ()) -> VoiceSpace:
        """A space with these cards; a card does not hide a row of its name."""
        return cls(rows, style_width, {card.name: card for card in cards if card.name not in rows})

    @property
    def names(self) -> tuple[str, ...]:
        """Every voice that has a name."""
        return (*self.rows, *self.cards)

    @property
    def width(self) -> int:
        """Numbers in a voice's vector."""
        return len(self.rows) + self.style_width

    def vector(self, voice: str) -> npt.NDArray[np.float32]:
        """A name or a blend -> (width,).

        Raises:
            UnknownVoice: there is none of that name.
            InputError: it is neither a name nor a blend.
        """
        made = np.zeros(self.width, np.float32)
        for name, share in parse_blend(voice).items() if voice not in self.names else ((voice, 1.0),):
            if name in self.rows:
                made[self.rows.index(name)] += share
            elif name in self.cards:
                made[len(self.rows) :] += np.float32(share) * self.cards[name].style
            else:
                raise UnknownVoice(name, self.names)
        return made

"""A voice as a vector: one number for each voice that has a row of its own in the weights, then its style.

Rows are how the first two voices were trained. A style is a point in a space that many voices share, so that a voice is a file of a
few hundred bytes and a blend is a weighted mean: "0.6*af_bella + 0.4*bm_george".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from voiceagent.errors import ModelError, UnknownVoice
from voiceagent.options import parse_blend


@dataclass(frozen=True, slots=True)
class VoiceCard:
    """A voice that is not a row of the weights: where it lies in the style space, and what a list of voices says of it."""

    name: str
    style: Tensor  # (style_width,)
    about: Mapping[str, str] = field(default_factory=dict)  # language, sex, description, licence

    def line(self) -> str:
        """Its line in a list: the name, then what is known."""
        known = [self.about[key] for key in ("language", "sex", "description") if self.about.get(key)]
        return "  ".join([self.name, ", ".join(known)]).rstrip()


def save_card(folder: Path, card: VoiceCard) -> Path:
    """Write `NAME.safetensors`, a few hundred bytes; what is known of the voice is in the header."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{card.name}.safetensors"
    save_file({"style": card.style.to(torch.float16).contiguous()}, path, metadata=dict(card.about))
    path.chmod(0o644)
    return path


def load_card(path: Path, style_width: int) -> VoiceCard:
    """Read a voice's file.

    Raises:
        ModelError: it is damaged, or belongs to other weights.
    """
    try:
        with safe_open(path, "pt") as file:
            style, about = file.get_tensor("style").float(), file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is no voice that can be read ({error}): restore the file, or remove it") from error
    if style.shape != (style_width,) or not torch.isfinite(style).all():
        raise ModelError(
            f"{path} holds a style of shape {tuple(style.shape)}, the weights want {style_width} finite numbers: "
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

    def vector(self, voice: str) -> Tensor:
        """A name or a blend -> (width,).

        Raises:
            UnknownVoice: there is none of that name.
            InputError: it is neither a name nor a blend.
        """
        made = torch.zeros(self.width)
        for name, share in parse_blend(voice).items() if voice not in self.names else ((voice, 1.0),):
            if name in self.rows:
                made[self.rows.index(name)] += share
            elif name in self.cards:
                made[len(self.rows) :] += share * self.cards[name].style
            else:
                raise UnknownVoice(name, self.names)
        return made


class VoiceTable(nn.Module):
    """What a network hears of a voice: its rows, and its style through a matrix that starts at zero.

    With `any_voice` there is one row more, which speaks as far as the rows do not: for a voice that is all style, wholly.
    """

    def __init__(self, rows: int, style_width: int, width: int, *, any_voice: bool = False) -> None:
        super().__init__()
        self.rows, self.style_width, self.any_voice = rows, style_width, any_voice
        self.weight = nn.Parameter(torch.randn(rows + any_voice, width))
        self.style = nn.Parameter(torch.zeros(style_width, width)) if style_width else None

    def forward(self, voice: Tensor) -> Tensor:
        """Rows (B,) int64, or vectors (B, rows + style_width) -> (B, width).

        Summed element by element: the bits of a product would depend on how many streams share it.
        """
        if not voice.is_floating_point():
            return self.weight[voice]
        shares = voice[:, : self.rows]
        if self.any_voice:
            shares = torch.cat((shares, 1 - shares.sum(1, keepdim=True)), dim=1)
        heard = (shares[..., None] * self.weight).sum(1)
        if self.style is not None:
            heard = heard + (voice[:, self.rows :, None] * self.style).sum(1)
        return heard

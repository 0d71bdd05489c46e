"""`voiceagent voices`: who can speak."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

SHIPPED = {"heart": "English (US), female", "joe": "English (US), male"}


def voice_lines(weights: Path | None) -> Iterator[str]:
    """A line a voice, its name first.

    Raises:
        ModelError: the weights, or a voice's file, cannot be read.
    """
    from voiceagent.model.config import read_config

    space = read_config(weights).space
    for name in space.rows:
        yield f"{name}  {SHIPPED.get(name, '')}".rstrip()
    for card in space.cards.values():
        yield card.line()

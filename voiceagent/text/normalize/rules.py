"""The rules of normalisation in the order they apply."""

from __future__ import annotations

from typing import Final

from voiceagent.text.normalize import calendar, codes, figures, money, net, places, science, signed, time, words
from voiceagent.text.normalize.rule import Rule

__all__ = ["ABBREVIATED", "ALWAYS_AFTER", "ALWAYS_BEFORE", "NET", "WITH_FIGURES"]

# Words that mean something else before a full stop.
ABBREVIATED: Final = words.ABBREVIATED | time.ABBREVIATED
NET: Final[tuple[Rule, ...]] = places.RULES + codes.RULES + net.RULES + codes.LAST
ALWAYS_BEFORE: Final[tuple[Rule, ...]] = words.BEFORE
WITH_FIGURES: Final[tuple[Rule, ...]] = (
    science.RULES + signed.RULES + calendar.RULES + time.RULES + money.RULES + figures.RULES + science.LAST
)
ALWAYS_AFTER: Final[tuple[Rule, ...]] = words.AFTER

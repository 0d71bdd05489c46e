"""The rules of normalisation in the order they apply."""

from __future__ import annotations

from typing import Final

from voiceagent.text import rules_figures, rules_money, rules_net, rules_time, rules_words
from voiceagent.text.rule import Rule

__all__ = ["ABBREVIATED", "ALWAYS_AFTER", "ALWAYS_BEFORE", "NET", "WITH_FIGURES"]

# Words that mean something else before a full stop.
ABBREVIATED: Final = rules_words.ABBREVIATED | rules_time.ABBREVIATED
NET: Final[tuple[Rule, ...]] = rules_net.RULES
ALWAYS_BEFORE: Final[tuple[Rule, ...]] = rules_words.BEFORE
WITH_FIGURES: Final[tuple[Rule, ...]] = rules_time.RULES + rules_money.RULES + rules_figures.RULES
ALWAYS_AFTER: Final[tuple[Rule, ...]] = rules_words.AFTER

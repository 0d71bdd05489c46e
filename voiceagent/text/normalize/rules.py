"""The rules of normalisation in the order they apply."""

from __future__ import annotations

from typing import Final

from voiceagent.text.normalize import (
    figures as rules_figures,
)
from voiceagent.text.normalize import (
    money as rules_money,
)
from voiceagent.text.normalize import (
    net as rules_net,
)
from voiceagent.text.normalize import (
    time as rules_time,
)
from voiceagent.text.normalize import (
    words as rules_words,
)
from voiceagent.text.normalize.rule import Rule

__all__ = ["ABBREVIATED", "ALWAYS_AFTER", "ALWAYS_BEFORE", "NET", "WITH_FIGURES"]

# Words that mean something else before a full stop.
ABBREVIATED: Final = rules_words.ABBREVIATED | rules_time.ABBREVIATED
NET: Final[tuple[Rule, ...]] = rules_net.RULES
ALWAYS_BEFORE: Final[tuple[Rule, ...]] = rules_words.BEFORE
WITH_FIGURES: Final[tuple[Rule, ...]] = rules_time.RULES + rules_money.RULES + rules_figures.RULES
ALWAYS_AFTER: Final[tuple[Rule, ...]] = rules_words.AFTER

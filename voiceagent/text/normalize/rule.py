"""What a rule of normalisation is."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

__all__ = ["LETTER_A", "Rule"]

# The letter A by its name: a rule that writes it says that this is not the article. Private use, so no text has it.
LETTER_A: Final = "\ue000"

# A pattern, and what a match of it is spoken as: None leaves the match alone. Patterns take linear time: every repetition in
# them is bounded or cannot overlap what follows it.
Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], "str | None"]]

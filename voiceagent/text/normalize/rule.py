"""What a rule of normalisation is."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["Rule"]

# A pattern, and what a match of it is spoken as: None leaves the match alone. Patterns take linear time: every repetition in
# them is bounded or cannot overlap what follows it.
Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], "str | None"]]

"""The rules of normalisation in the order they apply."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

__all__ = ["RULES", "Rule"]

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], "str | None"]]

RULES: Final[tuple[Rule, ...]] = ()

"""Units of measure as they are spoken."""

from __future__ import annotations

from typing import Final

from voiceagent.text.tables import read_table

__all__ = ["UNITS"]

# symbol -> (one, many)
UNITS: Final = {symbol: (one, many) for symbol, one, many in read_table(__package__, "units.tsv")}

"""What text may wait for before it is spoken."""

from __future__ import annotations

from typing import Literal, TypeAlias

BufferingName: TypeAlias = Literal["none", "low", "auto", "safe", "whole", "sentence"]
"""docs/native-protocol.md says what each of them waits for."""

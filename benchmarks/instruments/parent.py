"""The autoregressive parent as a peer: the same weights, kernels and rings with blocks of one token, a captured pass for each.

Causal by construction. Its slots never hold a mask, so no pass is made twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from instruments.machine import show
from voiceagent.model.decode.options import DecodingOptions

ONE_BY_ONE = DecodingOptions(steps=1, prior=0.0)
KEYS = ("block_ms", "parent_block_ms")


def beside(figures: Sequence[dict[str, Any]], parent: Sequence[dict[str, Any]], tokens: int) -> list[dict[str, Any]]:
    """For each number of rows: milliseconds for so many tokens of each, and streams that the throughput is enough for."""
    return [
        {
            "rows": ours["rows"],
            "block_ms": ours["ms_per_block"],
            "parent_block_ms": None if theirs["ms_per_block"] is None else round(tokens * theirs["tick_ms"]["p50"], 2),
            "streams_possible": ours["streams_possible"],
            "parent_streams_possible": theirs["streams_possible"],
        }
        for ours, theirs in zip(figures, parent, strict=True)
    ]


def streams_within(found: Sequence[dict[str, Any]], key: str, budget_ms: float) -> int:
    """The most rows measured whose tokens took no longer."""
    return max((one["rows"] for one in found if one[key] is not None and one[key] <= budget_ms), default=0)


def show_parent(found: Sequence[dict[str, Any]]) -> None:
    """How long a block takes at how many rows, and how many rows there can be if it may take so long."""
    show(
        "beside the autoregressive parent on the same kernels: a block's tokens, ms; streams that the throughput is enough for",
        ["rows", "diffusion", "parent", "streams", "parent's streams"],
        [list(one.values()) for one in found],
    )
    budgets = sorted({one[key] for one in found for key in KEYS if one[key] is not None})
    show(
        "most rows measured with a block's tokens within so many ms",
        ["ms", "diffusion", "parent"],
        [[ms, *(streams_within(found, key, ms) for key in KEYS)] for ms in budgets],
    )

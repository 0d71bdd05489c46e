"""How a block is decoded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How a block is decoded.

    steps: forward passes a block. tau: how late the schedule commits, r(s) = tau s / (1 + (tau - 1) s). alpha: share of
    the open tokens that a step commits at least, growing linearly; blocks then finish early. prior: weight of the log
    prior that is taken from the confidence. noise: Gumbel noise on positions.
    """

    steps: int = 4
    tau: float = 0.5
    alpha: float = 0.5
    temperature: float = 0.0
    prior: float = 1.0
    noise: float = 0.0


def commit_counts(tokens: int, options: DecodingOptions) -> list[int]:
    """How many tokens each step commits; the last one commits what is left, steps that would commit nothing are
    dropped.
    """
    counts, left = [], tokens
    for step in range(1, options.steps + 1):
        share = step / options.steps
        scheduled = round(tokens * options.tau * share / (1 + (options.tau - 1) * share)) - (tokens - left)
        eager = int(left * options.alpha * share)
        count = left if step == options.steps else min(left, max(scheduled, eager))
        if count > 0:
            counts.append(count)
            left -= count
    return counts

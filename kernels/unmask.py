"""One step of unmasking for all rows in one launch: propose tokens, rate them, commit the surest.

A slot has `codes` logits z, split into digits d of LEVELS[d] levels each; g and h are Gumbel noise (gumbel.py):

    y_d = z_d + temperature * g_d            token digit k_d = argmax y_d (a sample, where temperature > 0)
    c   = sum_d (log softmax(y_d)[k_d] - weight * log_prior_d[k_d]) + noise * h

In every row the masked slots with the largest c take their token and lose their mask: as many as the row's schedule says for its
step, all of them in its last step. Where two are equally sure, the earlier slot goes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from voiceagent.kernels.checks import FLOATS, expect, expect_that
from voiceagent.kernels.compiler import jit, next_power_of_2, tl
from voiceagent.kernels.gumbel import RANK, SAMPLE, gumbel_kernel, gumbel_reference

LARGEST = 1e30
"""Logits are limited to this, so that infinities and what is not a number give tokens, too."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Where each of R rows stands. Tensors stay on the device; a row without slots, or past its last step, does nothing."""

    starts: Tensor  # (R + 1,) int32, first slot of each row; the last entry is the number of slots
    counts: Tensor  # (R, K) int32, tokens that each step commits
    step_counts: Tensor  # (R,) int32, steps of the row's block, at most K
    steps: Tensor  # (R,) int32, steps done; the launch adds one
    positions: Tensor  # (R,) int64, position of the row's first slot in its stream
    seeds: Tensor  # (R,) int64
    temperatures: Tensor  # (R,) float32
    prior_weights: Tensor  # (R,) float32
    noises: Tensor  # (R,) float32
    longest: int  # slots of the longest row, or more
    noisy: bool = True  # a temperature or a noise is not zero


@jit
def unmask_kernel(  # type: ignore[no-untyped-def]
    logits: tl.tensor,  # (N, CODES)
    log_prior: tl.tensor,  # (CODES,)
    tokens: tl.tensor,  # (N, DIGITS) int64
    masked: tl.tensor,  # (N,) uint8
    starts: tl.tensor,
    counts: tl.tensor,
    step_counts: tl.tensor,
    steps: tl.tensor,
    positions: tl.tensor,
    seeds: tl.tensor,
    temperatures: tl.tensor,
    prior_weights: tl.tensor,
    noises: tl.tensor,
    max_steps: tl.tensor,
    LEVELS: tl.constexpr,
    CODES: tl.constexpr,
    NOISY: tl.constexpr,
    LARGEST: tl.constexpr,
    SAMPLE: tl.constexpr,
    RANK: tl.constexpr,
    BLOCK_SLOTS: tl.constexpr,
    BLOCK_LEVELS: tl.constexpr,
    BLOCK_DIGITS: tl.constexpr,
):
    """One program a row."""
    row = tl.program_id(0)
    start = tl.load(starts + row)
    count = tl.load(starts + row + 1) - start
    step = tl.load(steps + row)
    last = tl.load(step_counts + row)
    if (step >= last) | (count <= 0):
        return
    slot = tl.arange(0, BLOCK_SLOTS)
    inside = slot < count
    at = start + slot
    is_open = (tl.load(masked + at, mask=inside, other=0) != 0) & inside
    weight = tl.load(prior_weights + row)
    level = tl.arange(0, BLOCK_LEVELS)
    digit_column = tl.arange(0, BLOCK_DIGITS)
    picked = tl.zeros((BLOCK_SLOTS, BLOCK_DIGITS), tl.int32)
    sure = tl.zeros((BLOCK_SLOTS,), tl.float32)
    first = 0
    for digit in tl.static_range(len(LEVELS)):
        known = level < LEVELS[digit]
        z = tl.load(
            logits + at[:, None] * CODES + first + level[None, :], mask=inside[:, None] & known[None, :], other=0.0
        )
        y = z.to(tl.float32)
        if NOISY:
            where = tl.load(positions + row) + slot
            drawn = gumbel_kernel(tl.load(seeds + row), where[:, None], step, (first + level)[None, :], SAMPLE)
            y += tl.load(temperatures + row) * drawn
        y = tl.where(y > -LARGEST, tl.minimum(y, LARGEST), -LARGEST)  # what is not a number is -LARGEST, too
        y = tl.where(known[None, :], y, float("-inf"))
        top = tl.max(y, axis=1)
        best = tl.argmax(y, axis=1)
        log_p = -tl.log(tl.sum(tl.exp(y - top[:, None]), axis=1))
        sure += log_p - weight * tl.load(log_prior + first + best)
        picked = tl.where(digit_column[None, :] == digit, best[:, None], picked)
        first += LEVELS[digit]
    if NOISY:
        where = tl.load(positions + row) + slot
        sure += tl.load(noises + row) * gumbel_kernel(tl.load(seeds + row), where, step, slot * 0, RANK)
    sure = tl.where(sure == sure, sure, float("-inf"))
    theirs, ours = sure[None, :], sure[:, None]
    ahead = (theirs > ours) | ((theirs == ours) & (slot[None, :] < slot[:, None]))
    rank = tl.sum((ahead & is_open[None, :]).to(tl.int32), axis=1)
    quota = tl.load(counts + row * max_steps + step)
    quota = tl.where(step + 1 == last, count, quota)
    chosen = is_open & (rank < quota)
    cells = at[:, None] * len(LEVELS) + digit_column[None, :]
    tl.store(tokens + cells, picked.to(tl.int64), mask=chosen[:, None] & (digit_column < len(LEVELS))[None, :])
    tl.store(masked + at, (slot * 0).to(tl.uint8), mask=chosen)
    tl.store(steps + row, step + 1)


def _check(
    logits: Tensor, log_prior: Tensor, levels: Sequence[int], tokens: Tensor, masked: Tensor, schedule: Schedule
) -> None:
    slots, rows, codes = logits.shape[0], len(schedule.steps), sum(levels)
    expect_that(bool(levels) and min(levels, default=0) > 0, f"levels {tuple(levels)} must be positive")
    expect("logits", logits, (None, codes), FLOATS, logits)
    expect("log_prior", log_prior, (codes,), (torch.float32,), logits)
    expect("tokens", tokens, (slots, len(levels)), (torch.int64,), logits)
    expect("masked", masked, (slots,), (torch.bool,), logits)
    expect("starts", schedule.starts, (rows + 1,), (torch.int32,), logits)
    expect("counts", schedule.counts, (rows, None), (torch.int32,), logits)
    for name in ("step_counts", "steps"):
        expect(name, getattr(schedule, name), (rows,), (torch.int32,), logits)
    for name in ("positions", "seeds"):
        expect(name, getattr(schedule, name), (rows,), (torch.int64,), logits)
    for name in ("temperatures", "prior_weights", "noises"):
        expect(name, getattr(schedule, name), (rows,), (torch.float32,), logits)
    if logits.device.type == "cpu" and rows:  # on a GPU these would be a wait for the device
        lengths = schedule.starts.diff()
        expect_that(int(schedule.starts[0]) == 0 and int(schedule.starts[-1]) <= slots, "starts do not fit the slots")
        expect_that(int(lengths.min()) >= 0, "starts must not fall")
        expect_that(int(lengths.max()) <= schedule.longest, f"a row is longer than longest = {schedule.longest}")
        expect_that(int(schedule.step_counts.max()) <= schedule.counts.shape[1], "counts lacks steps")


def unmask(
    logits: Tensor, log_prior: Tensor, levels: Sequence[int], tokens: Tensor, masked: Tensor, schedule: Schedule
) -> None:
    """Commit tokens of every row; `tokens`, `masked` and `schedule.steps` are changed in place, nothing waits for the device.

    Args:
        logits: (N, codes) of the open slots of all rows, one row after the other.
        log_prior: (codes,).
        levels: levels of each digit; together `codes`.
        tokens: (N, digits) int64.
        masked: (N,) bool.
        schedule: where each row stands.

    Raises:
        ValueError: shapes, types or devices do not fit together.
    """
    _check(logits, log_prior, levels, tokens, masked, schedule)
    if not len(schedule.steps) or not len(logits):
        return
    unmask_kernel[(len(schedule.steps),)](
        logits,
        log_prior,
        tokens,
        masked.view(torch.uint8),
        schedule.starts,
        schedule.counts,
        schedule.step_counts,
        schedule.steps,
        schedule.positions,
        schedule.seeds,
        schedule.temperatures,
        schedule.prior_weights,
        schedule.noises,
        schedule.counts.shape[1],
        LEVELS=tuple(levels),
        CODES=sum(levels),
        NOISY=schedule.noisy,
        LARGEST=LARGEST,
        SAMPLE=SAMPLE,
        RANK=RANK,
        BLOCK_SLOTS=next_power_of_2(schedule.longest),
        BLOCK_LEVELS=next_power_of_2(max(levels)),
        BLOCK_DIGITS=next_power_of_2(len(levels)),
    )


def unmask_reference(
    logits: Tensor, log_prior: Tensor, levels: Sequence[int], tokens: Tensor, masked: Tensor, schedule: Schedule
) -> None:
    """The same in PyTorch, row by row."""
    _check(logits, log_prior, levels, tokens, masked, schedule)
    codes = torch.arange(sum(levels), device=logits.device)
    starts = schedule.starts.tolist()
    for row, (start, stop) in enumerate(pairwise(starts)):
        step, last = int(schedule.steps[row]), int(schedule.step_counts[row])
        if step >= last or stop == start:
            continue
        y = logits[start:stop].float()
        seed, step_tensor = schedule.seeds[row], schedule.steps[row].long()
        position = schedule.positions[row] + torch.arange(stop - start, device=logits.device)
        if schedule.noisy:
            drawn = gumbel_reference(seed, position[:, None], step_tensor, codes[None], SAMPLE)
            y = y + schedule.temperatures[row] * drawn
        picked, sure = [], y.new_zeros(stop - start)
        y = torch.where(y > -LARGEST, y.clamp_max(LARGEST), -LARGEST)
        for part, prior in zip(y.split(tuple(levels), 1), log_prior.split(tuple(levels)), strict=True):
            log_p, digit = part.log_softmax(1).max(1)
            picked.append(digit)
            sure = sure + log_p - schedule.prior_weights[row] * prior[digit]
        if schedule.noisy:
            sure = sure + schedule.noises[row] * gumbel_reference(
                seed, position, step_tensor, torch.zeros_like(position), RANK
            )
        is_open = masked[start:stop]
        order = sure.nan_to_num(-torch.inf, torch.inf, -torch.inf).argsort(descending=True, stable=True)
        order = order[is_open[order]]
        chosen = order if step + 1 == last else order[: int(schedule.counts[row, step])]
        tokens[start + chosen] = torch.stack(picked, 1)[chosen]
        masked[start + chosen] = False
        schedule.steps[row] += 1

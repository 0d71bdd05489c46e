"""Rows of many streams packed into one sequence of slots, and the rings that hold what they have said.

A stream owns one ring of a pool. Slot p of the stream lies at p modulo `capacity`, so that nothing is ever moved: what is older
than the context is overwritten. Pages would bring nothing, because all streams need the same bounded room. A ring is longer than
the context by the longest row, hence the slots of a pass can be written before they are read without hitting one that is still
visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

import torch
from torch import Tensor

from voiceagent.kernels.checks import expect, expect_that


@dataclass(frozen=True, slots=True)
class RowPlace:
    """One row of a pass, as the host knows it."""

    position: int  # of the row's first slot in its stream
    pending: int  # slots of the finished block
    open: int  # slots of the block under way
    ring: int


@dataclass(frozen=True, slots=True)
class PackedRows:
    """The rows of a pass on the device, all int32; slots and rows beyond the real ones are padding, for graphs of fixed shape."""

    starts: Tensor  # (R + 1,) first slot of each row; the last entry is the number of real slots
    pending: Tensor  # (R,)
    positions: Tensor  # (R,) position of the row's first slot
    rings: Tensor  # (R,)
    slot_positions: Tensor  # (N,)
    slot_rings: Tensor  # (N,), -1 for padding
    longest: int  # slots of the longest row, or more

    @classmethod
    def of(
        cls, places: Sequence[RowPlace], device: torch.device, *, rows: int = 0, slots: int = 0, longest: int = 0
    ) -> PackedRows:
        """Rows as they come, padded to `rows` rows and `slots` slots; `longest` is the bucket that a graph was made for.

        Everything goes to the device in one copy.
        """
        lengths = [place.pending + place.open for place in places] + [0] * (rows - len(places))
        no_rows, starts = [0] * (rows - len(places)), [0, *accumulate(lengths)]
        no_slots = slots - starts[-1]
        each = [(place, i) for place in places for i in range(place.pending + place.open)]
        columns = (
            starts,
            [place.pending for place in places] + no_rows,
            [place.position for place in places] + no_rows,
            [place.ring for place in places] + no_rows,
            [place.position + i for place, i in each] + [0] * no_slots,
            [place.ring for place, _ in each] + [-1] * no_slots,
        )
        # Pointers that are multiples of 16 bytes: Triton would compile again for others.
        padded = [[*column, *[0] * (-len(column) % 4)] for column in columns]
        together = torch.tensor(list(chain.from_iterable(padded)), dtype=torch.int32).to(device, non_blocking=True)
        parts = together.split([len(column) for column in padded])
        on_device = [part[: len(column)] for part, column in zip(parts, columns, strict=True)]
        starts_at, pending, positions, rings, slot_positions, slot_rings = on_device
        most = max(longest, *lengths, 1)
        return cls(starts_at, pending, positions, rings, slot_positions, slot_rings, most)


@dataclass(frozen=True, slots=True)
class RingPool:
    """Keys and values of all streams, (layers, rings, kv_heads, capacity, head_dim) each; keys are already rotated."""

    keys: Tensor
    values: Tensor
    context: int  # slots before its row that a query sees at most

    @classmethod
    def empty(
        cls,
        *,
        layers: int,
        rings: int,
        kv_heads: int,
        head_dim: int,
        context: int,
        longest: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> RingPool:
        """Room for `rings` streams whose rows have up to `longest` slots."""
        shape = (layers, rings, kv_heads, context + longest, head_dim)
        keys, values = (torch.zeros(shape, dtype=dtype, device=device) for _ in range(2))
        return cls(keys, values, context)

    @property
    def bytes_per_stream(self) -> int:
        """What one stream takes."""
        return 2 * self.keys[:, 0].numel() * self.keys.element_size()


def check_rows(rows: PackedRows, like: Tensor) -> None:
    """Raise a ValueError where the tensors of a pass do not fit together, or are not on the device of `like`."""
    count, slots = len(rows.pending), len(rows.slot_positions)
    expect("starts", rows.starts, (count + 1,), (torch.int32,), like)
    for name in ("pending", "positions", "rings"):
        expect(name, getattr(rows, name), (count,), (torch.int32,), like)
    for name in ("slot_positions", "slot_rings"):
        expect(name, getattr(rows, name), (slots,), (torch.int32,), like)
    if like.device.type == "cpu":  # on a GPU these would be a wait for the device
        lengths = rows.starts.diff()
        expect_that(int(rows.starts[-1]) <= slots, "rows have more slots than there are")
        expect_that(bool((lengths <= rows.longest).all()), f"a row is longer than longest = {rows.longest}")
        expect_that(bool((rows.pending <= lengths).all()), "a row has more pending slots than slots")


def check_rings(keys: Tensor, values: Tensor, rows: PackedRows, context: int, head_dim: int) -> None:
    """Raise a ValueError where the rings of a layer do not fit the rows."""
    expect_that(keys.dim() == 4, f"keys have {keys.dim()} dimensions, not (rings, kv_heads, capacity, head_dim)")
    expect("keys", keys, (None, None, None, head_dim), (torch.float32, torch.bfloat16), keys)
    expect("values", values, tuple(keys.shape), (keys.dtype,), keys)
    capacity = keys.shape[2]
    expect_that(context > 0, f"context {context} must be positive")
    expect_that(
        capacity >= context + rows.longest,
        f"rings of {capacity} slots are too short for a context of {context} and rows of {rows.longest}",
    )
    if keys.device.type == "cpu":
        known = (rows.rings >= 0) & (rows.rings < len(keys))
        expect_that(bool(known.all()), f"a row's ring is not one of the {len(keys)} of the pool")
        expect_that(
            bool((rows.slot_rings < len(keys)).all()), f"a slot's ring is not one of the {len(keys)} of the pool"
        )

"""What the host tells the device about a tick: one block of memory of fixed layout, hence one copy.

The host knows everything but the tokens: how many tokens each step commits is known when a block is opened
(commit_counts), so positions, steps and places need not be kept on the device, let alone be read from there.

Places of a stream. Three parts of `longest` places each hold the tokens, masks and conditioning of its last blocks in
turn (a block under way, the one before, and the last token of the one before that). A block's tokens end where its part
ends, so that the token before a block is always the last place of the part before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import prod

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceagent.kernels.packing import PackedRows
from voiceagent.kernels.unmask import Schedule
from voiceagent.model.decode.options import DecodingOptions

PARTS = 3
ALIGNMENT_BYTES = 16  # Triton would compile again for pointers that are no multiples of it


@dataclass(frozen=True, slots=True)
class Bucket:
    """A fixed shape of ticks."""

    rows: int
    slots: int
    longest: int  # tokens of the longest block that there can be
    noisy: bool  # something is drawn

    @classmethod
    def of(cls, rows: int, slots: int, longest: int, *, noisy: bool) -> Bucket:
        """The smallest that has room.

        Rows that are empty cost a program that returns at once, so they come in powers of two. Below 256 slots reading
        weights takes longer than multiplying (an H100 makes about 300 products of bfloat16 in the time of reading one),
        so powers of two do there, too; above, eight sizes an octave waste an eighth at most.
        """
        fine = 1 << max(0, slots.bit_length() - 4) if slots > 256 else 1 << max(0, slots - 1).bit_length()
        return cls(1 << max(0, rows - 1).bit_length(), -(-slots // fine) * fine, longest, noisy)


@dataclass(frozen=True, slots=True)
class RowNow:
    """One stream's part of a tick."""

    ring: int
    number: int  # of the block under way, counted from the stream's first
    position: int  # of the block's first slot in its stream
    pending: int  # slots of the block before that are still to be stored
    counts: tuple[int, ...]  # tokens that each step of the block commits
    step: int
    options: DecodingOptions
    seed: int


@dataclass(frozen=True, slots=True)
class TickInputs:
    """Views of one block of memory. R rows, N slots, M = R * longest open slots; what is beyond the real ones is
    padding.
    """

    starts: Tensor  # (R + 1,) int32, as in PackedRows
    pending: Tensor  # (R,) int32
    positions: Tensor  # (R,) int32
    rings: Tensor  # (R,) int32
    slot_positions: Tensor  # (N,) int32
    slot_rings: Tensor  # (N,) int32
    open_starts: Tensor  # (R + 1,) int32, first open slot of each row among the open ones
    counts: Tensor  # (R, longest) int32
    step_counts: Tensor  # (R,) int32
    steps: Tensor  # (R,) int32
    here: Tensor  # (N,) int64, place of each slot's conditioning
    before: Tensor  # (N,) int64, place of the token that each slot holds
    begins: Tensor  # (N,) bool, nothing is before
    chosen: Tensor  # (M,) int64, which of the slots are open
    places: Tensor  # (M,) int64, place of the token of each open slot
    open_positions: Tensor  # (R,) int64
    seeds: Tensor  # (R,) int64
    temperatures: Tensor  # (R,) float32
    prior_weights: Tensor  # (R,) float32
    noises: Tensor  # (R,) float32

    @classmethod
    def within(cls, memory: Tensor | None, bucket: Bucket) -> tuple[TickInputs | None, int]:
        """Views of this memory (bytes,), and how many bytes it must have; without memory, the latter."""
        rows, slots, opens = bucket.rows, bucket.slots, bucket.rows * bucket.longest
        shapes = {"counts": (rows, bucket.longest), "starts": (rows + 1,), "open_starts": (rows + 1,)}
        shapes |= dict.fromkeys(("slot_positions", "slot_rings", "here", "before", "begins"), (slots,))
        shapes |= dict.fromkeys(("chosen", "places"), (opens,))
        dtypes = dict.fromkeys(("here", "before", "chosen", "places", "open_positions", "seeds"), torch.int64)
        dtypes |= dict.fromkeys(("temperatures", "prior_weights", "noises"), torch.float32) | {"begins": torch.bool}
        views, offset = {}, 0
        for name in (field.name for field in fields(cls)):
            shape, dtype = shapes.get(name, (rows,)), dtypes.get(name, torch.int32)
            size = prod(shape) * dtype.itemsize
            if memory is not None:
                views[name] = memory[offset : offset + size].view(dtype).view(shape)
            offset += -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        return (TickInputs(**views) if views else None), offset

    def packed_rows(self, bucket: Bucket) -> PackedRows:
        """For the kernels of the pass."""
        places = (self.starts, self.pending, self.positions, self.rings, self.slot_positions, self.slot_rings)
        return PackedRows(*places, longest=2 * bucket.longest)

    def schedule(self, bucket: Bucket) -> Schedule:
        """For the unmask kernel."""
        return Schedule(
            *(self.open_starts, self.counts, self.step_counts, self.steps, self.open_positions, self.seeds),
            *(self.temperatures, self.prior_weights, self.noises),
            longest=bucket.longest,
            noisy=bucket.noisy,
        )

    def fill(self, rows: Sequence[RowNow], bucket: Bucket, spare_ring: int) -> None:
        """Write the rows, on the host; padding points at the places of a ring that no stream has, and commits
        nothing.
        """
        to = {field.name: getattr(self, field.name).numpy() for field in fields(self)}
        for name, array in to.items():
            array[:] = {"slot_rings": -1, "begins": True}.get(name, 0)
        for name in ("here", "before", "places"):
            to[name][:] = place(spare_ring, 0, bucket.longest)
        count = len(rows)
        ring, number, pending, opened = (
            (
                np.array(column, dtype=np.int64)
                for column in zip(*((r.ring, r.number, r.pending, sum(r.counts)) for r in rows), strict=True)
            )
            if rows
            else (np.zeros(0, np.int64),) * 4
        )
        for name, values in (
            ("pending", pending),
            ("rings", ring),
            ("positions", [r.position - r.pending for r in rows]),
            ("open_positions", [r.position for r in rows]),
            ("step_counts", [len(r.counts) for r in rows]),
            ("steps", [r.step for r in rows]),
            ("seeds", [r.seed % 2**63 for r in rows]),
            ("temperatures", [r.options.temperature for r in rows]),
            ("prior_weights", [r.options.prior for r in rows]),
            ("noises", [r.options.noise for r in rows]),
        ):
            to[name][:count] = values
        for index, row in enumerate(rows):
            to["counts"][index, : len(row.counts)] = row.counts
        for name, lengths in (("starts", pending + opened), ("open_starts", opened)):
            to[name][1 : count + 1] = lengths.cumsum()
            to[name][count + 1 :] = lengths.sum()
        self._fill_slots(to, ring, number, pending, opened, bucket.longest)

    def _fill_slots(
        self,
        to: dict[str, npt.NDArray[np.generic]],
        ring: npt.NDArray[np.int64],
        number: npt.NDArray[np.int64],
        pending: npt.NDArray[np.int64],
        opened: npt.NDArray[np.int64],
        longest: int,
    ) -> None:
        """Where each slot of each row is, and what it reads."""
        count, lengths = len(ring), pending + opened
        total, row = lengths.sum(), np.repeat(np.arange(count), lengths)
        index = np.arange(total) - np.repeat(lengths.cumsum() - lengths, lengths)  # in its row
        is_open = index >= pending[row]
        size = np.where(is_open, opened[row], pending[row])  # of its block
        inside = index - np.where(is_open, pending[row], 0)  # in its block
        block = number[row] - ~is_open
        here = place(ring[row], block, longest) + longest - size + inside
        to["slot_positions"][:total] = to["positions"][row] + index
        to["slot_rings"][:total] = ring[row]
        to["here"][:total] = here
        to["before"][:total] = np.where(inside > 0, here - 1, place(ring[row], block - 1, longest) + longest - 1)
        to["begins"][:total] = to["slot_positions"][:total] == 0
        chosen = np.flatnonzero(is_open)
        to["chosen"][: len(chosen)] = chosen
        to["places"][: len(chosen)] = here[chosen]


def place(
    ring: npt.NDArray[np.int64] | int, block: npt.NDArray[np.int64] | int, longest: int
) -> npt.NDArray[np.int64] | int:
    """The first place of a block's part."""
    return (ring * PARTS + block % PARTS) * longest

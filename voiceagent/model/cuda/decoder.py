"""Decoding on a device that never waits for the host, nor the host for it: memory of all streams is there, a tick is
one replay.

The tokens are those of decode/reference.py (tests/model/cuda/test_decoder.py), the noise is the kernels' own
(gumbel.py). A tick reads

    what slots hold and hear  ->  pass by kernels over the rings  ->  propose, rate, commit in one launch
    ->  tokens and masks

in fixed shapes, so that it is captured once for each bucket of rows and slots. Nothing is read back: tokens stay there,
too, where the codec takes them. A stream's state is a handle on its ring with a few numbers. It is a value in form
only: the memory behind it goes on with every tick, so only the latest state of a stream may be used.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from voiceagent.errors import NoCapacity
from voiceagent.kernels.dispatch import Kernels, choose
from voiceagent.kernels.packing import RingPool
from voiceagent.model.cuda.graphs import Capture, Work, as_it_is
from voiceagent.model.cuda.kernel_model import KernelModel
from voiceagent.model.cuda.tick_inputs import PARTS, Bucket, RowNow, TickInputs, place
from voiceagent.model.decode.blocks import BlockSteps
from voiceagent.model.decode.options import DecodingOptions, commit_counts
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.runtime_values import LanguageState


class Ring:
    """A stream's place in the memory. It is free again as soon as no state or block holds it."""

    def __init__(self, free: list[int]) -> None:
        if not free:
            raise NoCapacity(
                "all rings of the device are taken: end a stream first, or make a decoder for more streams"
            )
        self.number = free.pop()
        weakref.finalize(self, free.append, self.number).atexit = False


@dataclass(frozen=True, slots=True)
class RingState(LanguageState):
    """What is known here of a stream between blocks."""

    ring: Ring
    number: int = 0  # blocks closed
    position: int = 0  # index of the slot that comes next
    pending: int = 0  # slots of the last block whose keys and values are still to be stored


@dataclass(frozen=True, slots=True)
class RingBlock(BlockSteps):
    """A block under way."""

    state: RingState
    context: int

    @property
    def load(self) -> tuple[int, int, int]:
        """What its next tick moves: pending slots, slots of its own, and slots of the ring that these see."""
        pending = self.state.pending
        return pending, sum(self.counts), min(self.context, self.state.position - pending)

    def row(self) -> RowNow:
        """Its part of a tick."""
        state = self.state
        return RowNow(
            *(state.ring.number, state.number, state.position, state.pending),
            *(self.counts, self.step, self.options, self.seed),
        )


@dataclass(frozen=True, slots=True)
class _Tick:
    """A bucket's own memory, and the work that reads it."""

    memory: Tensor  # (bytes,)
    run: Work


class DeviceDecoder:
    """Decodes blocks of up to `longest` tokens for up to `streams` streams.

    Args:
        model: its weights, which are shared, not copied.
        streams: rings that are laid out.
        longest: tokens of the longest block.
        kernels: what the pass is made of; by default what the device runs (kernels/dispatch.py).
        capture: what makes a replay of work; by default CUDA graphs, where the device has them.
    """

    rewinds = False  # the memory of a stream goes on with every tick

    def __init__(
        self,
        model: PackedModel,
        *,
        streams: int,
        longest: int,
        kernels: Kernels | None = None,
        capture: Callable[[Work], Work] | None = None,
    ) -> None:
        self.model, self.longest, self.streams = model, longest, streams
        self.kernels = kernels or choose(model.device)
        self._pinned = model.device.type == "cuda"
        self._capture = capture or (Capture() if self._pinned else as_it_is)
        self._pass = KernelModel(model, self.kernels)
        self._pool = RingPool.empty(
            layers=len(model.layers), rings=streams, kv_heads=model.kv_heads, head_dim=model.head_dim,
            context=model.config.context_tokens, longest=2 * longest, dtype=model.dtype, device=model.device,
        )  # fmt: skip
        places = (streams + 1) * PARTS * longest  # the last ring is where padding goes
        levels, width = len(model.config.levels), model.config.speech.width
        self._tokens = torch.zeros(places, levels, dtype=torch.long, device=model.device)
        self._masked = torch.zeros(places, dtype=torch.bool, device=model.device)
        self._heard = torch.zeros(places, width, device=model.device)
        self._free = list(range(streams))
        self._ticks: dict[Bucket, _Tick] = {}

    @property
    def free(self) -> int:
        """Rings that no stream has."""
        return len(self._free)

    @property
    def bytes_per_stream(self) -> int:
        """Memory of a ring and of what is kept beside it."""
        beside = self._tokens, self._masked, self._heard
        return self._pool.bytes_per_stream + sum(part[: PARTS * self.longest].nbytes for part in beside)

    def begin(self) -> RingState:
        """The state before the first token.

        Raises:
            NoCapacity: there are as many streams as there can be.
        """
        return RingState(Ring(self._free))

    @torch.inference_mode()
    def open(self, state: RingState, conditioning: Tensor, options: DecodingOptions, *, seed: int = 0) -> RingBlock:
        """A block of n masked tokens whose slots are conditioned on (n, C).

        Raises:
            ValueError: it has no tokens, or more than `longest`.
        """
        count = len(conditioning)
        if not 0 < count <= self.longest:
            raise ValueError(f"a block of {count} tokens: this decoder was made for 1 to {self.longest}")
        here = self._block(state, count)
        self._heard[here].copy_(conditioning)
        self._masked[here].fill_(True)
        counts = tuple(commit_counts(count, options))
        return RingBlock(options, seed, counts, state, self._pool.context)

    @torch.inference_mode()
    def tick(self, blocks: Sequence[RingBlock]) -> list[RingBlock]:
        """One pass for all blocks, none of which is done, each at its own step -> the blocks a step further."""
        if blocks:
            slots = sum(sum(block.load[:2]) for block in blocks)
            noisy = any(block.options.temperature > 0 or block.options.noise > 0 for block in blocks)
            bucket = Bucket.of(len(blocks), slots, self.longest, noisy=noisy)
            tick = self._ticks.get(bucket) or self._prepare(bucket)
            self._send([block.row() for block in blocks], bucket, tick.memory)
            tick.run()
        return [replace(block, state=replace(block.state, pending=0), step=block.step + 1) for block in blocks]

    @torch.inference_mode()
    def close(self, block: RingBlock) -> tuple[Tensor, RingState]:
        """A block that is done -> its tokens (n, 6), on the device, and the state for the next."""
        state, count = block.state, sum(block.counts)
        # Blocks of one token (an autoregressive model) never hold a mask: what their pass has stored is clean already.
        pending = count if self.longest > 1 else 0
        after = RingState(state.ring, state.number + 1, state.position + count, pending)
        return self._tokens[self._block(state, count)].clone(), after

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Capture the buckets of blocks of ordinary size; others are captured when they are met."""
        rows = 1
        while self._capture is not as_it_is and rows < 2 * self.streams:
            slots = rows * self.longest // 4
            while (slots := slots + 1) <= rows * 2 * self.longest:
                bucket = Bucket.of(rows, slots, self.longest, noisy=False)
                slots = bucket.slots
                _ = self._ticks.get(bucket) or self._prepare(bucket)
            rows *= 2

    def work(self, bucket: Bucket, inputs: TickInputs) -> None:
        """A tick with these inputs, which lie on the device."""
        model = self.model
        held, hidden = self._tokens.index_select(0, inputs.before), self._masked.index_select(0, inputs.before)
        embedded = torch.where(inputs.begins[:, None], model.begin_row, model.embed(held, hidden))
        slots = embedded + self._heard.index_select(0, inputs.here)
        logits = self._pass(slots, inputs.packed_rows(bucket), self._pool, inputs.chosen)
        tokens, masked = self._tokens.index_select(0, inputs.places), self._masked.index_select(0, inputs.places)
        self.kernels.unmask(logits, model.log_prior, model.config.levels, tokens, masked, inputs.schedule(bucket))
        self._tokens.index_copy_(0, inputs.places, tokens)
        self._masked.index_copy_(0, inputs.places, masked)

    def _block(self, state: RingState, count: int) -> slice:
        """The places of the tokens of the block that is or will be under way."""
        end = int(place(state.ring.number, state.number, self.longest)) + self.longest
        return slice(end - count, end)

    def _prepare(self, bucket: Bucket) -> _Tick:
        """Memory for a bucket, and its work captured; nobody's tick is done meanwhile."""
        _, size = TickInputs.within(None, bucket)
        memory = torch.zeros(size, dtype=torch.uint8, device=self.model.device)
        inputs, _ = TickInputs.within(memory, bucket)
        assert inputs is not None
        self._send([], bucket, memory)
        self._ticks[bucket] = _Tick(memory, self._capture(lambda: self.work(bucket, inputs)))
        return self._ticks[bucket]

    def _send(self, rows: Sequence[RowNow], bucket: Bucket, memory: Tensor) -> None:
        """One copy. Pinned memory is not used again before the copy is over: PyTorch's allocator of such memory sees to
        that.
        """
        host = torch.empty(len(memory), dtype=torch.uint8, pin_memory=self._pinned)
        inputs, _ = TickInputs.within(host, bucket)
        assert inputs is not None
        inputs.fill(rows, bucket, spare_ring=self.streams)
        memory.copy_(host, non_blocking=True)

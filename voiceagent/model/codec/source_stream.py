"""The source-filter synthesis of a stream: which frames are complete, what of them leaves, and what waits for the next
call.

Frames reach beyond their own hop, and F0 is drawn from one frame's centre to the next, so a call leaves pulses, frames
and partial sums behind. The signal processing itself is a runtime's own (`Synthesis`). The samples of all calls,
joined, are those of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from voiceagent.model.codec.constants import HOP, LEAD, N_FFT


class Batch(Protocol):
    """An array whose first axis is the stream and whose second is time."""

    @property
    def shape(self) -> Sequence[int]: ...

    def __getitem__(self, part: tuple[slice, slice], /) -> Self: ...


BatchT = TypeVar("BatchT", bound=Batch)


@dataclass(frozen=True, slots=True)
class SourceState(Generic[BatchT]):
    """What streams of equal standing carry from call to call; every field is a value."""

    frames_done: tuple[int, ...]  # (B,)
    phase: BatchT  # (B,) in the unit of the runtime
    f0_hz: BatchT  # (B, m) F0 frames not yet turned into pulses, the last used one first
    pulses: BatchT  # (B, p) pulses not yet covered by a whole frame
    overlap: BatchT  # (B, N_FFT - HOP) partial sums of the samples to come
    filters: BatchT  # (B, m, BRANCHES, BINS) frames that wait for their pulses

    def arrays(self) -> tuple[BatchT, ...]:
        """The fields that are arrays, in the order of the class."""
        return self.phase, self.f0_hz, self.pulses, self.overlap, self.filters


class Synthesis(Protocol[BatchT]):
    """The signal processing of a runtime."""

    def joined(self, *parts: BatchT) -> BatchT:
        """Parts (B, n, ...) one behind the other."""
        ...

    def zeros(self, streams: int, samples: int) -> BatchT:
        """(streams, samples) of silence."""
        ...

    def pulse_train(self, f0_hz: BatchT, phase: BatchT) -> tuple[BatchT, BatchT]:
        """F0 a frame (B, m + 1), phase (B,) -> pulses (B, m * HOP) between the frames' centres, and the phase after
        them.
        """
        ...

    def overlap_add(self, filters: BatchT, pulses: BatchT, frames_done: Sequence[int], overlap: BatchT) -> BatchT:
        """Frames (B, T, BRANCHES, BINS) on their pulses, and on the sums before -> (B, (T - 1) * HOP + N_FFT).

        frames_done: number of the first frame in each stream, (B,): it says which noise is heard.
        """
        ...

    def kept(self, part: BatchT) -> BatchT:
        """A part of an array for a state, which may outlive the array."""
        ...


def stream(
    synthesis: Synthesis[BatchT], state: SourceState[BatchT], filters: BatchT, f0_hz: BatchT, *, final: bool
) -> tuple[BatchT, SourceState[BatchT]]:
    """The next frames of streams that stand alike -> the samples (B, n) that are complete, and the next state.

    Args:
        synthesis: of the runtime.
        state: after the frames before.
        filters: (B, T, BRANCHES, BINS).
        f0_hz: (B, T), 0 where unvoiced.
        final: nothing follows.
    """
    first = state.f0_hz.shape[1] == 0
    f0, filters = synthesis.joined(state.f0_hz, f0_hz), synthesis.joined(state.filters, filters)
    streams, waiting = f0.shape[0], filters.shape[1]
    if f0.shape[1] == 0:
        return synthesis.zeros(streams, 0), state
    known = synthesis.joined(_frames(f0, 0, 1), f0) if first else f0
    if final:
        known = synthesis.joined(known, _frames(f0, -1))
    pulses, phase = state.pulses, state.phase
    if known.shape[1] > 1:
        train, phase = synthesis.pulse_train(known, phase)
        train = _frames(train, HOP // 2 if first else 0, train.shape[1] - (HOP // 2 if final else 0))
        pulses = synthesis.joined(pulses, train)
    if final:
        pulses = synthesis.joined(pulses, synthesis.zeros(streams, LEAD))
    count = max(0, min(waiting, (pulses.shape[1] - N_FFT) // HOP + 1))
    if count == 0:
        after = SourceState(state.frames_done, phase, _frames(known, -1), pulses, state.overlap, filters)
        return synthesis.zeros(streams, 0), after
    covered = _frames(pulses, 0, (count - 1) * HOP + N_FFT)
    summed = synthesis.overlap_add(_frames(filters, 0, count), covered, state.frames_done, state.overlap)
    done = summed.shape[1] if final else count * HOP
    skip = LEAD if state.frames_done[0] == 0 else 0  # streams are only batched where they stand alike
    stop = done - LEAD if final else done
    rest = (_frames(known, -1), _frames(pulses, count * HOP), _frames(summed, count * HOP), _frames(filters, count))
    frames_done = tuple(before + count for before in state.frames_done)
    return _frames(summed, skip, stop), SourceState(frames_done, phase, *(synthesis.kept(part) for part in rest))


def _frames(array: BatchT, start: int, stop: int | None = None) -> BatchT:
    """What of an array (B, n, ...) lies between two times."""
    return array[:, start:stop]

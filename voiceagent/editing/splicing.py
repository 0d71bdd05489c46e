"""Put regenerated speech into a recording: where to cut, how to line up the waves, and the cross-fade."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

FADE = 240  # samples of a cross-fade, 10 ms
WINDOW = 480  # samples that are compared at a seam
REACH = 4_800  # samples beyond a seam that tell how loud the recording is
LAG = 180  # samples that the new speech may be moved at a seam; more than half a period of most voices


@dataclass(frozen=True, slots=True)
class Patch:
    """New speech for one stretch. A sample of `made` at `m` is the one of the recording at `m + made_to_old` on each
    side.
    """

    left: tuple[int, int]  # samples of the recording between which it may be entered
    right: tuple[int, int]  # ... and left
    left_shift: int  # index in `made` minus index in the recording, at the left seam
    right_shift: int  # ... and at the right


@dataclass(frozen=True, slots=True)
class Kept:
    """Samples that came through untouched: `length` of them from `old` in the recording, at `new` in the result."""

    old: int
    new: int
    length: int


def splice(recording: Samples, made: Samples, patches: list[Patch]) -> tuple[Samples, list[Kept]]:
    """The recording (n,) with patches, in order and apart, of `made` (m,) -> the result and what of it was kept bit for
    bit.
    """
    parts: list[Samples] = []
    kept: list[Kept] = []
    at = length = 0

    def add(part: Samples) -> None:
        nonlocal length
        parts.append(part)
        length += len(part)

    for patch in patches:
        enter = _quietest(recording, made, patch.left, patch.left_shift)
        leave = max(_quietest(recording, made, patch.right, patch.right_shift), enter + FADE)
        begin = _lined_up(recording, made, enter, enter + patch.left_shift)
        end = max(_lined_up(recording, made, leave, leave + patch.right_shift), begin + FADE)
        gain = _gain(recording, made, patch)
        kept.append(Kept(at, length, enter - at))
        add(recording[at:enter])
        add(_fade(recording[enter : enter + FADE], gain * made[begin : begin + FADE]))
        add((gain * made[begin + FADE : end]).astype(np.float32))
        add(_fade(gain * made[end : end + FADE], recording[leave : leave + FADE]))
        at = min(leave + FADE, len(recording))
    kept.append(Kept(at, length, len(recording) - at))
    add(recording[at:])
    return np.concatenate(parts), [run for run in kept if run.length > 0]


def _energy(samples: Samples, at: int) -> float:
    part = samples[max(0, at) : max(0, at) + FADE]
    return float(np.square(part).mean()) if len(part) else 0.0


def _quietest(recording: Samples, made: Samples, span: tuple[int, int], shift: int) -> int:
    """The start of the quietest 10 ms of a span, in the recording and in the new speech together."""
    low, high = max(0, span[0]), max(0, min(span[1], len(recording) - FADE))
    places = range(low, max(high, low) + 1, FADE // 4)
    return min(places, key=lambda at: _energy(recording, at) + _energy(made, at + shift))


def _lined_up(recording: Samples, made: Samples, old: int, new: int) -> int:
    """The index in `made`, near `new`, where its wave goes on as the recording's does at `old`."""
    target = recording[old : old + WINDOW]
    if not target.any():
        return new
    best, best_score = new, -np.inf
    for candidate in range(max(0, new - LAG), new + LAG + 1):
        part = made[candidate : candidate + len(target)]
        if len(part) < len(target):
            break
        score = float(part @ target) / (float(np.linalg.norm(part)) + 1e-3)
        if score > best_score:
            best, best_score = candidate, score
    return best


def _gain(recording: Samples, made: Samples, patch: Patch) -> float:
    """How loud the recording is beside the new speech outside the change, where both say the same; within 6 dB."""
    (left, enters), (leaves, right) = patch.left, patch.right
    ours = theirs = 1e-6
    for low, high, shift in ((left - REACH, enters, patch.left_shift), (leaves, right + REACH, patch.right_shift)):
        low = max(0, low, -shift)
        theirs += float(np.square(recording[low:high]).sum())
        ours += float(np.square(made[low + shift : high + shift]).sum())
    return float(np.clip(np.sqrt(theirs / ours), 0.5, 2.0))


def _fade(out: Samples, into: Samples) -> Samples:
    """One sound into another of equal length; what is missing at an end of either is silence."""
    length = max(len(out), len(into))
    rise = (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / max(length, 1))).astype(np.float32)
    faded: Samples = np.pad(out, (0, length - len(out))) * (1 - rise) + np.pad(into, (0, length - len(into))) * rise
    return faded.astype(np.float32)

"""What can be read off samples alone: when sound begins, whether a join can be heard, and a picture with the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from voiceagent.protocol.outputs import WordTime

    Samples = NDArray[np.float32]  # (n,)

SAMPLE_RATE_HZ = 24_000
AUDIBLE = 0.01
SUSTAINED_S = 0.01
SEAM_PERCENTILE = 99.9
SEAM_REACH = 2  # samples on either side of a join


def first_audible_s(samples: Samples, sample_rate: int = SAMPLE_RATE_HZ) -> float | None:
    """Seconds of silence before the first |x| > 0.01 that is no click: the 10 ms from there on are as loud. None if silent."""
    window = max(1, round(SUSTAINED_S * sample_rate))
    power = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    loud = np.flatnonzero(np.abs(samples) > AUDIBLE)
    ends = np.minimum(loud + window, len(samples))
    sustained = loud[(power[ends] - power[loud]) / window > (AUDIBLE / 2) ** 2]
    return float(sustained[0]) / sample_rate if len(sustained) else None


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A frame and when it came."""

    at_s: float
    samples: Samples  # (n,)
    last: bool = False


def first_sound_at(arrivals: Sequence[Arrival], sample_rate: int = SAMPLE_RATE_HZ) -> float | None:
    """When a player that starts with the first frame, and waits where one is late, plays the first audible sample."""
    if not arrivals:
        return None
    offset_s = first_audible_s(np.concatenate([arrival.samples for arrival in arrivals]), sample_rate)
    if offset_s is None:
        return None
    free_s = before_s = 0.0
    for arrival in arrivals:
        begin_s = max(arrival.at_s, free_s)
        length_s = len(arrival.samples) / sample_rate
        if offset_s < before_s + length_s:
            return begin_s + offset_s - before_s
        before_s += length_s
        free_s = begin_s + length_s
    return free_s


@dataclass(slots=True)
class Seams:
    """Joins whose second difference sticks out. `expected` is how many would by chance: the same look at other places."""

    joins: int = 0
    peaks: int = 0
    expected: float = 0.0

    def add(self, other: Seams) -> None:
        """Count another clip."""
        self.joins += other.joins
        self.peaks += other.peaks
        self.expected += other.expected

    def summary(self) -> dict[str, float]:
        """For the last line."""
        return {"joins": self.joins, "peaks": self.peaks, "peaks_by_chance": round(self.expected, 1)}


def find_seams(samples: Samples, joins: Sequence[int]) -> Seams:
    """Count joins (sample offsets) with a second-difference peak above the 99.9th percentile of the rest of the clip."""
    inside = [join for join in joins if SEAM_REACH < join < len(samples) - SEAM_REACH - 2]
    if not inside:
        return Seams()
    bend = np.abs(np.diff(samples.astype(np.float64), n=2))  # bend[i] is at sample i + 1
    reach = np.arange(-SEAM_REACH - 1, SEAM_REACH)
    at_joins = np.asarray(inside)[:, None] + reach  # (joins, 2 * reach + 1)
    rest = np.ones(len(bend), bool)
    rest[at_joins.ravel()] = False
    limit = np.percentile(bend[rest], SEAM_PERCENTILE)
    windows = np.lib.stride_tricks.sliding_window_view(np.where(rest, bend, 0.0), len(reach)).max(axis=1)
    return Seams(
        joins=len(inside),
        peaks=int((bend[at_joins].max(axis=1) > limit).sum()),
        expected=float((windows > limit).mean() * len(inside)),
    )


def draw(path: Path, title: str, pictures: Sequence[tuple[str, Samples, Sequence[WordTime]]]) -> None:
    """Spectrograms one below the other, word boundaries as lines with the words between them; few colours, for a small file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    longest_s = max(len(samples) for _, samples, _ in pictures) / SAMPLE_RATE_HZ
    figure, axes = pyplot.subplots(len(pictures), 1, figsize=(14, 3.2 * len(pictures)), squeeze=False, sharex=True)
    for axis, (label, samples, words) in zip(axes[:, 0], pictures, strict=True):
        _spectrogram(axis, samples)
        for word in words:
            for edge_s in (word.start_s, word.end_s):
                axis.axvline(edge_s, color="white", linewidth=0.6, alpha=0.8)
            middle_s = (word.start_s + word.end_s) / 2
            axis.text(middle_s, 10_800, word.text, color="white", fontsize=8, ha="center", va="top", rotation=30)
        axis.set(ylabel=f"{label}\nHz", xlim=(0, longest_s), ylim=(0, 12_000))
    axes[-1, 0].set_xlabel("seconds")
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=64)
    pyplot.close(figure)


def _spectrogram(axis: Any, samples: Samples) -> None:
    from matplotlib import colormaps

    size, hop = 1024, 240
    if len(samples) < size:
        samples = np.pad(samples, (0, size - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop] * np.hanning(size)
    level_db = 20 * np.log10(np.abs(np.fft.rfft(frames, axis=1)) + 1e-4)  # (frames, bins)
    colours = colormaps["magma"].resampled(10)
    extent = (0, len(samples) / SAMPLE_RATE_HZ, 0, SAMPLE_RATE_HZ / 2)
    axis.imshow(
        level_db.T,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=extent,
        cmap=colours,
        vmin=-50,
        vmax=40,
    )

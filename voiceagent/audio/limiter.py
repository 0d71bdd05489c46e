"""A peak limiter for streams: what would clip is turned down smoothly, 10 ms before it comes; what would not is left
bit for bit.

The gain is known at the edges of hops of 10 ms and runs straight between them; no edge is above what either hop beside
it allows, so that no sample passes the ceiling. Streamed in pieces of any size it gives the same samples.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.float32]

HOP = 240
CEILING = 0.98
# Of the way back to full gain, the part that a hop goes: 90% in a quarter of a second.
RELEASE = 0.09


@dataclass(frozen=True, slots=True)
class LimiterState:
    """What a stream carries from call to call.

    held: samples that wait until the peak behind them is known. edge: the gain where they begin.
    """

    held: Samples = field(default_factory=lambda: np.zeros(0, np.float32))
    edge: float = 1.0


def limit(samples: Samples, state: LimiterState, *, final: bool = False) -> tuple[Samples, LimiterState]:
    """The next samples (n,) of a stream, of any size -> samples within the ceiling, up to 20 ms fewer until `final`."""
    waiting = np.concatenate((state.held, samples))
    hops = -(-len(waiting) // HOP) if final else len(waiting) // HOP
    if hops == 0:
        return waiting[:0], LimiterState(waiting, state.edge)
    padded = np.pad(waiting[: hops * HOP], (0, max(0, hops * HOP - len(waiting))))
    peaks = np.abs(padded.reshape(hops, HOP)).max(axis=1)
    allowed = np.minimum(1.0, CEILING / np.maximum(peaks, 1e-9))  # (hops,)
    ready = hops if final else hops - 1
    edges = np.empty(ready + 1)
    edges[0] = min(state.edge, allowed[0])
    for hop in range(ready):
        after = allowed[min(hop + 1, hops - 1)]
        edges[hop + 1] = min(allowed[hop], after, edges[hop] + (1.0 - edges[hop]) * RELEASE)
    gains = _between(edges)
    done = min(len(waiting), ready * HOP)
    out = (waiting[:done] * gains[:done]).astype(np.float32) if (edges < 1.0).any() else waiting[:done]
    return out, LimiterState(waiting[done:], float(edges[-1]))


def _between(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gains a sample (m * HOP,), straight between edges (m + 1,)."""
    way = np.arange(HOP) / HOP
    return (edges[:-1, None] + np.diff(edges)[:, None] * way).reshape(-1)

"""CUDA graphs: work of fixed shape on fixed memory is recorded once and then launched as one."""

from __future__ import annotations

from collections.abc import Callable

import torch

Work = Callable[[], None]


class Capture:
    """Turns work into its replay. All graphs share one pool of memory, because they run one after the other.

    The work must read and write the same memory every time, and must not ask the device anything. It is run once before
    it is recorded, so that kernels are compiled and libraries have their workspace: at that moment it must do no harm.
    """

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Work) -> Work:
        """Record the work, which is not done while it is recorded -> what does it."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            work()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # thread_local: what other threads do meanwhile is not our business
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            work()
        return graph.replay


def as_it_is(work: Work) -> Work:
    """Where there are no graphs."""
    return work

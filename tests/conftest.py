"""What tests in several folders share.

Kernels run in Triton's interpreter where there is no GPU. Triton looks when a kernel is defined, so this is said before
anything of ours is imported.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support.mosquitto import Broker

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line at the end says what was not tested, and what mends it."""
    reasons = Counter(
        str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", []) if report.longrepr
    )
    if reasons:
        listed = "; ".join(f"{count} x {reason.removeprefix('Skipped: ')}" for reason, count in sorted(reasons.items()))
        terminalreporter.write_line(f"NOT TESTED HERE: {listed}", yellow=True)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A Mosquitto of the test's own; the test is skipped where there is none."""
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.stop()

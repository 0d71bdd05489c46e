"""Trainings end by the clock; here it goes by steps, so that a slow machine trains as much as a fast one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace

import pytest

LOOK_S = 0.05  # a step looks at the clock twice


@pytest.fixture(autouse=True, scope="package")
def clock_by_steps() -> Iterator[None]:
    looks = count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("voiceagent.training.loop.time", SimpleNamespace(monotonic=lambda: next(looks) * LOOK_S))
        yield

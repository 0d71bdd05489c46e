"""A server on loopback for the tests of doors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.fakes import FakeEngine
from support.loopback import Server, running


@pytest.fixture
def server() -> Iterator[Server]:
    """A server whose fake engine speaks at once."""
    with running(FakeEngine(threaded=True)) as server:
        yield server

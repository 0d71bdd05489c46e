"""Servers on loopback for other people's clients; `client_programs.run_client` runs those."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes import FakeEngine
from loopback import Server, running

from voiceagent.live import default_chunker


@pytest.fixture
def server() -> Iterator[Server]:
    """A server whose fake engine speaks at once."""
    with running(FakeEngine(threaded=True)) as server:
        yield server


@pytest.fixture
def slow_server() -> Iterator[Server]:
    """A server whose fake engine takes 20 ms a word: long enough to be interrupted."""
    with running(FakeEngine(threaded=True, latency_s=0.02)) as server:
        yield server


@pytest.fixture(scope="session")
def real_server() -> Iterator[Server]:
    """A server with the voices that ship."""
    from voiceagent.agent import load_engine

    with running(load_engine(), make_chunker=default_chunker) as server:
        yield server

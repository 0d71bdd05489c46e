"""Servers on loopback for other people's clients; `client_programs.run_client` runs those."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fakes import FakeEngine
from support.loopback import Server, running

from voiceagent.session.chunkers import default_chunker
from voiceagent.settings.serve import ServeConfig


@pytest.fixture
def server() -> Iterator[Server]:
    """A server whose fake engine speaks at once."""
    with running(FakeEngine(threaded=True)) as server:
        yield server


@pytest.fixture(scope="module")
def locked_server() -> Iterator[Server]:
    """A server that asks for a key and takes 10 ms a word of 200 ms: long enough to be interrupted."""
    with running(FakeEngine(threaded=True, latency_s=0.01), ServeConfig(auth_tokens=("secret",))) as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs of a module write their files."""
    return tmp_path_factory.mktemp("spoken")


@pytest.fixture(scope="session")
def real_server() -> Iterator[Server]:
    """A server with the voices that ship."""
    from voiceagent.agent import load_engine

    with running(load_engine(), make_chunker=default_chunker) as server:
        yield server

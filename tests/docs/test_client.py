"""The programs of docs/client.md run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.fakes import FakeEngine
from support.loopback import serving

DOCS = (Path(__file__).resolve().parent.parent.parent / "docs" / "client.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", DOCS, re.DOTALL | re.MULTILINE)
SAID = ("1920 ['Good']", "heard 'The train'")


@pytest.mark.parametrize(("program", "says"), list(zip(PROGRAMS, SAID, strict=True)))
def test_the_program_runs(program: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(FakeEngine(threaded=True)) as address:
        assert "127.0.0.1:8080" in program
        exec(compile(program.replace("127.0.0.1:8080", address), "client.md", "exec"), {"__name__": "__main__"})
    assert says in capsys.readouterr().out

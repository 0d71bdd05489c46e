"""Every program in the pages on other people's clients runs as it stands, at another port."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.client_programs import ROOT, run_program
from support.loopback import Server

PAGES = ("openai.md", "deepgram.md")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(block, id=f"{page}-{number}")
    for page in PAGES
    for number, block in enumerate(BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8")), 1)
]


def test_the_pages_have_programs() -> None:
    assert len(BLOCKS) == 9


@pytest.mark.parametrize("block", BLOCKS)
def test_a_program_runs(server: Server, tmp_path: Path, block: str) -> None:
    assert "127.0.0.1:8080" in block
    program = tmp_path / "program.py"
    program.write_text(block.replace("127.0.0.1:8080", server.address), encoding="utf-8")
    out = run_program(program)
    written = list(tmp_path.glob("*.mp3"))
    if written:
        assert written[0].stat().st_size > 1_000
    elif "print" in block:
        assert out.strip()
        assert server.fake.spoken

"""No page rots: links lead somewhere, commands and targets exist, the programs of the Python page run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.fakes import FakeChunker, FakeEngine
from typer.testing import CliRunner

from voiceagent import agent

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PYTHON = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PYTHON, re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[str]:
    """Lines that a reader is told to type."""
    blocks = re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


COMMANDS = sorted({command for page in PAGES for command in commands(page)})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```|`[^`\n]+`", "", page.read_text(), flags=re.S | re.M))
    lost = [link for link in links if "://" not in link and not (page.parent / link.partition("#")[0]).exists()]
    assert not lost


@pytest.mark.parametrize("command", [line for line in COMMANDS if re.match(r"voiceagent [a-z]+", line)])
def test_commands_and_their_options_exist(command: str) -> None:
    from voiceagent.cli.commands import app

    name, options = command.split()[1], re.findall(r"(?<= )--[a-z][a-z-]*", command)
    if name in ("bench", "train"):
        return  # what follows is passed on; tests of the benchmarks and of the training know their options
    shown = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    assert shown.exit_code == 0, shown.output
    assert [option for option in options if option not in shown.output] == []


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("make ")])
def test_targets_exist(command: str) -> None:
    assert re.search(rf"^{command.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: re.findall(r"\w+", program)[-4])
def test_programs_run(program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(agent, "load_engine", lambda *_, **__: FakeEngine(threaded=True))
    defaults = {**(agent.VoiceAgent.__init__.__kwdefaults__ or {}), "make_chunker": FakeChunker}
    monkeypatch.setattr(agent.VoiceAgent.__init__, "__kwdefaults__", defaults)
    exec(compile(program, "python.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out


def test_the_architecture_page_names_every_room_and_nothing_else() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page[page.index("## Rooms") : page.index("## Who owns")]
    named = {
        name.strip("/") for row in re.findall(r"^\| (.*?) \|", table, re.M) for name in re.findall(r"`(.*?)`", row)
    }
    package = ROOT / "voiceagent"
    rooms = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    rooms |= {"adapters", "kernels"}
    assert named == rooms - {"__init__", "__main__"}


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page != "README.md" and f"]({page})" not in index] == []

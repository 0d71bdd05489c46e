"""README.md does not rot: its programs run, and its commands, targets and links exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.fakes import FakeChunker, FakeEngine
from support.loopback import serving
from typer.testing import CliRunner

from voiceagent import agent

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


(OVER_WEBSOCKET,) = [program for program in blocks("python") if "websockets" in program]
LOCAL = [program for program in blocks("python") if "websockets" not in program]
COMMANDS = sorted({line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")})


@pytest.fixture
def fake_voice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No weights, and what a program writes is out of the tree."""
    monkeypatch.setattr(agent, "load_engine", lambda *_, **__: FakeEngine(threaded=True))
    monkeypatch.setattr(agent.VoiceAgent.__init__, "__kwdefaults__", {
        **(agent.VoiceAgent.__init__.__kwdefaults__ or {}), "make_chunker": FakeChunker,
    })  # fmt: skip
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("fake_voice")
@pytest.mark.parametrize("program", LOCAL, ids=lambda program: re.findall(r"\w+", program)[-4])
def test_programs_run(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(program, "README.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out


def test_the_program_over_websocket_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(FakeEngine()) as address:
        program = OVER_WEBSOCKET.replace("127.0.0.1:8080", address)
        assert program != OVER_WEBSOCKET
        exec(compile(program, "README.md", "exec"), {"__name__": "__main__"})
    assert "samples" in capsys.readouterr().out


def test_the_first_screen_holds_a_command_and_a_program() -> None:
    screen = "\n".join(README.splitlines()[:45])
    assert "make demo" in screen
    assert "asyncio.run(main())" in screen


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("voiceagent ")])
def test_commands_and_their_options_exist(command: str) -> None:
    from voiceagent.cli.commands import app

    name = command.split()[1]
    shown = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    assert shown.exit_code == 0, shown.output
    for option in re.findall(r"(?<= )--?[a-z][a-z-]*", command):
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", shown.output), f"{command!r}: no {option}"


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("make ")])
def test_targets_exist(command: str) -> None:
    assert re.search(rf"^{command.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("target", sorted({link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link}))
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target.partition("#")[0]).exists()

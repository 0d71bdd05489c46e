"""`voiceagent voices`."""

from __future__ import annotations

from pathlib import Path

from support.tiny_voice import styled_voices
from typer.testing import CliRunner

from voiceagent.cli.commands import app
from voiceagent.model.config import STOCK
from voiceagent.model.weights import save


def test_a_line_a_voice_that_begins_with_the_name(tmp_path: Path) -> None:
    save(tmp_path, styled_voices())
    result = CliRunner().invoke(app, ["voices", "--weights", str(tmp_path)])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == ["heart", "joe", "af_bella", "af_sky"]


def test_a_damaged_voice_is_a_line(tmp_path: Path) -> None:
    save(tmp_path, styled_voices())
    (tmp_path / STOCK / "af_bella.safetensors").write_bytes(b"")
    result = CliRunner().invoke(app, ["voices", "--weights", str(tmp_path)])
    assert result.exit_code != 0
    assert "Traceback" not in result.output
    assert "af_bella.safetensors" in result.output + result.stderr

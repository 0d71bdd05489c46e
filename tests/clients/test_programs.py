"""What becomes of these tests where the clients are not installed, and where they do not work."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.client_programs import client_environment, client_python, run_program


def test_without_an_environment_a_test_is_skipped_and_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOICEAGENT_CLIENTS", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"\.venv-nothing is not installed: make clients"):
        client_python(".venv-nothing")


def test_where_clients_are_required_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEAGENT_CLIENTS", "required")
    with pytest.raises(pytest.fail.Exception, match="make clients"):
        client_python(".venv-nothing")


def test_a_program_that_fails_shows_why(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("raise SystemExit('because')\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="because"):
        run_program(program)


def test_programs_see_no_settings_of_our_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    assert not [name for name in client_environment() if name.startswith("PYTHON")]
    assert client_environment(SSL_CERT_FILE="x")["SSL_CERT_FILE"] == "x"

"""Runs other people's clients, each a small program in an environment that `make clients` installs.

heard = run_client("openai_sdk.py", server.http, "--format", "pcm")

A program below `clients/programs/` prints one JSON object as its last line.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from support.required import skip_or_fail

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = ROOT / "tests" / "clients" / "programs"


def client_python(venv: str = ".venv-clients") -> Path:
    """The interpreter of an environment with clients; skips the test where there is none, or fails if there must be."""
    python = ROOT / venv / "bin" / "python"
    if not python.exists():
        skip_or_fail(f"{venv} is not installed: make clients", variable="VOICEAGENT_CLIENTS")
    return python


def client_environment(**more: str) -> dict[str, str]:
    """Without what is meant for our own interpreter, and without a proxy in front of loopback."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE"))}
    local = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", "OMP_NUM_THREADS": "1"}
    return {**kept, **local, **more}


def run_program(
    program: Path, *arguments: str, venv: str = ".venv-clients", timeout_s: float = 300, **environment: str
) -> str:
    """What a Python file prints; it fails the test where the file fails. It runs in its own folder.

    Args:
        program: the file.
        arguments: for its command line.
        venv: the environment it runs in.
        timeout_s: generous, because importing some clients takes seconds.
        environment: variables that it gets beside ours.
    """
    done = subprocess.run(
        [str(client_python(venv)), str(program), *arguments],
        env=client_environment(**environment),
        cwd=program.parent,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert done.returncode == 0, f"{program.name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def run_client(
    program: str, *arguments: str, venv: str = ".venv-clients", timeout_s: float = 300, **environment: str
) -> dict[str, Any]:
    """The object that a file of `clients/programs/` prints last."""
    out = run_program(PROGRAMS / program, *arguments, venv=venv, timeout_s=timeout_s, **environment)
    printed: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return printed

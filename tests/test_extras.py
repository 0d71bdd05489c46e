"""How to get what is missing: the right packages, and never somebody else's project of our name."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from voiceagent.errors.extras import EXTRAS, install_hint

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OURS = PYPROJECT["project"]["name"]
# What pip would look up on the index: our name as a requirement, whatever stands before, after and around it.
FROM_THE_INDEX = re.compile(
    r"(?:pip3?|uv|pipx|poetry|pdm) (?:pip )?(?:install|add)\b[^\n`]*?"
    rf"\s(['\"]?){OURS}(?:\[[^]]*\])?(?:[=<>~!][^ ]*)?\1(?=[\s`'\",.;:)]|$)"
)
EXTRA_OF_OURS = re.compile(rf"\b{OURS}\[[a-z]")  # allowed in pyproject.toml alone: pip does not look it up there
TEXTS = (".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".html", ".js", ".sh", "Makefile")


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_packages_of_an_extra_are_those_of_the_project_file(extra: str) -> None:
    asked = []
    for line in PYPROJECT["project"]["optional-dependencies"][extra]:
        requirement, _, condition = (part.strip() for part in line.partition(";"))
        if "python_version" not in condition or sys.version_info >= (
            3,
            13,
        ):  # the one condition on Python that there is
            own = re.fullmatch(rf"{OURS}\[(\w+)\]", requirement)  # an extra of ours within another
            asked += [*EXTRAS[own[1]].requirements] if own else [requirement]
    assert sorted(EXTRAS[extra].requirements) == sorted(asked)


def test_every_extra_that_a_user_may_want_has_a_hint() -> None:
    assert set(EXTRAS) == set(PYPROJECT["project"]["optional-dependencies"]) - {"dev"}


def test_a_hint_is_one_line_for_a_shell() -> None:
    assert install_hint("mqtt") == "pip install 'aiomqtt>=2.5,<3' 'paho-mqtt>=2.1'"


def test_no_text_of_ours_installs_our_name_from_the_index() -> None:
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT)
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path == Path(__file__) or not name.endswith(TEXTS) or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if FROM_THE_INDEX.search(line) or (EXTRA_OF_OURS.search(line) and name != "pyproject.toml"):
                found.append(f"{name}:{number}: {line.strip()}")
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "pip install voiceagent",
        "run `pip install 'voiceagent[files]'`",
        "needs more: pip install 'voiceagent[tls]' (reason)",
        "python -m pip install -U voiceagent==0.2",
        "uv add voiceagent",
        'pipx install "voiceagent"',
    ],
)
def test_such_a_text_would_be_found(line: str) -> None:
    assert FROM_THE_INDEX.search(line)


@pytest.mark.parametrize(
    "line", ["pip install .", "pip install '.[files]'", "pip install ./voiceagent-0.1.0-py3-none-any.whl"]
)
def test_what_does_not_ask_the_index_is_let_be(line: str) -> None:
    assert not FROM_THE_INDEX.search(line)

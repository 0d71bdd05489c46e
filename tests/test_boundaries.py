"""Who may know whom, read from the import statements, wherever in a file they stand."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "voiceagent"
LINKED = ("adapters", "kernels", "configs")
DEVICE = ("torch", "triton", "voiceagent.model", "voiceagent.kernels", "voiceagent.training")

# A client stands on the far side of the wire: it knows messages, not who makes the speech.
CLIENT_KNOWS_NOT = (
    *DEVICE,
    *(f"voiceagent.{name}" for name in ("adapters", "agent", "engine", "live", "session", "service")),
)

# What a folder or file of the package must not import. The first match counts.
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "adapters": (*DEVICE, "voiceagent.engine.engine", "voiceagent.engine.scheduler"),
    "text": (
        *DEVICE,
        "voiceagent.adapters",
        "voiceagent.session.session",
        "voiceagent.engine.engine",
        "voiceagent.engine.scheduler",
    ),
    "kernels": (
        "voiceagent.adapters",
        "voiceagent.session.session",
        "voiceagent.engine.engine",
        "voiceagent.model",
        "voiceagent.text",
    ),
    "model": ("voiceagent.adapters", "voiceagent.session.session", "voiceagent.engine.engine", "voiceagent.training"),
    "training": ("voiceagent.adapters", "voiceagent.session.session"),
    "engine.py": ("voiceagent.adapters", "voiceagent.session.session", "voiceagent.training"),
    "scheduler.py": (*DEVICE, "voiceagent.adapters", "voiceagent.session.session", "voiceagent.engine.engine"),
    "session.py": (*DEVICE, "voiceagent.adapters", "voiceagent.engine.engine", "voiceagent.engine.scheduler"),
    "utterance.py": (*DEVICE, "voiceagent.adapters", "voiceagent.engine.engine", "voiceagent.engine.scheduler"),
    "events.py": (
        *DEVICE,
        "voiceagent.adapters",
        "voiceagent.engine.engine",
        "voiceagent.engine.scheduler",
        "voiceagent.session.session",
    ),
    "wire.py": (
        *DEVICE,
        "voiceagent.adapters",
        "voiceagent.engine.engine",
        "voiceagent.engine.scheduler",
        "voiceagent.session.session",
    ),
    "client.py": CLIENT_KNOWS_NOT,
    "client_connection.py": CLIENT_KNOWS_NOT,
    "client_dial.py": CLIENT_KNOWS_NOT,
    "client_frame.py": CLIENT_KNOWS_NOT,
    "client_outbox.py": CLIENT_KNOWS_NOT,
    "client_utterance.py": CLIENT_KNOWS_NOT,
    "reading.py": (
        *DEVICE,
        "voiceagent.adapters",
        "voiceagent.engine.engine",
        "voiceagent.engine.scheduler",
        "voiceagent.session.session",
    ),
    "pieces.py": (*DEVICE, "voiceagent"),
    "speaking.py": CLIENT_KNOWS_NOT,
    "pacing.py": (*DEVICE, "voiceagent"),
    "errors.py": (*DEVICE, "voiceagent"),
}
# Installed packages of these names are other people's, and the top-level folders must not be taken for them.
NEVER = ("adapters", "kernels", "configs", "tests", "benchmarks", "demos")
KERNELS_MAY = {"torch", "triton", "voiceagent"}


def python_files() -> list[Path]:
    """Every module of the package, through the links, as paths below `voiceagent/`."""
    here = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in LINKED]
    return sorted({*here, *(path for link in LINKED for path in (PACKAGE / link).glob("**/*.py"))})


def imported(path: Path) -> Iterator[str]:
    """Dotted names of everything a file imports at run time or for its types."""
    package = ["voiceagent", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*parent, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def below(name: str, ancestor: str) -> bool:
    """Whether `name` is `ancestor` or inside it."""
    return name == ancestor or name.startswith(f"{ancestor}.")


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_knows_only_whom_it_may(path: Path) -> None:
    first = path.relative_to(PACKAGE).parts[0]
    wrong = {name for name in imported(path) for forbidden in FORBIDDEN.get(first, ()) if below(name, forbidden)}
    wrong |= {name for name in imported(path) for never in NEVER if below(name, never)}
    assert not wrong, f"voiceagent/{path.relative_to(PACKAGE)} imports {sorted(wrong)}"


def test_kernels_know_torch_and_triton_alone() -> None:
    strangers = {
        f"{path.name}: {name}"
        for path in (PACKAGE / "kernels").glob("*.py")
        for name in imported(path)
        if name.partition(".")[0] not in KERNELS_MAY | sys.stdlib_module_names
    }
    assert not strangers


def test_every_rule_speaks_of_something_that_exists() -> None:
    assert [name for name in FORBIDDEN if not (PACKAGE / name).exists()] == []


def test_importing_the_package_is_quick_and_loads_no_torch() -> None:
    program = "import time; begin = time.process_time(); import voiceagent, sys; print(time.process_time() - begin, *sys.modules)"
    seconds = []
    for _ in range(3):
        out = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/"
        ).stdout
        spent, *modules = out.split()
        seconds.append(float(spent))
        assert not {"torch", "onnxruntime", "hibari", "scipy"} & set(modules)
    assert min(seconds) < 0.3

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
# The rooms of the package, the lowest first: a module imports from its own room and from rooms before it. A room is a folder
# of the package or a flat file of it.
ROOMS = (
    "errors", "version", "telemetry", "options", "kernels",
    "audio", "settings", "protocol", "text", "model", "engine", "session", "service",
    "client", "editing", "agent_session", "agent", "talk", "training", "adapters", "cli", "__main__",
)  # fmt: skip
# At most so many rooms, imports between rooms, and steps of the longest chain: the picture can be kept in mind.
ROOMS_MAX, ARROWS_MAX, FLOORS_MAX = 25, 90, 10

DEVICE = ("torch", "triton", "voiceagent.model", "voiceagent.kernels", "voiceagent.training")
# What a room, or one file of it, must not import although the order would allow it.
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "audio": DEVICE,
    "settings": DEVICE,
    "protocol": DEVICE,
    "text": DEVICE,
    "session": (*DEVICE, "voiceagent.engine"),
    "service": (*DEVICE, "voiceagent.engine"),
    "engine/scheduler.py": DEVICE,
    "engine": ("voiceagent.training",),
    # A client stands on the far side of the wire: it knows messages, not who makes the speech.
    "client": (*DEVICE, "voiceagent.text", "voiceagent.engine", "voiceagent.session", "voiceagent.service"),
    "agent_session.py": DEVICE,
    "talk": (*DEVICE, "voiceagent.engine"),
    "training": ("voiceagent.session", "voiceagent.engine", "voiceagent.service", "voiceagent.talk"),
    "adapters": (*DEVICE, "voiceagent.engine"),
    "session/pacing.py": ("voiceagent",),
    "protocol/text_pieces.py": ("voiceagent",),
    "errors/__init__.py": ("voiceagent",),
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


def room_of(name: str) -> str:
    """The room of a dotted name inside the package; the package's own file belongs to none."""
    return [*name.split("."), ""][1]


def module_of(path: Path) -> str:
    """Dotted name of a file of the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(["voiceagent", *(parts[:-1] if parts[-1] == "__init__" else parts)])


def arrows() -> set[tuple[str, str]]:
    """Which room imports from which, over the whole package."""
    modules = {module_of(path): path for path in python_files()}
    found = set()
    for module, path in modules.items():
        known = {name for name in imported(path) if name in modules}
        found |= {(room_of(module), room_of(name)) for name in known if room_of(module) and room_of(name)}
    return {(above, below) for above, below in found if above != below}


def test_every_room_has_its_place_in_the_order() -> None:
    assert {room_of(module_of(path)) for path in python_files()} - {"", "voices"} == set(ROOMS)


def test_nothing_is_imported_upward() -> None:
    upward = {f"{above} imports {below}" for above, below in arrows() if ROOMS.index(above) < ROOMS.index(below)}
    assert not upward


def test_the_picture_stays_small() -> None:
    drawn = arrows()
    floors: dict[str, int] = {}
    for room in ROOMS:  # in this order, all that a room imports comes before it
        floors[room] = 1 + max((floors[below] for above, below in drawn if above == room), default=0)
    assert len(ROOMS) <= ROOMS_MAX
    assert len(drawn) <= ARROWS_MAX
    assert max(floors.values()) <= FLOORS_MAX


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_knows_only_whom_it_may(path: Path) -> None:
    place = path.relative_to(PACKAGE).as_posix()
    rules = [names for room, names in FORBIDDEN.items() if place == room or place.startswith(f"{room}/")]
    wrong = {name for name in imported(path) for names in rules for forbidden in names if below(name, forbidden)}
    wrong |= {name for name in imported(path) for never in NEVER if below(name, never)}
    assert not wrong, f"voiceagent/{place} imports {sorted(wrong)}"


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

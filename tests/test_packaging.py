"""What is installed is what is in the tree: the linked folders, the weights and the type marker are all in the wheel."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINKED = ("adapters", "kernels", "configs")
SHIPPED = {".py", ".toml", ".safetensors", ".onnx", ".md", ".typed", ".tsv", ".gz", ".html", ".css", ".js", ".svg"}
LEAVE = shutil.ignore_patterns(
    ".git", ".venv*", "data", "runs", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", "*.wav"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names in a wheel built from a copy of the tree, so that an old build folder cannot help."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "tree"
    shutil.copytree(ROOT, copy, symlinks=True, ignore=LEAVE)
    program = f"from setuptools.build_meta import build_wheel; build_wheel({str(folder)!r})"
    built = subprocess.run([sys.executable, "-c", program], cwd=copy, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    (path,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(path).namelist())


def shipped_files() -> set[str]:
    """Every file below `voiceagent/`, through the links, that somebody who installs us needs."""
    found = set()
    for folder, _, names in os.walk(ROOT / "voiceagent", followlinks=True):
        found |= {Path(folder, name) for name in names if Path(name).suffix in SHIPPED}
    return {path.relative_to(ROOT).as_posix() for path in found}


def test_the_wheel_holds_every_file_of_the_package(wheel: set[str]) -> None:
    assert shipped_files() - wheel == set()


def test_the_wheel_holds_nothing_else(wheel: set[str]) -> None:
    assert {name.partition("/")[0] for name in wheel if not re.match(r"voiceagent-[^/]*\.dist-info/", name)} == {
        "voiceagent"
    }
    assert any(name.endswith("/licenses/LICENSE") for name in wheel)


def test_every_folder_of_the_package_is_listed() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    folders = {name.rpartition("/")[0].replace("/", ".") for name in shipped_files() if name.endswith(".py")}
    assert folders - listed == set()


def third_party_imports(*folders: str) -> set[str]:
    """Installed packages, by the name they are installed under, that files below these folders import anywhere."""
    names = set()
    paths = {path for folder in folders for path in (ROOT / folder).glob("**/*.py")}
    left_out = {"programs"}  # other people's clients: they have requirements of their own
    if "voiceagent/training" not in folders:
        left_out.add("training")
    for path in {path for path in paths if not left_out & set(path.parts)}:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    installed = importlib.metadata.packages_distributions()
    return {plain(found) for name in names - sys.stdlib_module_names for found in installed.get(name, [])} - {
        "voiceagent"
    }


def plain(requirement: str) -> str:
    """The name in a requirement, spelled as the index does."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement)[0]).lower()


def declared(*extras: str) -> set[str]:
    """What an installation with these extras asks for."""
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    return {plain(requirement) for requirements in lists for requirement in requirements}


def test_what_is_imported_is_declared() -> None:
    component = third_party_imports("voiceagent", "adapters", "kernels")
    assert (
        component
        - declared(
            "torch", "gpu", "local", "echo", "whisper", "mqtt", "wyoming", "files", "tls", "llm", "mandarin", "romance"
        )
        - {"click"}
        == set()
    )  # click: for types alone
    training = third_party_imports("voiceagent/training")
    assert (
        training - declared("torch", "train", "eval", "mandarin") - {"resemblyzer"} == set()
    )  # resemblyzer: asked for where it is wanted
    others = third_party_imports("benchmarks", "tests", "demos")
    assert others - declared(*PROJECT["optional-dependencies"]) - {"tokenizers"} == set()  # tokenizers: comes with vllm


def test_what_everybody_must_install_is_imported() -> None:
    taken_by_others = {"uvloop", "websockets", "python-multipart"}  # uvicorn and Starlette
    assert declared() - third_party_imports("voiceagent", "adapters", "kernels") - taken_by_others == set()


@pytest.mark.parametrize("name", LINKED)
def test_links_are_relative(name: str) -> None:
    assert os.readlink(ROOT / "voiceagent" / name) == f"../{name}"


@pytest.mark.parametrize("name", ["adapters", "kernels"])
def test_top_level_folders_do_not_shadow_packages_of_other_people(name: str) -> None:
    assert not (ROOT / name / "__init__.py").exists()
    found = importlib.util.find_spec(name)
    assert found is None or str(ROOT / name) not in (found.submodule_search_locations or [])


def test_the_command_is_installed() -> None:
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="voiceagent")
    assert callable(command.load())


def test_the_version_is_said_once() -> None:
    from voiceagent.version import __version__

    assert importlib.metadata.version("voiceagent") == __version__

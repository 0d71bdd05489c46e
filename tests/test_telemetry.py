"""Nothing leaves the machine and nothing is written that was not asked for, whatever the libraries would like."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from voiceagent.telemetry import SWITCHES

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(__file__).with_name("support") / "one_of_each.py"
# They report unless they are told not to, or fetch what they have not got.
REPORTING = ("onnxruntime", "huggingface_hub", "faster_whisper", "transformers", "vllm", "speechmos")
# Signs of a build or test machine, where some libraries keep quiet by themselves.
QUIETING = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "TF_BUILD", "JENKINS_URL", "PYTEST_CURRENT_TEST")


@dataclass(frozen=True)
class Trace:
    """What one utterance through the shell and each door did to an empty home and an empty network."""

    sounds: dict[str, int]
    files: list[Path]
    calls: list[str] | None
    """What strace saw of sockets; None without strace."""


def empty_network(*command: str) -> list[str]:
    """The command in a network that has a loopback and nothing else; without rights for that the test is skipped."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("needs unshare and ip to make an empty network")
    inside = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let us make an empty network")
    return [*inside, *command]


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    top = tmp_path_factory.mktemp("quiet")
    home, asked, log = top / "home", top / "asked", top / "sockets"
    scratch = top / "scratch"
    for folder in (home, asked, scratch):
        folder.mkdir()
    environment = {
        name: value for name, value in os.environ.items() if name not in (*SWITCHES, *QUIETING) and "XDG" not in name
    }
    environment |= {"HOME": str(home), "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
    strace = shutil.which("strace")
    watched = [strace, "-f", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(log)]
    program = [sys.executable, "-P", str(PROGRAM), str(asked)]
    done = subprocess.run(
        empty_network(*([str(part) for part in watched] if strace else []), *program),
        capture_output=True, text=True, cwd=scratch, env=environment, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    files = [path for folder in (home, scratch) for path in folder.rglob("*") if path.is_file()]
    calls = log.read_text().splitlines() if strace else None
    return Trace(json.loads(done.stdout.splitlines()[-1]), files, calls)


def beyond_loopback(calls: list[str]) -> list[str]:
    """The calls that name an address of another machine, IPv4 or IPv6."""
    addresses = re.compile(r'sin_addr=inet_addr\("(?!127\.)|inet_pton\(AF_INET6, "(?!::1"|::ffff:127\.)')
    return [call for call in calls if addresses.search(call)]


@pytest.mark.weights
@pytest.mark.slow
def test_every_way_of_speaking_spoke(trace: Trace) -> None:
    assert {"say", "openai", "elevenlabs socket", "deepgram socket", "native socket"} <= set(trace.sounds)
    assert min(trace.sounds.values()) > 10_000


@pytest.mark.weights
@pytest.mark.slow
def test_no_file_is_written_that_was_not_asked_for(trace: Trace) -> None:
    assert trace.files == []


@pytest.mark.weights
@pytest.mark.slow
def test_no_socket_leads_beyond_the_loopback(trace: Trace) -> None:
    if trace.calls is None:
        pytest.skip("needs strace to see sockets")
    assert any('inet_addr("127.' in call for call in trace.calls)  # strace sees those of the doors
    assert beyond_loopback(trace.calls) == []


def test_an_address_beyond_the_loopback_is_seen() -> None:
    asked = '7 connect(9, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.2")}, 16) = -1'
    own = '7 connect(9, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0'
    six = '7 connect(9, {sa_family=AF_INET6, inet_pton(AF_INET6, "2603::1", &sin6_addr)}, 28) = -1'
    assert beyond_loopback([asked, own, six]) == [asked, six]


def test_the_switches_are_set_by_importing_and_what_the_user_has_set_stays() -> None:
    program = "import voiceagent.errors, os, json; print(json.dumps(dict(os.environ)))"
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES} | {"DO_NOT_TRACK": "0"}
    out = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, check=True, env=environment).stdout
    seen = json.loads(out)
    assert {name: seen.get(name) for name in SWITCHES} == {**SWITCHES, "DO_NOT_TRACK": "0"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("folder", ["adapters", "benchmarks", "demos", "kernels", "voiceagent"])
def test_whoever_imports_a_library_that_reports_imports_us_first(folder: str) -> None:
    """At the top of the same file, or by being of the package; inside functions theirs come later."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        names = set(imports(path))
        if {name.partition(".")[0] for name in names} & set(REPORTING):
            ours = any(name.partition(".")[0] == "voiceagent" for name in names)
            assert ours or folder in ("adapters", "kernels", "voiceagent"), path

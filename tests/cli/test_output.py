"""Where speech is written to, as a user's shell sees it: pipes, devices, links, full disks, and streams that are closed."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import struct
import subprocess
import sys
import textwrap
import time
import wave
from pathlib import Path

import pytest
from support.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = textwrap.dedent("""
    import sys
    sys.path.insert(0, sys.argv.pop(1))
    latency_s = float(sys.argv.pop(1))
    import voiceagent.agent
    from support.fakes import FakeEngine
    voiceagent.agent.load_engine = lambda *_: FakeEngine(threaded=True, latency_s=latency_s)
    from voiceagent.cli.commands import main
    main()
""")
# A process of its own sees to what is to hold before the command begins, and becomes the command: Python that runs
# between fork and exec of the tests' process, which has threads, may wait for ever.
BEFORE = """
import os, resource, signal, sys
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may ignore them
exec(sys.argv[1])
os.execv(sys.argv[2], sys.argv[2:])
"""
HEADER_BYTES, WORD_BYTES = 44, 9_600  # a word of the fake engine is 0.2 s
ENDLESS = 0xFFFFFFFF


def command(*arguments: object, latency_s: float = 0.0, before: str = "") -> list[str]:
    """The command line that runs ours; `before`: Python that its process runs first."""
    ours = [sys.executable, "-P", "-c", PROGRAM, str(ROOT / "tests"), str(latency_s), *map(str, arguments)]
    return [sys.executable, "-I", "-S", "-c", BEFORE, before, *ours]


def say(
    *arguments: object,
    stdin: int | bytes = b"",
    stdout: int = subprocess.PIPE,
    before: str = "",
    **environment: str,
) -> subprocess.CompletedProcess[bytes]:
    given: dict[str, object] = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    done: subprocess.CompletedProcess[bytes] = subprocess.run(  # type: ignore[call-overload]
        command(*arguments, before=before), stdout=stdout, stderr=subprocess.PIPE, timeout=60, cwd=ROOT,
        env={**os.environ, **environment}, **given,
    )  # fmt: skip
    return done


def one_line(done: subprocess.CompletedProcess[bytes]) -> str:
    """What went wrong, which is one line and no traceback."""
    told = done.stderr.decode()
    assert done.returncode in (1, 2), told
    assert told.count("\n") == 1, told
    assert told.startswith("voiceagent: ")
    return told


def samples_of_stream(data: bytes) -> int:
    """Samples after a header that knows no length."""
    assert data[:4] == b"RIFF"
    assert struct.unpack("<I", data[4:8]) == struct.unpack("<I", data[40:44]) == (ENDLESS,)
    return (len(data) - HEADER_BYTES) // 2


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
def test_standard_output_gets_a_stream(name: str, tmp_path: Path) -> None:
    if name != "-" and not Path(name).exists():
        pytest.skip(f"no {name} here")
    done = say("say", "Hello there.", "-o", name)
    assert done.returncode == 0, done.stderr
    assert samples_of_stream(done.stdout) == WORD_BYTES  # two words, two bytes a sample
    assert not Path("-").exists()


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_standard_output_that_is_a_file_is_gone_on_with(name: str, tmp_path: Path) -> None:
    shared = tmp_path / "all"
    with shared.open("wb") as file:
        file.write(b"before")
        file.flush()
        assert say("say", "Hello.", "-o", name, stdout=file.fileno()).returncode == 0
    data = shared.read_bytes()
    assert data.startswith(b"beforeRIFF")
    assert samples_of_stream(data[6:]) == WORD_BYTES // 2


def test_a_pipe_is_written_through_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(command("say", "Hello there.", "-o", pipe)) as process:
        data = pipe.read_bytes()
    assert process.returncode == 0
    assert samples_of_stream(data) == WORD_BYTES
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize("name", ["/dev/full", "/dev/null"])
def test_a_device_stays_one(name: str) -> None:
    device = Path(name)
    if not device.exists():
        pytest.skip(f"no {name} here")
    done = say("say", "Hello.", "-o", name)
    assert stat.S_ISCHR(device.stat().st_mode)
    assert [path for path in device.parent.iterdir() if "full" in path.name and path.name != "full"] == []
    if name == "/dev/full":
        assert "No space left" in one_line(done)
    else:
        assert done.returncode == 0


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_one_and_its_target_is_written(there: bool, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "speech.wav", tmp_path / "link.wav"
    if there:
        target.write_bytes(b"old")
        target.chmod(0o640)
    link.symlink_to("far/speech.wav")
    assert say("say", "Hello.", "-o", link).returncode == 0
    assert link.is_symlink()
    with wave.open(str(target)) as file:
        assert file.getnframes() == WORD_BYTES // 2
    if there:
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["far", "link.wav", "speech.wav"]


def test_links_in_a_circle_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.wav").symlink_to("b.wav")
    (tmp_path / "b.wav").symlink_to("a.wav")
    assert "cannot write" in one_line(say("say", "Hello.", "-o", tmp_path / "a.wav"))


def test_a_disk_that_fills_up_leaves_what_was_there(tmp_path: Path) -> None:
    wav = tmp_path / "speech.wav"
    wav.write_bytes(b"old")
    few = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({WORD_BYTES}, {WORD_BYTES}))"
    assert str(wav) in one_line(say("say", "Hello there, you all.", "-o", wav, before=few))
    assert wav.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["speech.wav"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("after_s", [0.0, 0.013, 0.11])
def test_told_to_end_it_leaves_no_part(number: signal.Signals, after_s: float, tmp_path: Path) -> None:
    endless = " ".join(["word"] * 2_000) + "."
    process = subprocess.Popen(
        command("say", endless, "-o", tmp_path / "a.wav", latency_s=0.005), stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: _longest(tmp_path) > HEADER_BYTES or process.poll() is not None)
        time.sleep(after_s)
        process.send_signal(number)
        assert process.wait(60) != 0
    finally:
        process.kill()
        process.wait()
    assert list(tmp_path.iterdir()) == []


def _longest(folder: Path) -> int:
    sizes = [0]
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return max(sizes)


def test_what_nohup_ignores_is_ignored(tmp_path: Path) -> None:
    ignored = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    text = " ".join(["word"] * 100) + "."
    process = subprocess.Popen(command("say", text, "-o", tmp_path / "a.wav", latency_s=0.02, before=ignored))
    try:
        wait_until(lambda: _longest(tmp_path) > HEADER_BYTES or process.poll() is not None)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert (tmp_path / "a.wav").stat().st_size > 100 * WORD_BYTES


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("a.mp3", b"\xff"),
        ("a.opus", b"OggS"),
        ("a.ogg", b"OggS"),
        ("a.flac", b"fLaC"),
        ("a.AAC", b"\xff"),
        ("a", b"RIFF"),
    ],
)
def test_the_name_says_what_is_in_the_file(name: str, begin: bytes, tmp_path: Path) -> None:
    pytest.importorskip("av")
    done = say("say", "Hello there, you.", "-o", tmp_path / name)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / name).read_bytes().startswith(begin)


@pytest.mark.parametrize("name", ["a.m4a", "a.2"])
def test_a_name_that_asks_for_another_kind_is_refused(name: str, tmp_path: Path) -> None:
    told = one_line(say("say", "Hello.", "-o", tmp_path / name))
    assert ".mp3" in told
    assert list(tmp_path.iterdir()) == []


def test_a_closed_standard_input_is_one_line(tmp_path: Path) -> None:
    for arguments in (("say", "-", "-o", tmp_path / "a.wav"), ("text", "-")):
        assert "standard input" in one_line(say(*arguments, before="os.close(0)"))
    one_line(say("chat", before="os.close(0)"))  # what is missing first may be a loudspeaker


def test_a_standard_input_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    not_for_reading = os.open(os.devnull, os.O_WRONLY)
    try:
        told = one_line(say("say", "-", "-o", tmp_path / "a.wav", stdin=not_for_reading))
    finally:
        os.close(not_for_reading)
    assert "standard input" in told
    assert list(tmp_path.iterdir()) == []


def test_a_closed_standard_output_is_one_line() -> None:
    assert "closed" in one_line(say("say", "Hello.", "-o", "-", before="os.close(1)"))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_output_without_a_letter_shows_its_number(encoding: str) -> None:
    done = say("text", "-", stdin="Schöne Grüße, 東京.".encode(), PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert b"\\u6771" in done.stdout
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("text", "-"), ("--version",)])
def test_a_full_standard_output_is_one_line(arguments: tuple[str, ...]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = say(*arguments, stdin=b"Hello there.", stdout=full)
    finally:
        os.close(full)
    assert "No space left" in one_line(done)


def test_a_reader_that_has_enough_is_no_traceback() -> None:
    with subprocess.Popen(
        command("say", " ".join(["word"] * 200) + ".", "-o", "-"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(100)
        process.stdout.close()
        told = process.stderr.read()
    assert b"Traceback" not in told
    assert told.count(b"\n") <= 1

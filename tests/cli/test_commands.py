"""The commands, with a fake engine and, for what a user would see, in a process of their own."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.request
import wave
from pathlib import Path
from typing import Any

import pytest
from support.fakes import FakeEngine
from typer.testing import CliRunner, Result

from voiceagent.cli import commands as cli
from voiceagent.errors import AudioDeviceError, ModelError

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine(threaded=True)
    monkeypatch.setattr("voiceagent.agent.load_engine", lambda *_: fake)
    return fake


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments], input=stdin)


def refused(*arguments: object) -> str:
    """The one line that a mistake gives."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert result.stderr.count("\n") == 1
    return result.stderr


def length_s(path: Path) -> float:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        frames: int = file.getnframes()
    return frames / 24_000


def test_say_writes_a_file(engine: FakeEngine, tmp_path: Path) -> None:
    result = run("say", "Hello there.", "-o", tmp_path / "a.wav", "--seed", 7, "--speed", 1.5, "--steps", 4)
    assert result.exit_code == 0, result.output
    assert length_s(tmp_path / "a.wav") == pytest.approx(0.4)
    options = engine.options[1]
    assert (options.voice, options.seed, options.speed, options.steps) == ("heart", 7, 1.5, 4)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_say_speaks_standard_input(engine: FakeEngine, tmp_path: Path) -> None:
    result = run("say", "-", "-o", tmp_path / "a.wav", stdin="Hello there. Schöne Grüße.".encode())
    assert result.exit_code == 0, result.output
    assert length_s(tmp_path / "a.wav") == pytest.approx(0.8)


async def test_standard_input_is_taken_while_it_is_typed() -> None:
    from voiceagent.cli.say import as_typed

    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source:
        pieces = as_typed(source)
        os.write(writing, "Hello th\N{LATIN SMALL LETTER E WITH ACUTE}".encode()[:-1])
        assert await asyncio.wait_for(anext(pieces), 5) == "Hello th"
        os.write(writing, b"\xa9re")
        assert await asyncio.wait_for(anext(pieces), 5) == "ére"
        os.write(writing, b"\xff")
        os.close(writing)
        assert "".join([piece async for piece in pieces]) == "\ufffd"


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("One.\nTwo three.\n", ["0001.wav", "0002.wav"]),
        ("One.\r\n\r\nThree.\r\n", ["0001.wav", "0003.wav"]),
        ("\ufeffa-1\tOne.\nb.2\tTwo.\n", ["a-1.wav", "b.2.wav"]),
        ("größe\tOne.", ["größe.wav"]),
    ],
)
def test_say_from_speaks_every_line(engine: FakeEngine, tmp_path: Path, content: str, names: list[str]) -> None:
    source = tmp_path / "lines.txt"
    source.write_text(content, encoding="utf-8")
    result = run("say", "--from", source, "--out", tmp_path / "new" / "out")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == names
    assert all(length_s(tmp_path / "new" / "out" / name) > 0 for name in names)


def test_a_line_without_words_is_warned_about(engine: FakeEngine, tmp_path: Path) -> None:
    source = tmp_path / "lines.tsv"
    source.write_text("a\tOne.\nb\t\nc\tThree.\n")
    result = run("say", "--from", source, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "b: nothing in this text can be spoken" in result.stderr
    assert length_s(tmp_path / "out" / "c.wav") > 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tOne.\na\tTwo.\n", "line 2: the id 'a' is that of line 1"),
        ("../../up\tOne.\n", "is no file name"),
        ("/etc/x\tOne.\n", "is no file name"),
        ("a\\b\tOne.\n", "is no file name"),
        ("..\tOne.\n", "is no file name"),
        ("a\x00b\tOne.\n", "is no file name"),
        (f"{'a' * 300}\tOne.\n", "more than 200 bytes"),
        ("\tOne.\n", "the id is empty"),
        ("a\tOne.\nno tab\n", "line 2: no tab"),
        ("", "no lines"),
        ("\n \n", "no lines"),
    ],
)
def test_files_of_lines_that_cannot_be_obeyed(engine: FakeEngine, tmp_path: Path, content: str, message: str) -> None:
    source = tmp_path / "lines.tsv"
    source.write_text(content)
    assert message in refused("say", "--from", source, "--out", tmp_path / "out")
    assert not engine.spoken


def test_lines_that_were_spoken_stay_when_a_later_one_fails(engine: FakeEngine, tmp_path: Path) -> None:
    engine.fail_on = "bad"
    source = tmp_path / "lines.tsv"
    source.write_text("a\tOne.\nb\tbad.\nc\tThree.\n")
    result = run("say", "--from", source, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "told to fail" in result.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.wav"]


def test_what_say_cannot_do(engine: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "file").write_text("x\n")
    wav = tmp_path / "a.wav"
    assert "nothing to say" in refused("say")
    assert "empty" in refused("say", " ", "-o", wav)
    assert "no such file" in refused("say", "--from", tmp_path / "absent", "--out", tmp_path).lower()
    assert "is a directory" in refused("say", "--from", tmp_path, "--out", tmp_path).lower()
    assert "not UTF-8" in refused("say", "--from", tmp_path / "binary", "--out", tmp_path)
    assert "--out DIR" in refused("say", "--from", tmp_path / "file")
    assert "not with a text" in refused("say", "Hello.", "--from", tmp_path / "file", "--out", tmp_path)
    assert "goes with --from" in refused("say", "Hello.", "--out", tmp_path)
    assert "cannot make the folder" in refused("say", "--from", tmp_path / "file", "--out", tmp_path / "file")
    assert "no folder" in refused("say", "Hello.", "-o", tmp_path / "absent" / "a.wav")
    assert "is a folder" in refused("say", "Hello.", "-o", tmp_path)
    assert "File name too long" in refused("say", "Hello.", "-o", tmp_path / ("x" * 300))
    assert "voices here: heart, joe" in refused("say", "Hello.", "-o", wav, "--voice", "nobody")
    assert "speed" in refused("say", "Hello.", "-o", wav, "--speed", 9)
    assert "speed" in refused("say", "Hello.", "-o", wav, "--speed", "nan")
    assert "steps" in refused("say", "Hello.", "-o", wav, "--steps", 0)
    assert "seed" in refused("say", "Hello.", "-o", wav, "--seed", -1)
    assert not wav.exists()
    assert run("say", "Hello.", "-o", wav).exit_code == 0


@pytest.mark.parametrize("text", ["a", "...", "?!", "😀😀", "привет", "a\x00b", "\udce4", "word " * 4000])
def test_odd_texts_are_spoken_or_warned_about(engine: FakeEngine, tmp_path: Path, text: str) -> None:
    result = run("say", text, "-o", tmp_path / "a.wav")
    assert result.exit_code == 0, result.output
    assert length_s(tmp_path / "a.wav") > 0 or "nothing in this text" in result.stderr


def test_missing_weights_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(*_: object) -> FakeEngine:
        raise ModelError("no weights in voices: install the package again")

    monkeypatch.setattr("voiceagent.agent.load_engine", absent)
    assert "no weights" in refused("say", "Hello.", "-o", tmp_path / "a.wav")
    assert not list(tmp_path.iterdir())


def test_no_loudspeaker_names_the_way_out(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> Any:
        raise AudioDeviceError("no PortAudio library: apt-get install libportaudio2")

    monkeypatch.setattr("voiceagent.adapters.sound.sound_cards.load_sounddevice", absent)
    assert "-o out.wav" in refused("say", "Hello.")


def test_a_door_that_cannot_be_opened_is_one_line_and_nothing_stays_frozen(engine: FakeEngine, tmp_path: Path) -> None:
    config = tmp_path / "serve.toml"
    config.write_text('[wyoming]\nenabled = true\nhost = "203.0.113.1"\n')  # of TEST-NET-3, which no machine has
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert "see [wyoming] host" in refused("serve", "--port", 0, "--config", config)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert gc.get_freeze_count() == 0  # libraries print what is still there at the end as leaked


def test_a_port_in_use_is_one_line(engine: FakeEngine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} is in use" in refused("serve", "--port", port)


def test_settings_that_are_wrong_name_the_right_ones(tmp_path: Path) -> None:
    config = tmp_path / "serve.toml"
    config.write_text("prot = 1\n")
    assert "valid keys: host, port" in refused("serve", "--config", config)
    config.write_text("[limits]\nframe_ms = 5\n")
    assert "frame_ms" in refused("serve", "--config", config)
    config.write_text("port = [")
    assert "not TOML" in refused("serve", "--config", config)
    assert "cannot read" in refused("serve", "--config", tmp_path / "absent.toml")
    assert "port" in refused("serve", "--port", 70_000)


def test_the_settings_that_ship_are_the_defaults() -> None:
    from voiceagent.settings.serve import ServeConfig, load_serve_config

    assert load_serve_config(ROOT / "configs" / "serve.toml") == ServeConfig()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_serve_speaks_and_ends_in_order_when_told_to(number: signal.Signals) -> None:
    program = textwrap.dedent("""
        import signal, sys
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may ignore them
        sys.path.insert(0, sys.argv.pop(1))
        import voiceagent.agent
        from support.fakes import FakeEngine
        voiceagent.agent.load_engine = lambda *_: FakeEngine(threaded=True)
        from voiceagent.cli.commands import main
        main()
    """)
    command = [sys.executable, "-c", program, str(ROOT / "tests"), "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        address = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
        assert address is not None
        with urllib.request.urlopen(f"http://{address[0]}/healthz", timeout=10) as answer:
            assert json.load(answer)["status"] == "ok"
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in errors


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "tts.example"])
def test_serve_on_an_address_of_others_needs_a_key_or_a_word(host: str, engine: FakeEngine, tmp_path: Path) -> None:
    told = refused("serve", "--host", host, "--port", 0)
    assert "voiceagent key NAME" in told
    assert "--without-key" in told
    (tmp_path / "keys.toml").write_text('auth_tokens = ["k"]\n')
    (tmp_path / "meant.toml").write_text("without_key = true\n")
    for allowed in (("--without-key",), ("--config", tmp_path / "keys.toml"), ("--config", tmp_path / "meant.toml")):
        absent = run("serve", "--host", "192.0.2.1", "--port", 0, *allowed)  # no address of this machine
        assert "cannot listen on 192.0.2.1" in absent.stderr


def test_doctor_names_what_is_missing_and_the_mend(tmp_path: Path) -> None:
    result = run("doctor", "--weights", tmp_path)
    assert result.exit_code == 1
    for word in ("python", "cores", "device", "audio", "weights", "extra"):
        assert word in result.output
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00\x00")
    assert "cannot be read" in " ".join(run("doctor", "--weights", tmp_path).output.split())


def test_bench_and_text_refuse_what_is_not_there(tmp_path: Path) -> None:
    assert "quality, first_word, settings, latency" in refused("bench", "beauty")
    assert "no such file" in refused("text", tmp_path / "absent")


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("Dinner is ready.", "there is no such file"),
        ("A long sentence. " * 30, "File name too long"),
        ("x" * 300, "too long"),
    ],
)
def test_a_text_in_place_of_its_file_is_told_where_texts_go(argument: str, reason: str) -> None:
    told = refused("text", argument)
    assert reason in told
    assert "echo ... | voiceagent text -" in told


def test_files_that_cannot_be_read_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (loop := tmp_path / "loop").symlink_to(loop)
    assert f"cannot read {loop}: Too many levels" in refused("text", loop)
    assert "not a regular file" in refused("text", os.devnull)
    secret = tmp_path / "secret notes"
    secret.write_text("Hello.", encoding="utf-8")

    def refuse(*_: object, **__: object) -> None:  # root may read everything
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert refused("text", secret) == f"voiceagent: cannot read {secret}: Permission denied\n"


def test_version() -> None:
    assert run("--version").output.startswith("voiceagent 0.")


@pytest.mark.parametrize(
    ("name", "heavy"),
    [("voiceagent", ("torch", "numpy", "soxr", "starlette")), ("voiceagent.engine.engine", ("triton",))],
)
def test_import_is_light(name: str, heavy: tuple[str, ...]) -> None:
    program = f"import sys, {name}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_names_exist() -> None:
    import voiceagent

    assert all(getattr(voiceagent, name) is not None for name in voiceagent.__all__)
    with pytest.raises(AttributeError):
        _ = voiceagent.nothing


def test_text_shows_what_will_be_said_and_why(tmp_path: Path) -> None:
    written = "It costs **$5.50** today. Thanks!"
    file, words = tmp_path / "answer.md", tmp_path / "words.toml"
    file.write_text(written, encoding="utf-8")
    rows = [json.loads(line) for line in run("text", file).stdout.splitlines()]
    assert "".join(row["text"] for row in rows) == written
    assert "five dollars and fifty cents" in " ".join(row["spoken"] for row in rows)
    assert all(written[span["start"] : span["end"]] for row in rows for span in row["spans"])
    assert [json.loads(line) for line in run("text", "-", stdin=written.encode()).stdout.splitlines()] == rows
    assert "no such file" in refused("text", tmp_path / "nothing.md")
    words.write_text("= broken", encoding="utf-8")
    assert "lexicon" in refused("text", file, "--lexicon", words)


def test_a_lexicon_says_how_words_are_said(engine: FakeEngine, tmp_path: Path) -> None:
    words = tmp_path / "words.toml"
    words.write_text('[words]\nSQL = "structured query language"\n', encoding="utf-8")
    assert run("say", "Use SQL now.", "-o", tmp_path / "short.wav").exit_code == 0
    assert run("say", "Use SQL now.", "-o", tmp_path / "long.wav", "--lexicon", words).exit_code == 0
    assert length_s(tmp_path / "long.wav") == pytest.approx(length_s(tmp_path / "short.wav") * 5 / 3)
    assert "lexicon" in refused("say", "Hello.", "-o", tmp_path / "b.wav", "--lexicon", tmp_path / "nothing.toml")
    assert "lexicon" in refused("serve", "--port", 0, "--lexicon", tmp_path / "nothing.toml")


def test_a_made_key_opens_the_door_and_is_not_in_the_settings(tmp_path: Path) -> None:
    from voiceagent.service.keys import KeyRing
    from voiceagent.settings.serve import load_serve_config

    made = run("key", "kitchen 2", "--max-utterances", 4, "--chars-per-minute", 600)
    assert made.exit_code == 0, made.output
    shown = re.search(r"va_[\w-]+", made.stderr)
    assert shown is not None
    assert shown[0] not in made.stdout  # what goes into the file
    (tmp_path / "serve.toml").write_text("[limits]\nmax_open = 3\n" + made.stdout)
    settings = load_serve_config(tmp_path / "serve.toml")
    assert [(key.name, key.max_utterances, key.chars_per_minute) for key in settings.keys] == [("kitchen 2", 4, 600)]
    assert KeyRing(settings).find([shown[0]])
    assert settings.needs_key
    assert "letters" in refused("key", "a\nb")

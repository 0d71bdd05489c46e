"""`voiceagent chat` and `voiceagent talk` as a user starts them, with the fake engine and cards that are files."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from support.cards import alsa, played, record, require_portaudio
from support.fake_llm import FakeLlm, llm_server
from support.fakes import FakeEngine
from support.spoken import QUESTION, silence, spoken
from typer.testing import CliRunner

from voiceagent.cli import commands as cli

require_portaudio()
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def llm_thread() -> Iterator[FakeLlm]:
    """A model that a command can reach while this process waits for it."""
    llm, ready, over = FakeLlm(), threading.Event(), threading.Event()

    async def serve() -> None:
        async with llm_server(llm):
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(10)
    yield llm
    over.set()
    thread.join()


PROGRAM = textwrap.dedent("""
    import signal, sys
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background of a shell
    sys.path.insert(0, sys.argv.pop(1))
    import voiceagent.agent
    import voiceagent.adapters.sound.sound_cards as sound_cards
    from support.cards import Paced
    from support.fakes import FakeEngine
    voiceagent.agent.load_engine = lambda *_: FakeEngine(threaded=True)
    real = sound_cards.load_sounddevice
    sound_cards.load_sounddevice = lambda: Paced(real())
    from voiceagent.cli.commands import main
    main()
""")


@contextmanager
def start(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, with the cards of the tests."""
    with alsa(folder):
        environment = {**os.environ, "ALSA_CONFIG_PATH": str(folder / "alsa.conf")}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(ROOT / "tests"), *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()  # where a test has failed it would never end


def test_the_command_answers_what_is_typed(llm_thread: FakeLlm, tmp_path: Path) -> None:
    llm_thread.api_key = "secret"
    options = ("--llm-url", llm_thread.url, "--model", "m", "--api-key", "secret", "--system", "Be kind.")
    with start(tmp_path, "chat", *options) as process:
        out, errors = process.communicate("Hi.\nBye.\n", timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert out == "Hello there.\nHello there.\n"
    assert [message["content"] for message in llm_thread.requests[1]["messages"]] == [
        "Be kind.", "Hi.", "Hello there.", "Bye.",
    ]  # fmt: skip


def test_the_command_obeys_ctrl_c(llm_thread: FakeLlm, tmp_path: Path) -> None:
    llm_thread.tokens, llm_thread.token_s = ["One two three. "] * 10_000, 0.005
    with start(tmp_path, "chat", "--llm-url", llm_thread.url) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("Count!\n")
        process.stdin.flush()
        assert process.stdout.read(4) == "One "
        process.send_signal(signal.SIGINT)
        while process.stdout.read(1) != "\n":
            pass
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert llm_thread.cut_off == 1


@pytest.mark.weights
@pytest.mark.parametrize("duplex", ["half", "echo"])
def test_the_command_hears_a_question_and_speaks_the_answer(llm_thread: FakeLlm, tmp_path: Path, duplex: str) -> None:
    record(tmp_path, np.concatenate([silence(0.5), spoken()[QUESTION], silence(3)]))
    devices = ("--microphone", "microphone", "--device", "speaker")
    with start(tmp_path, "talk", "--llm-url", llm_thread.url, "--duplex", duplex, *devices) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "you: what time is it\n"
        assert process.stdout.readline() == "agent: Hello there.\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert np.count_nonzero(played(tmp_path)) == 2 * 4800


def test_what_the_commands_cannot_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voiceagent.agent.load_engine", lambda *_: FakeEngine(threaded=True))
    with alsa(tmp_path):
        for arguments, words in (
            (["chat", "--llm-url", "localhost"], "looks like http://"),
            (["chat", "--device", "gramophone"], "choose among"),
            (["chat", "--speed", "9"], "speed"),
            (["chat", "--voice", "nobody"], "voices here: heart, joe"),
            (["chat", "--vllm", "m", "--model", "n"], "leave --model out"),
            (["talk", "--recogniser", "parrot"], "no recogniser 'parrot'"),
            (["talk", "--recogniser", f"whisper:{tmp_path}"], "cannot be loaded"),
            (["talk", "--microphone", "gramophone"], "choose among"),
        ):
            result = CliRunner().invoke(cli.app, arguments)
            assert result.exit_code == 2, (arguments, result.output)
            assert words in result.stderr
            assert "Traceback" not in result.output

"""`make demo` without weights: the file is written, the figures are printed, and a missing loudspeaker is no failure."""

from __future__ import annotations

import asyncio
import runpy
import wave
from pathlib import Path

import pytest
from support.fakes import FakeChunker, FakeEngine

from voiceagent import AudioDeviceError, agent
from voiceagent.adapters.sound import local_audio

DEMO = Path(__file__).resolve().parent.parent.parent / "demos" / "say_hello.py"


def test_the_demo_speaks_into_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_sound_card(_: object = None) -> None:
        raise AudioDeviceError("no sound card that can play")

    monkeypatch.setattr(agent, "load_engine", lambda *_, **__: FakeEngine(threaded=True))
    defaults = {**(agent.VoiceAgent.__init__.__kwdefaults__ or {}), "make_chunker": FakeChunker}
    monkeypatch.setattr(agent.VoiceAgent.__init__, "__kwdefaults__", defaults)
    monkeypatch.setattr(local_audio, "Loudspeaker", no_sound_card)
    monkeypatch.chdir(tmp_path)
    asyncio.run(runpy.run_path(str(DEMO))["main"]())
    out = capsys.readouterr().out
    assert "first sound after" in out
    assert "real-time factor" in out
    assert "not played: no sound card" in out
    with wave.open(str(tmp_path / "demo.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        assert file.getnframes() > 24_000

"""`voiceagent edit` and `VoiceAgent.edit`, as a user meets them."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.fakes import FakeEngine
from support.tiny_voice import tiny_voices
from typer.testing import CliRunner

from voiceagent import VoiceAgent
from voiceagent.cli.commands import app
from voiceagent.editing import transcript
from voiceagent.errors import InputError, UnknownVoice
from voiceagent.model.lm.aligner import Aligner, AlignerConfig
from voiceagent.model.weights import save, save_aligner

SAID, WANTED = "one two three", "one many three"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("voices")
    save(path, tiny_voices())
    save_aligner(path, Aligner(AlignerConfig()))
    return path


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrained aligner agrees with nothing."""
    monkeypatch.setattr(transcript, "FIT", -1e9)
    monkeypatch.setattr(transcript, "UNSAID", -1e9)


def write_wave(path: Path, *, seconds: float = 2.0, channels: int = 1, rate: int = 24_000) -> np.ndarray:
    pcm = np.random.default_rng(0).integers(-4_000, 4_000, round(seconds * rate) * channels, dtype=np.int16)
    pcm[100] = -32768  # the one value that a trip through floats may change
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())
    return pcm


def read_wave(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def edit(folder: Path, source: Path, out: Path, *more: str, said: str = SAID, to: str = WANTED) -> tuple[int, str]:
    arguments = ["edit", str(source), "--transcript", said, "--to", to, "-o", str(out), "--weights", str(folder), *more]
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


@pytest.mark.usefixtures("trusting")
def test_what_is_not_edited_has_the_same_bits(folder: Path, tmp_path: Path) -> None:
    before = write_wave(tmp_path / "in.wav")
    status, output = edit(folder, tmp_path / "in.wav", tmp_path / "out.wav")
    assert status == 0, output
    assert "made anew" in output
    after = read_wave(tmp_path / "out.wav")
    head = next(i for i in range(min(len(before), len(after))) if before[i] != after[i])
    tail = next(i for i in range(1, min(len(before), len(after))) if before[-i] != after[-i])
    assert head > 500
    assert tail > 500


@pytest.mark.usefixtures("trusting")
def test_other_rates_are_resampled_and_it_is_said(folder: Path, tmp_path: Path) -> None:
    write_wave(tmp_path / "in.wav", rate=16_000)
    status, output = edit(folder, tmp_path / "in.wav", tmp_path / "out.wav")
    assert status == 0, output
    assert "resampled" in output


@pytest.mark.parametrize(
    ("make", "said", "to", "fix"),
    [
        (lambda p: None, SAID, WANTED, "there is no such file"),
        (lambda p: p.write_bytes(b"RIFF1234WAVEjunk"), SAID, WANTED, "not a PCM WAV file"),
        (lambda p: write_wave(p, channels=2), SAID, WANTED, "make it mono"),
        (lambda p: write_wave(p, seconds=0.01), SAID, WANTED, "of 0.1 to 120 s"),
        (lambda p: write_wave(p), "", WANTED, "transcript is empty"),
        (lambda p: write_wave(p), SAID, " ", "nothing left to say"),
    ],
    ids=["no file", "no wave", "stereo", "too short", "no transcript", "no text"],
)
def test_bad_input_is_one_line_that_names_the_fix(
    folder: Path, tmp_path: Path, make: object, said: str, to: str, fix: str
) -> None:
    make(tmp_path / "in.wav")  # type: ignore[operator]
    status, output = edit(folder, tmp_path / "in.wav", tmp_path / "out.wav", said=said, to=to)
    assert status == 2
    assert fix in " ".join(output.split())
    assert not (tmp_path / "out.wav").exists()


def test_a_transcript_that_does_not_fit_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcript, "FIT", 1e9)  # an untrained aligner has no opinion; with this nothing fits
    write_wave(tmp_path / "in.wav")
    status, output = edit(folder, tmp_path / "in.wav", tmp_path / "out.wav")
    assert status == 2
    assert "does not fit the recording at 'one', 'two', 'three'" in " ".join(output.split())
    assert not (tmp_path / "out.wav").exists()


@pytest.mark.usefixtures("trusting")
async def test_editing_in_python(folder: Path) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 48_000).astype(np.float32)
    async with VoiceAgent(FakeEngine(), weights=folder) as agent:
        clip = await agent.edit(samples, SAID, WANTED, voice="joe")
        assert np.array_equal(clip.samples[:1_000], samples[:1_000])
        mistakes: list[Any] = [np.zeros((2, 48_000)), np.zeros(48_000, np.int16), np.full(48_000, np.nan)]
        for wrong in mistakes:
            with pytest.raises(InputError, match="a row of mono samples"):
                await agent.edit(wrong, SAID, WANTED)
        with pytest.raises(UnknownVoice):
            await agent.edit(samples, SAID, WANTED, voice="nobody")
        with pytest.raises(InputError, match="transcript is empty"):
            await agent.edit(samples, "", WANTED)

"""Loudspeaker and microphone through the real PortAudio and ALSA, onto and from files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from support.cards import Paced, Samples, alsa, played, record, require_portaudio
from support.fakes import FakeEngine
from typer.testing import CliRunner

from voiceagent.adapters.sound.local_audio import WAITING_BLOCKS, Loudspeaker, Microphone
from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.cli import commands as cli
from voiceagent.errors import AudioDeviceError
from voiceagent.talk.turns import HEARING_RATE_HZ

require_portaudio()


@pytest.fixture
def sounddevice(tmp_path: Path) -> Iterator[Any]:
    record(tmp_path, np.zeros(0, np.float32))
    with alsa(tmp_path) as module:
        yield module


def tone(seconds: float, rate_hz: int = SAMPLE_RATE_HZ) -> Samples:
    """A chord that is nowhere silent for long."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.3 * np.cos(2 * np.pi * 220 * t) + 0.2 * np.cos(2 * np.pi * 331 * t)).astype(np.float32)


def sound_in(samples: Samples) -> Samples:
    """Without the silence before and after."""
    loud = np.flatnonzero(samples)
    return samples[loud[0] : loud[-1] + 1]


async def test_every_sample_is_played_once_and_in_order(sounddevice: Any, tmp_path: Path) -> None:
    speech = tone(0.6)
    async with Loudspeaker(Paced(sounddevice), device="speaker") as loudspeaker:
        for frame in np.split(speech, 6):
            await loudspeaker.play(frame)
        await loudspeaker.drain()
        assert loudspeaker.played_s == pytest.approx(0.6)
        assert loudspeaker.underruns == 0
        assert not loudspeaker.sounding
    np.testing.assert_array_equal(sound_in(played(tmp_path)), speech)


async def test_a_card_that_refuses_our_rate_gets_its_own(sounddevice: Any, tmp_path: Path) -> None:
    card = Paced(sounddevice, refused_hz=(SAMPLE_RATE_HZ,), owned_hz=44_100)
    speech = tone(0.6)
    async with Loudspeaker(card, device="speaker") as loudspeaker:
        assert loudspeaker.sample_rate == 44_100
        for frame in np.split(speech, 6):
            await loudspeaker.play(frame)
    expected = soxr.resample(speech, SAMPLE_RATE_HZ, 44_100)
    out = played(tmp_path)
    begin = int(np.flatnonzero(out)[0])
    np.testing.assert_allclose(out[begin : begin + len(expected)], expected, atol=1e-6)
    assert not out[begin + len(expected) :].any()


@pytest.mark.parametrize("refused_hz", [(), (SAMPLE_RATE_HZ,)], ids=["24 kHz", "48 kHz"])
async def test_silence_within_50_ms_of_a_stop(sounddevice: Any, tmp_path: Path, refused_hz: tuple[int, ...]) -> None:
    card = Paced(sounddevice, refused_hz=refused_hz, owned_hz=48_000)
    async with Loudspeaker(card, device="speaker") as loudspeaker:
        await loudspeaker.play(tone(1.5))
        await asyncio.sleep(0.3)
        loudspeaker.stop()
        at_frame, in_the_card_s = card.frames, float(loudspeaker._stream.latency)
        await asyncio.sleep(0.2)
        heard_s = loudspeaker.played_s
    out = played(tmp_path)
    last = int(np.flatnonzero(out)[-1])
    assert (last - at_frame) / loudspeaker.sample_rate + in_the_card_s < 0.05
    assert 0.1 < heard_s < 1.0
    assert abs(out[last]) < 0.02, "cut inside a wave instead of faded out"


async def test_after_a_stop_the_next_speech_is_whole(sounddevice: Any, tmp_path: Path) -> None:
    card = Paced(sounddevice, refused_hz=(SAMPLE_RATE_HZ,), owned_hz=48_000)
    async with Loudspeaker(card, device="speaker") as loudspeaker:
        await loudspeaker.play(tone(1.5))
        loudspeaker.stop()
        await asyncio.sleep(0.1)
        begin = card.frames
        await loudspeaker.play(tone(0.3))
        await loudspeaker.drain()
    expected = soxr.resample(tone(0.3), SAMPLE_RATE_HZ, 48_000)
    out = played(tmp_path)[begin:]
    first = int(np.flatnonzero(out)[0])
    np.testing.assert_allclose(out[first : first + len(expected)], expected, atol=1e-6)


async def test_running_empty_in_the_middle_is_counted(sounddevice: Any) -> None:
    async with Loudspeaker(sounddevice, device="nowhere") as loudspeaker:
        for _ in range(2):
            await loudspeaker.play(tone(0.05))
            await asyncio.sleep(0.1)  # this device takes samples as fast as it gets them
        assert loudspeaker.underruns == 2
        await loudspeaker.play(tone(0.05))
        await loudspeaker.drain()
    assert loudspeaker.underruns == 2


async def test_a_long_text_waits_instead_of_growing(sounddevice: Any) -> None:
    async with Loudspeaker(Paced(sounddevice), device="nowhere") as loudspeaker:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loudspeaker.play(tone(60.0)), 0.2)
        assert loudspeaker._buffer.buffered_s <= 2.0
        loudspeaker.stop()


def test_devices_are_chosen_by_number_or_name(sounddevice: Any) -> None:
    by_name = Loudspeaker(sounddevice, device="speak").device
    assert by_name.name == "speaker"
    assert Loudspeaker(sounddevice, device=str(by_name.index)).device == by_name
    assert Loudspeaker(sounddevice).device.name == "default"
    for wrong in ("gramophone", "99"):
        with pytest.raises(AudioDeviceError, match=r"no sound card '.*choose among \d '"):
            Loudspeaker(sounddevice, device=wrong)
    with pytest.raises(AudioDeviceError, match="that can record: choose among"):
        Microphone(sounddevice, device="gramophone")


def test_doctor_lists_the_devices(sounddevice: Any, tmp_path: Path) -> None:
    out = CliRunner().invoke(cli.app, ["doctor", "--weights", str(tmp_path)]).output
    assert "audio output" in out
    assert "audio input" in out
    index = Loudspeaker(sounddevice, device="speaker").device.index
    assert f"{index} speaker" in out


def test_say_takes_a_device(sounddevice: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voiceagent.agent.load_engine", lambda *_: FakeEngine(threaded=True))
    done = CliRunner().invoke(cli.app, ["say", "Hello there.", "--device", "speaker"])
    assert done.exit_code == 0, done.output
    assert np.count_nonzero(played(tmp_path)) == 2 * 4800
    refused = CliRunner().invoke(cli.app, ["say", "Hello there.", "--device", "gramophone"])
    assert refused.exit_code == 2
    assert "choose among" in refused.stderr
    assert "-o out.wav" in refused.stderr


@pytest.mark.parametrize("refused_hz", [(), (HEARING_RATE_HZ,)], ids=["16 kHz", "48 kHz"])
async def test_the_microphone_hears_what_was_said(
    sounddevice: Any, tmp_path: Path, refused_hz: tuple[int, ...]
) -> None:
    rate_hz = 48_000 if refused_hz else HEARING_RATE_HZ
    record(tmp_path, tone(0.5, rate_hz))
    heard: list[Samples] = []
    async with Microphone(
        Paced(sounddevice, refused_hz=refused_hz, owned_hz=48_000), device="microphone"
    ) as microphone:
        async for block in microphone:
            heard.append(block)
            if sum(map(len, heard)) > 0.6 * HEARING_RATE_HZ:
                break
        assert microphone.overruns == 0
    expected = tone(0.5, rate_hz)
    if refused_hz:
        expected = soxr.resample(np.concatenate([expected, np.zeros(48_000, np.float32)]), rate_hz, HEARING_RATE_HZ)
    n = HEARING_RATE_HZ // 2
    np.testing.assert_allclose(np.concatenate(heard)[:n], expected[:n], atol=1e-6)


async def test_nobody_listening_costs_bounded_memory(sounddevice: Any) -> None:
    async with Microphone(sounddevice, device="microphone") as microphone:  # as fast as it can
        await asyncio.sleep(0.5)
        assert microphone._blocks.qsize() <= WAITING_BLOCKS
        assert microphone.overruns > 0

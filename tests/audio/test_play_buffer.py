from __future__ import annotations

import threading
import time
from collections import deque
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import FakeChunker, FakeEngine

from voiceagent import VoiceAgent
from voiceagent.adapters.sound.local_audio import Loudspeaker
from voiceagent.audio.play_buffer import PlayBuffer
from voiceagent.cli.say import aloud
from voiceagent.errors import AudioDeviceError
from voiceagent.options import SpeakOptions


class PortAudioError(Exception):
    pass


class FakeCard:
    """Stands for the sounddevice module: a thread pulls blocks, faster than real time."""

    PortAudioError = PortAudioError

    def __init__(self, *, devices: bool = True, opens: bool = True, speed: float = 20.0) -> None:
        self.devices, self.opens, self.speed = devices, opens, speed
        self.played: list[Any] = []

    def query_devices(self, device: object = None, kind: str | None = None) -> dict[str, Any]:
        if not self.devices:
            raise PortAudioError("no default output device")
        return {"index": 0, "name": "fake card", "default_samplerate": 24_000.0, "max_output_channels": 2}

    def OutputStream(self, *, samplerate: int, callback: Any, **_: Any) -> SimpleNamespace:  # noqa: N802  its name
        if not self.opens:
            raise PortAudioError("device busy")
        stop = threading.Event()

        def run() -> None:
            while not stop.is_set():
                block = np.zeros((240, 1), np.float32)
                callback(block, 240, None, None)
                self.played.append(block[:, 0])
                time.sleep(240 / samplerate / self.speed)

        thread = threading.Thread(target=run)

        def close() -> None:
            stop.set()
            thread.join()

        return SimpleNamespace(
            start=thread.start, stop=lambda: None, close=close, latency=0.05, samplerate=samplerate, active=True
        )


def test_a_buffer_gives_back_what_was_put_in_and_silence_after() -> None:
    buffer = PlayBuffer()
    buffer.put(np.arange(1, 6, dtype=np.float32))
    buffer.put(np.zeros(0, np.float32))
    buffer.put(np.arange(6, 9, dtype=np.float32))
    assert buffer.buffered_s == 8 / 24_000
    assert buffer.pull(3).tolist() == [1, 2, 3]
    assert buffer.pull(4).tolist() == [4, 5, 6, 7]
    assert buffer.pull(3).tolist() == [8, 0, 0]
    assert buffer.pull(3).tolist() == [0, 0, 0]
    assert buffer.underruns == 1
    buffer.put(np.ones(1, np.float32))
    buffer.finish()
    buffer.pull(2)
    assert buffer.underruns == 1


@given(
    st.lists(st.tuples(st.sampled_from(["put", "pull", "drop"]), st.integers(0, 40)), max_size=60),
    st.integers(1, 50),
)
def test_a_ring_is_a_queue_with_an_end(steps: list[tuple[str, int]], capacity: int) -> None:
    buffer = PlayBuffer(1_000, capacity / 1_000)
    waiting: deque[float] = deque()
    number = pulled = 0
    for what, n in steps:
        if what == "put":
            taken = buffer.put(np.arange(number + 1, number + 1 + n, dtype=np.float32))
            assert taken == min(n, capacity - len(waiting))
            waiting.extend(float(i) for i in range(number + 1, number + 1 + taken))
            number += taken
        elif what == "drop":
            buffer.drop()
            fade = np.linspace(1, 0, min(5, len(waiting)), dtype=np.float32)
            waiting = deque(float(np.float32(waiting[i]) * fade[i]) for i in range(len(fade)))
        else:
            count = min(n, len(waiting))
            expected = [waiting.popleft() for _ in range(count)] + [0.0] * (n - count)
            assert buffer.pull(n).tolist() == expected
            pulled += count
    assert buffer.buffered_s == pytest.approx(len(waiting) / 1_000)
    assert buffer.pulled_s == pytest.approx(pulled / 1_000)


def test_dropping_fades_out() -> None:
    buffer = PlayBuffer()
    buffer.put(np.ones(24_000, np.float32))
    buffer.drop()
    assert buffer.buffered_s == 0.005
    assert buffer.pulled_s == 0
    tail = buffer.pull(120)
    assert (tail[0], tail[-1]) == (1.0, 0.0)
    assert np.all(np.diff(tail) <= 0)
    assert buffer.underruns == 0


async def test_everything_is_played_to_its_end() -> None:
    card = FakeCard()
    async with VoiceAgent(FakeEngine(threaded=True), make_chunker=FakeChunker) as agent:
        async with Loudspeaker(card) as loudspeaker:
            await aloud(agent, "One two three.", loudspeaker, SpeakOptions())
        assert loudspeaker.underruns == 0
    assert np.count_nonzero(np.concatenate(card.played)) == 3 * 4800


async def test_an_error_stops_playing_at_once() -> None:
    card = FakeCard()

    async def interrupted() -> None:
        async with Loudspeaker(card) as loudspeaker:
            await loudspeaker.play(np.ones(12_000, np.float32))
            raise KeyError

    with pytest.raises(KeyError):
        await interrupted()
    assert np.count_nonzero(np.concatenate(card.played)) < 12_000


async def test_no_card_and_a_busy_card_are_told() -> None:
    with pytest.raises(AudioDeviceError, match="connect one"):
        Loudspeaker(FakeCard(devices=False))
    with pytest.raises(AudioDeviceError, match="busy"):
        async with Loudspeaker(FakeCard(opens=False)):
            pass


async def test_a_card_that_goes_is_told() -> None:
    card = FakeCard()

    async def unplugged() -> None:
        async with Loudspeaker(card) as loudspeaker:
            loudspeaker._stream.active = False
            await loudspeaker.play(np.ones(10 * 24_000, np.float32))

    with pytest.raises(AudioDeviceError, match="connect it again"):
        await unplugged()

"""The engine with a tiny voice: order, ends, cancel, failure, and audio that does not depend on company."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.tiny_folder import save_tiny

from voiceagent.engine.engine import Engine
from voiceagent.errors import NoCapacity, UnknownVoice
from voiceagent.options import SpeakOptions
from voiceagent.protocol.outputs import Finished, Notice, Output, Speech
from voiceagent.settings.engine import EngineConfig
from voiceagent.text.chunk import Chunk, Word
from voiceagent.text.phonemes.phonemizer import PhonemeText


def fake_phonemizer(chunk: Chunk) -> PhonemeText:
    """Letters are phonemes; "boom" fails."""
    if "boom" in chunk.spoken:
        raise RuntimeError("boom")
    words, at = [], 0
    for part in chunk.spoken.split():
        start = chunk.text.index(part, at)
        at = start + len(part)
        words.append(Word(part, chunk.start + start, chunk.start + at, part))
    warnings = (*chunk.warnings, "unsayable") if "%" in chunk.text else chunk.warnings
    return PhonemeText(tuple(words), tuple(chunk.lookahead.split()), warnings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voices")
    save_tiny(path)
    return path


@pytest.fixture(params=["onnx", "torch"])
def engine(folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    if request.param == "onnx" and os.environ.get("VOICEAGENT_PRECISION") == "bfloat16":
        monkeypatch.delenv("VOICEAGENT_PRECISION")  # torch's alone
    config = EngineConfig(runtime=request.param, max_streams=3)
    made = Engine(weights=folder, phonemizer=fake_phonemizer, config=config)
    made.start()
    yield made
    made.close()


def chunk(text: str, start: int = 0, *, final: bool = False) -> Chunk:
    return Chunk(text, start, text, "", final)


def outputs(wait: queue.Queue[Output]) -> list[Output]:
    """Everything up to and including the end."""
    got: list[Output] = []
    while not got or not isinstance(got[-1], Finished):
        got.append(wait.get(timeout=20))
    return got


def samples(got: list[Output]) -> np.ndarray:
    return np.concatenate([output.samples for output in got if isinstance(output, Speech)])


def listen() -> tuple[queue.Queue[Output], Callable[[Output], None]]:
    waiting: queue.Queue[Output] = queue.Queue()
    return waiting, waiting.put


def test_chunks_are_spoken_in_order_and_end_once(engine: Engine) -> None:
    waiting, deliver = listen()
    stream = engine.open(SpeakOptions(), deliver)
    engine.speak(stream, chunk("wʌn tu "))
    engine.speak(stream, chunk("θɹi. ", 7))
    engine.speak(stream, chunk("", 12, final=True))
    got = outputs(waiting)
    assert got[-1] == Finished()
    assert sum(output.chunk_done for output in got if isinstance(output, Speech)) == 3
    words = [word for output in got if isinstance(output, Speech) for word in output.words]
    assert [(word.text, word.char_start, word.char_end) for word in words] == [
        ("wʌn", 0, 3),
        ("tu", 4, 6),
        ("θɹi.", 7, 11),
    ]
    assert words[-1].end_s <= len(samples(got)) / engine.sample_rate
    assert np.isfinite(samples(got)).all()


@pytest.mark.parametrize("text", ["", " ", "?!", "\x00", "ʘʘʘ", "a"])
def test_hardly_any_text_still_ends(engine: Engine, text: str) -> None:
    waiting, deliver = listen()
    stream = engine.open(SpeakOptions(), deliver)
    engine.speak(stream, chunk(text, final=True))
    assert outputs(waiting)[-1] == Finished()


def test_audio_does_not_depend_on_company(engine: Engine) -> None:
    def speak(streams: int) -> list[np.ndarray]:
        ears = [listen() for _ in range(streams)]
        numbers = [engine.open(SpeakOptions(seed=7), deliver) for _, deliver in ears]
        for number in numbers:
            engine.speak(number, chunk("ˈæpᵊl tɹˈi ", 0))
            engine.speak(number, chunk("hˈWs. ", 11, final=True))
        return [samples(outputs(waiting)) for waiting, _ in ears]

    alone = speak(1)[0]
    exact = type(engine._synthesizer.model).__name__ == "OnnxModel"
    tolerance = 0.0 if exact else 1e-7  # torch's sines differ by their place
    for other in speak(3):
        assert np.allclose(alone, other, rtol=0.0, atol=tolerance)


def test_cancel_ends_at_once(engine: Engine) -> None:
    waiting, deliver = listen()
    stream = engine.open(SpeakOptions(), deliver)
    engine.speak(stream, chunk("wʌn tu θɹi fɔɹ " * 60, final=True))
    waiting.get(timeout=20)
    engine.cancel(stream)
    began = time.monotonic()
    assert outputs(waiting)[-1] == Finished(cancelled=True)
    assert time.monotonic() - began < 2
    engine.speak(stream, chunk("tu"))  # late text is dropped


def test_a_failure_ends_one_stream_only(engine: Engine) -> None:
    bad, deliver_bad = listen()
    good, deliver_good = listen()
    broken, sound = engine.open(SpeakOptions(), deliver_bad), engine.open(SpeakOptions(), deliver_good)
    engine.speak(broken, chunk("boom", final=True))
    engine.speak(sound, chunk("wʌn", final=True))
    end = outputs(bad)[-1]
    assert isinstance(end, Finished)
    assert end.error == "RuntimeError: boom"
    assert outputs(good)[-1] == Finished()


def test_a_listener_who_is_gone_ends_one_stream_only(engine: Engine) -> None:
    good, deliver_good = listen()

    def gone(_: Output) -> None:
        raise RuntimeError("Event loop is closed")

    left, sound = engine.open(SpeakOptions(), gone), engine.open(SpeakOptions(), deliver_good)
    engine.speak(left, chunk("wʌn", final=True))
    engine.speak(sound, chunk("tu", final=True))
    assert outputs(good)[-1] == Finished()
    for _ in range(3):  # and its place is free again
        engine.cancel(engine.open(SpeakOptions(), deliver_good))


@pytest.mark.parametrize("step", ["close_block", "render"])
def test_a_failure_of_the_codec_ends_one_stream_only(
    engine: Engine, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker = engine._synthesizer
    honest = getattr(speaker, step)

    def failing(*arguments: Any) -> Any:
        said = arguments[0] if step == "render" else [SimpleNamespace(options=arguments[1])]
        if any(one.options.voice == "joe" for one in said):
            raise RuntimeError("broken")
        return honest(*arguments)

    monkeypatch.setattr(speaker, step, failing)
    bad, deliver_bad = listen()
    good, deliver_good = listen()
    streams = [engine.open(SpeakOptions(voice=v), d) for v, d in (("joe", deliver_bad), ("heart", deliver_good))]
    for stream in streams:
        engine.speak(stream, chunk("wʌn tu θɹi", final=True))
    assert outputs(bad)[-1] == Finished(error="RuntimeError: broken")
    assert outputs(good)[-1] == Finished()


def test_unknown_voice_and_no_capacity(engine: Engine) -> None:
    _, deliver = listen()
    with pytest.raises(UnknownVoice, match="heart, joe"):
        engine.open(SpeakOptions(voice="nobody"), deliver)
    streams = [engine.open(SpeakOptions(), deliver) for _ in range(3)]
    with pytest.raises(NoCapacity, match="3 streams"):
        engine.open(SpeakOptions(), deliver)
    for stream in streams:
        engine.cancel(stream)


def test_warnings_of_the_front_end_are_delivered_once(engine: Engine) -> None:
    waiting, deliver = listen()
    stream = engine.open(SpeakOptions(), deliver)
    engine.speak(stream, Chunk("tu %", 0, "tu %", "", True, warnings=("known to the session",)))
    assert [output for output in outputs(waiting) if isinstance(output, Notice)] == [Notice("unsayable")]


def test_closing_ends_what_is_open(folder: Path) -> None:
    engine = Engine(weights=folder, phonemizer=fake_phonemizer)
    engine.start()
    waiting, deliver = listen()
    engine.open(SpeakOptions(), deliver)
    engine.close()
    assert outputs(waiting)[-1] == Finished(cancelled=True)

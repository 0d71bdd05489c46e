"""What the engine makes of faults of its own: sound that is none, errors that are for the log alone, a thread that ends."""

from __future__ import annotations

import logging
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.session_client import Client, of
from support.tiny_folder import save_tiny

from voiceagent.engine.engine import STOPPED, Engine
from voiceagent.errors import SynthesisError
from voiceagent.options import SpeakOptions
from voiceagent.protocol import commands, events
from voiceagent.protocol.outputs import Finished, Output
from voiceagent.settings.engine import EngineConfig
from voiceagent.text.chunk import Chunk, Word
from voiceagent.text.phonemes.phonemizer import PhonemeText


def letters(chunk: Chunk) -> PhonemeText:
    """Letters are phonemes; "secret" fails as no user should ever see it."""
    if "secret" in chunk.spoken:
        int("/etc/shadow")
    return PhonemeText((Word(chunk.text, chunk.start, chunk.start + len(chunk.text), chunk.spoken),), (), ())


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    save_tiny(tmp_path)
    made = Engine(weights=tmp_path, phonemizer=letters, config=EngineConfig(max_streams=3, runtime="torch"))
    yield made
    made.close()


def end(engine: Engine, text: str, voice: str = "heart") -> Finished:
    waiting: queue.Queue[Output] = queue.Queue()
    engine.speak(engine.open(SpeakOptions(voice=voice), waiting.put), Chunk(text, 0, text, "", True))
    while not isinstance(output := waiting.get(timeout=20), Finished):
        pass
    return output


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_the_codec_makes_and_is_no_sound_fails(
    engine: Engine, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = engine._synthesizer.model
    honest = model.render

    def poisoned(parts: Any) -> Any:
        made = honest(parts)
        return [
            (np.full_like(samples, value) if part.voice == "joe" else samples, state)
            for part, (samples, state) in zip(parts, made, strict=True)
        ]

    engine.start()
    monkeypatch.setattr(model, "render", poisoned)
    assert "no sound" in (end(engine, "wʌn tu", "joe").error or "")
    assert end(engine, "wʌn tu") == Finished()
    monkeypatch.undo()
    assert end(engine, "wʌn tu", "joe") == Finished()


def test_an_error_of_ours_is_for_the_log_alone(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    engine.start()
    with caplog.at_level(logging.ERROR):
        finished = end(engine, "secret")
        client = Client()
        client.feed(commands.Start("u"), commands.Text("u", "One."))
        client.session.receive(1, finished)
    (error,) = of(events.Error, client.take())
    assert error.retryable
    assert "shadow" not in error.message
    assert "ValueError" not in error.message
    request = error.message.split()[-1]
    assert any(request in line and "shadow" in line for line in caplog.text.splitlines())


def test_a_thread_that_ends_tells_everyone(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(now: object) -> list[int]:
        raise MemoryError

    monkeypatch.setattr(engine, "_schedule", dying)
    waiting: queue.Queue[Output] = queue.Queue()
    engine.open(SpeakOptions(), waiting.put)
    engine.start()
    assert waiting.get(timeout=20) == Finished(error=STOPPED)
    assert engine.stopped
    with pytest.raises(SynthesisError, match="stopped"):
        engine.open(SpeakOptions(), waiting.put)

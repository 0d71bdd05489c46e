"""The engine with its streams' memory on a device: which one, and that what a stream took comes back."""

from __future__ import annotations

import gc
import logging
import queue
from pathlib import Path

import pytest
import torch
from support.tiny_folder import save_tiny

from voiceagent.engine.engine import Engine
from voiceagent.errors import InputError
from voiceagent.model import torch_model
from voiceagent.model.cuda.decoder import DeviceDecoder
from voiceagent.model.decode.packed import PackedModel
from voiceagent.options import SpeakOptions
from voiceagent.protocol.outputs import Finished, Output, Speech
from voiceagent.settings.engine import EngineConfig
from voiceagent.text.chunk import Chunk, Word
from voiceagent.text.phonemes.phonemizer import PhonemeText


def fake_phonemizer(chunk: Chunk) -> PhonemeText:
    """Letters are phonemes; "boom" fails."""
    if "boom" in chunk.spoken:
        raise RuntimeError("boom")
    words = (Word(word, chunk.start, chunk.start + 1, word) for word in chunk.spoken.split())
    return PhonemeText(tuple(words), tuple(chunk.lookahead.split()), chunk.warnings)


def chunk(text: str, *, final: bool = False) -> Chunk:
    return Chunk(text, 0, text, "", final)


def last_of(waiting: queue.Queue[Output]) -> Finished:
    while not isinstance(output := waiting.get(timeout=20), Finished):
        pass
    return output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_tiny(tmp_path)
    return tmp_path


def test_a_gpu_that_is_not_there_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="install a driver"):
        Engine(weights=folder, phonemizer=fake_phonemizer, config=EngineConfig(device="cuda"))
    monkeypatch.setenv("VOICEAGENT_DEVICE", "cuda")
    with pytest.raises(InputError, match="install a driver"):
        Engine(weights=folder, phonemizer=fake_phonemizer)
    monkeypatch.setenv("VOICEAGENT_DEVICE", "cpu")
    assert Engine(weights=folder, phonemizer=fake_phonemizer, config=EngineConfig(device="cuda")).voices


def test_rings_of_streams_that_end_in_any_way_come_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory on the device, here in ordinary memory: spoken to the end, cancelled, failed; then as many again."""

    def on_device(model: PackedModel, *, streams: int, longest: int, kernels: str) -> DeviceDecoder:
        return DeviceDecoder(model, streams=streams, longest=longest)

    monkeypatch.delenv("VOICEAGENT_PRECISION", raising=False)  # weights of a processor's bfloat16 lie otherwise
    monkeypatch.setattr(torch_model, "decoder_for", on_device)
    # Tests keep what is logged, and with a failure its frames, and with them its states.
    monkeypatch.setattr(logging.getLogger("voiceagent.engine.engine"), "disabled", True)
    made = Engine(
        weights=folder,
        phonemizer=fake_phonemizer,
        config=EngineConfig(runtime="torch", max_streams=3, precision="float32"),
    )
    decoder: object = made._synthesizer.decoder
    assert isinstance(decoder, DeviceDecoder)
    made.start()
    for _ in range(2):
        ears = [queue.Queue[Output]() for _ in range(3)]
        ended, cancelled, failed = (made.open(SpeakOptions(), ear.put) for ear in ears)
        made.speak(ended, chunk("wʌn tu", final=True))
        made.speak(cancelled, chunk("wʌn tu θɹi fɔɹ " * 60, final=True))
        made.speak(failed, chunk("wʌn tu"))
        assert isinstance(ears[1].get(timeout=20), Speech)
        assert decoder.free < 4
        made.speak(failed, chunk("boom", final=True))
        made.cancel(cancelled)
        assert [last_of(ear) for ear in ears] == [
            Finished(),
            Finished(cancelled=True),
            Finished(error="RuntimeError: boom"),
        ]
    made.close()
    gc.collect()
    assert decoder.free == 4

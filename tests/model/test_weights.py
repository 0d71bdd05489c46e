"""Voices on disk: there and back, and what is said of broken files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.tiny_voice import tiny_voices

from voiceagent.errors import ModelError, UnknownVoice
from voiceagent.model.weights import load, save, voice_vector


def test_there_and_back(tmp_path: Path) -> None:
    voices = tiny_voices()
    save(tmp_path, voices)
    again = load(tmp_path)
    assert again.model.config == voices.model.config
    assert again.codec.config == voices.codec.config
    assert again.decoding == voices.decoding
    assert torch.allclose(again.model.out.weight, voices.model.out.weight, atol=1e-3)


@pytest.mark.parametrize("name", ["voice.toml", "codec.safetensors", "language_model.safetensors"])
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    save(tmp_path, tiny_voices())
    (tmp_path / name).unlink()
    with pytest.raises(ModelError, match=name):
        load(tmp_path)


@pytest.mark.parametrize("name", ["voice.toml", "codec.safetensors", "language_model.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.6])
def test_cut_file_is_named(tmp_path: Path, name: str, share: float) -> None:
    save(tmp_path, tiny_voices())
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelError, match=name):
        load(tmp_path)


def test_unknown_key_lists_the_valid_ones(tmp_path: Path) -> None:
    save(tmp_path, tiny_voices())
    file = tmp_path / "voice.toml"
    file.write_text(file.read_text().replace("mels =", "melts ="))
    with pytest.raises(ModelError, match=r"melts.*valid keys"):
        load(tmp_path)


def test_weights_of_another_shape(tmp_path: Path) -> None:
    save(tmp_path, tiny_voices())
    file = tmp_path / "voice.toml"
    file.write_text(file.read_text().replace("ffn = 48", "ffn = 64"))
    with pytest.raises(ModelError, match="does not fit"):
        load(tmp_path)


def test_unknown_voice_lists_the_known() -> None:
    with pytest.raises(UnknownVoice, match="heart, joe"):
        voice_vector(tiny_voices(), "nobody")

"""A voice as a vector: rows, styles, blends, and their files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support.tiny_voice import styled_voices, tiny_voices

from voiceagent.errors import ModelError, UnknownVoice
from voiceagent.model.config import STOCK, read_config
from voiceagent.model.voice_table import VoiceTable
from voiceagent.model.voices import load_card
from voiceagent.model.weights import load, save, voice_vector


def test_a_row_is_heard_bit_for_bit() -> None:
    """What the weights were trained with, they are used with; a blend lies between."""
    voices = tiny_voices()
    for table in (voices.codec.decoder.voice, voices.model.voice, voices.model.text.voice):
        for row, name in enumerate(voices.names):
            assert torch.equal(table(voice_vector(voices, name)[None]), table(torch.tensor([row])))
        blend = table(voice_vector(voices, "0.25*heart + 0.75*joe")[None])[0]
        assert torch.allclose(blend, 0.25 * table.weight[0] + 0.75 * table.weight[1], atol=1e-6)


def test_a_style_speaks_with_any_voice_beside_it() -> None:
    table = VoiceTable(2, 3, 5, any_voice=True)
    style = torch.tensor([[0.0, 0.0, 1.0, -2.0, 0.5]])
    assert torch.equal(table(style), table.weight[2:])  # the matrix of styles begins at zero
    assert table.style is not None
    torch.nn.init.normal_(table.style)
    assert torch.allclose(table(style)[0], table.weight[2] + style[0, 2:] @ table.style, atol=1e-6)


def test_styles_are_heard_everywhere() -> None:
    voices = styled_voices()
    digits = torch.stack([torch.randint(level, (1, 12)) for level in voices.codec.config.levels], dim=-1)
    said = [voices.codec.decode(digits, voice_vector(voices, name)) for name in ("heart", "af_bella", "af_sky")]
    assert all((a - b).abs().max() > 1e-4 for a, b in pairwise(said))
    phonemes = torch.arange(3, 20)[None]
    planned = [voices.model.text(phonemes, voice_vector(voices, name)[None])[1] for name in ("af_bella", "af_sky")]
    assert (planned[0] - planned[1]).abs().max() > 1e-4


def test_streams_of_different_voices_share_a_pass() -> None:
    from voiceagent.model.codec.codec import StreamPart

    voices = styled_voices()
    digits = torch.stack([torch.randint(level, (12,)) for level in voices.codec.config.levels], dim=-1)
    names = ("heart", "af_bella", "0.5*af_bella + 0.5*joe")
    parts = [StreamPart(digits, voice_vector(voices, name), None, final=True) for name in names]
    for name, (samples, _) in zip(names, voices.codec.decode_streams(parts), strict=True):
        alone = voices.codec.decode(digits[None], voice_vector(voices, name))[0]
        assert torch.allclose(samples, alone, atol=1e-5)


def test_voices_are_files_of_a_kilobyte(tmp_path: Path) -> None:
    voices = styled_voices(style_width=32)
    save(tmp_path, voices)
    again = load(tmp_path)
    assert again.names == read_config(tmp_path).space.names == ("heart", "joe", "af_bella", "af_sky")
    assert torch.equal(voice_vector(again, "af_bella"), voice_vector(voices, "af_bella"))
    assert again.space.cards["af_bella"].line() == "af_bella  English (US), female"
    assert all(file.stat().st_size < 2_000 for file in (tmp_path / STOCK).iterdir())


def test_unknown_part_of_a_blend_is_named() -> None:
    with pytest.raises(UnknownVoice, match=r"unknown voice 'nobody'.*af_bella"):
        voice_vector(styled_voices(), "0.5*heart + 0.5*nobody")


@pytest.mark.parametrize("kind", ["empty", "text", "width", "nan", "name"])
def test_a_damaged_voice_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mine.safetensors"
    if kind in ("empty", "text"):
        path.write_bytes(b"" if kind == "empty" else b"not a voice" * 9)
    else:
        style = {"width": torch.zeros(7), "nan": torch.full((4,), torch.nan), "name": torch.zeros(4)}[kind]
        save_file({"other" if kind == "name" else "style": style}, path)
    with pytest.raises(ModelError, match=r"mine\.safetensors"):
        load_card(path, 4)

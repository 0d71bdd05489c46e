"""A Mandarin voice from text to samples, with weights of a few numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.tiny_voice import tiny_codec, tiny_model

from voiceagent import VoiceAgent
from voiceagent.errors import InputError
from voiceagent.errors.extras import EXTRAS
from voiceagent.model.lm.language_model import SpeechLanguageModel
from voiceagent.model.symbols import SYMBOLS
from voiceagent.model.voices import VoiceCard
from voiceagent.model.weights import Voices, save
from voiceagent.settings.engine import EngineConfig

for module in EXTRAS["mandarin"].modules:
    pytest.importorskip(module)

WIDTH = 4


def weights(folder: Path) -> Path:
    """Tiny weights that know the whole alphabet, with an American, a British and a Mandarin voice."""
    torch.manual_seed(0)
    model = SpeechLanguageModel(replace(tiny_model(WIDTH).config, symbols=len(SYMBOLS)))
    cards = tuple(VoiceCard(name, torch.randn(WIDTH).numpy()) for name in ("af_bella", "bm_george", "zf_xiaoxiao"))
    save(folder, Voices(tiny_codec(WIDTH), model, {}, cards))
    return folder


async def test_a_mandarin_voice_speaks_mandarin_and_no_other_does(tmp_path: Path) -> None:
    text = "你好，世界！今天28度。"
    async with VoiceAgent(weights=weights(tmp_path), config=EngineConfig(runtime="torch")) as agent:
        clip = await agent.say(text, "zf_xiaoxiao", steps=2)
        assert clip.duration_s > 0.3
        assert [word.text for word in clip.words][:2] == ["你好", "世界"]
        assert {word.text for word in clip.words} >= {"今天", "28度"}
        named = await agent.say(text, "zf_xiaoxiao", language="zh-CN", steps=2)
        assert (named.samples == clip.samples).all()
        with pytest.raises(
            InputError, match="af_bella speaks English, not Mandarin; voices that speak it: zf_xiaoxiao"
        ):
            await agent.say(text, "af_bella", language="zh")
        british = await agent.say("Not a chance.", "bm_george", steps=2)
        assert [word.text for word in british.words] == ["Not", "a", "chance."]

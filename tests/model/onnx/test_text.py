"""Plans in ONNX Runtime: those of torch, chunk after chunk."""

from __future__ import annotations

import numpy as np
import pytest
from support.tiny_folder import tiny_onnx, tiny_torch

from voiceagent.errors import UnknownVoice
from voiceagent.model.lm.script import PhonemeChunk, Script

CHUNKS = (
    (("həlˈO", "ðˈɛɹ,"), ("ðɪs",), 0.0),
    (("ðɪs", "ɪz", "ɐ", "lˈɔŋ", "wˈʌn."), (), 0.25),
    (("ʘ",), ("ænd",), 0.0),
    (tuple("wˈʌn tu θɹi fˈɔɹ".split()) * 30, (), 0.0),
    ((), (), 0.5),
    (("ˈɛnd.",), (), 0.0),
)


@pytest.mark.parametrize("voice", ["heart", "joe"])
@pytest.mark.parametrize("speed", [1.0, 1.7])
def test_plans_are_those_of_torch(voice: str, speed: float) -> None:
    ours, theirs = Script(), Script()
    for number, (words, lookahead, pause_s) in enumerate(CHUNKS):
        chunk = PhonemeChunk(words, lookahead, final=number == len(CHUNKS) - 1, speed=speed, pause_s=pause_s)
        plan, ours = tiny_onnx("float32").plan_chunk(ours, chunk, voice)
        reference, theirs = tiny_torch().plan_chunk(theirs, chunk, voice)
        assert (ours.symbols, ours.tokens, ours.sentence_open) == (theirs.symbols, theirs.tokens, theirs.sentence_open)
        assert np.allclose(ours.ends_s, theirs.ends_s, atol=1e-4)
        assert plan.conditioning.shape == tuple(reference.conditioning.shape)
        assert np.allclose(plan.conditioning, reference.conditioning.numpy(), atol=1e-3)
        assert np.allclose(plan.word_times_s, reference.word_times_s, atol=1e-4)


def test_an_unknown_voice_names_those_that_there_are() -> None:
    with pytest.raises(UnknownVoice, match="heart, joe"):
        tiny_onnx("int8").plan_chunk(Script(), PhonemeChunk(("a",), final=True), "nobody")

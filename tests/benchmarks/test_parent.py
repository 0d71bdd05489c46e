"""The autoregressive parent of the benchmarks: as much speech as ours, a token a pass, with an exact cache."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("psutil")

from engine import speak_out
from instruments import one_by_one
from instruments.one_by_one import ParentDecoder
from instruments.ticking import SpeakingRig, chunks_of
from support.tiny_voice import tiny_model, tiny_voices

from voiceagent.engine.synthesizer import Synthesizer
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.packed import PackedModel, Row
from voiceagent.model.torch_model import TorchModel
from voiceagent.text.chunk import Chunk, Word
from voiceagent.text.phonemes.phonemizer import PhonemeText


def fake_phonemizer(chunk: Chunk) -> PhonemeText:
    """Letters are phonemes."""
    words = (Word(word, chunk.start, chunk.start + 1, word) for word in chunk.spoken.split())
    return PhonemeText(tuple(words), tuple(chunk.lookahead.split()), chunk.warnings)


def test_it_says_as_much_a_token_at_a_time() -> None:
    rig, text = SpeakingRig(Synthesizer(TorchModel(tiny_voices())), fake_phonemizer), "One two three four five."
    ours = rig.stream(chunks_of(text), "heart")
    speak_out(rig, [ours], staggered=False)
    rig.take(ParentDecoder(rig.model))
    rig.clock.ticks.clear()
    theirs = [rig.stream(chunks_of(text), "heart") for _ in range(3)]
    speak_out(rig, theirs, staggered=True)
    assert [len(rig.tokens(stream)) for stream in theirs] == [len(rig.tokens(ours))] * 3
    assert len(rig.clock.ticks) >= len(rig.tokens(ours)) > 10


def test_its_cache_is_that_of_a_causal_pass() -> None:
    model = PackedModel(tiny_model(), torch.float32)
    decoder = ParentDecoder(model)
    conditioning = torch.randn(7, 32, generator=torch.Generator().manual_seed(1))
    block = decoder.open(decoder.begin(), conditioning, DecodingOptions())
    while not block.done:
        (block,) = decoder.tick([block])
    tokens, state = decoder.close(block)
    slots = model.embed(torch.cat((tokens[:1], tokens[:-1])), torch.zeros(7, dtype=torch.bool))
    slots[0] = model.begin_row
    cache = model.empty_cache()
    for position, slot in enumerate(slots + conditioning):
        _, keys, values = model(slot[None], [Row(cache, position, 0, 1)])
        cache = cache.append(keys, values, keep=320)
    assert torch.allclose(state.cache.keys, cache.keys, atol=1e-5)
    assert torch.allclose(state.cache.values, cache.values, atol=1e-5)
    assert state.position == 7


def test_what_is_no_checkpoint_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_bytes(b"no")
    with pytest.raises(SystemExit, match="no checkpoint of"):
        one_by_one.save_voices(tmp_path / "last.pt", tmp_path)

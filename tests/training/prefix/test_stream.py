"""The prefix layout, streamed: the sequence only grows, and decoding sees what training saw."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from support.tiny_voice import attentive_prefix
from torch import Tensor

from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.decode.reference import decode_block
from voiceagent.model.lm.script import spell
from voiceagent.model.symbols import BOUNDARY, encode
from voiceagent.training.masking import block_causal, withheld
from voiceagent.training.prefix.layout import SPEAK, PrefixLanguageModel, visible
from voiceagent.training.prefix.stream import begin, listen, stretch_positions
from voiceagent.training.prefix.stretches import arrive

VOICE = 1
CUTS = ((5, 7, 9), (11, 11, 14), (16, 16, 21))  # where each stretch ends: in phonemes, with its look-ahead, in tokens
BLOCK = 4


@pytest.fixture
def model() -> PrefixLanguageModel:
    return attentive_prefix()


@pytest.fixture
def text() -> Tensor:
    return torch.randint(0, 40, (CUTS[-1][0],), generator=torch.Generator().manual_seed(1))


def spoken(model: PrefixLanguageModel, text: Tensor, *, stretches: int = len(CUTS)) -> tuple[Tensor, list[int]]:
    """Tokens of the first stretches, one step a block, and the length of the cache after each."""
    packed = PackedModel(model, torch.float32)
    stream, made, lengths = begin(packed), [], []
    for (start, _, begun), (end, known, stop) in list(pairwise(((0, 0, 0), *CUTS)))[:stretches]:
        said, ahead = text[start:end].tolist(), text[end:known].tolist()
        stream = listen(model, packed, stream, said, ahead, stop - begun)
        for heard in model.voice.weight[VOICE].expand(stop - begun, -1).split(BLOCK):
            digits, speech = decode_block(packed, stream.speech, heard, DecodingOptions(steps=1))
            stream = replace(stream, speech=speech)
            made.append(digits)
        lengths.append(len(stream.speech.cache))
    return torch.cat(made), lengths


def blocks_of(stretch: Tensor) -> Tensor:
    """Numbers of blocks of four that begin anew with every stretch."""
    sizes = torch.unique(stretch, return_counts=True)[1].tolist()
    parts = [part for size in sizes for part in torch.zeros(size).split(BLOCK)]
    return torch.cat([torch.full((len(part),), number) for number, part in enumerate(parts)])


def trained(model: PrefixLanguageModel, text: Tensor, digits: Tensor) -> Tensor:
    """Logits (T, codes) as training has them: [text; noisy; clean] in one forward pass."""
    phonemes, present, where, arrival, stretch = (part[None] for part in arrive(text, CUTS))
    blocks, tokens = blocks_of(stretch[0]), len(digits)
    masked = withheld(torch.ones(1, tokens, dtype=torch.bool), blocks)
    copies = [model.speech(digits[None], which, torch.tensor([VOICE])) for which in (masked, torch.zeros_like(masked))]
    slots = torch.arange(tokens)[None]
    there = torch.ones(1, 2 * tokens, dtype=torch.bool)
    mask = visible(present, there, block_causal(blocks), torch.cat((arrival, stretch, stretch), 1))
    positions = torch.cat((where, slots, slots), 1)[:, None]
    logits = model(model.text(phonemes, present), torch.cat(copies, 1), positions, mask)
    return torch.cat(logits, -1)[0, :tokens]


def best(logits: Tensor, model: PrefixLanguageModel) -> Tensor:
    return torch.stack([part.argmax(-1) for part in logits.split(model.config.levels, -1)], -1)


def test_decoding_sees_what_training_saw(model: PrefixLanguageModel, text: Tensor) -> None:
    digits, _ = spoken(model, text)
    assert torch.equal(best(trained(model, text, digits), model), digits)


@pytest.mark.parametrize("changed", range(CUTS[-1][0]))
def test_speech_hears_the_text_that_has_arrived_and_no_other(
    model: PrefixLanguageModel, text: Tensor, changed: int
) -> None:
    digits, _ = spoken(model, text)
    other = text.clone()
    other[changed] = (other[changed] + 1) % 40
    differ = (trained(model, text, digits) - trained(model, other, digits)).abs().amax(-1) > 1e-7
    first = next(begun for (_, _, begun), (_, known, _) in pairwise(((0, 0, 0), *CUTS)) if changed < known)
    assert not differ[:first].any()
    assert differ[first:].all()


def test_every_phoneme_stands_in_the_sequence_once(text: Tensor) -> None:
    phonemes, present, where, arrival, stretch = arrive(text, CUTS)
    assert phonemes[present & (phonemes != SPEAK)].tolist() == text.tolist()
    assert (phonemes[present] == SPEAK).sum() == len(CUTS)
    assert (~present).nonzero().flatten().tolist() == [8, 14]  # an empty slot before what arrives later
    assert arrival.tolist() == [0] * 8 + [1] * 6 + [2] * 7
    assert stretch.tolist() == [0] * 9 + [1] * 5 + [2] * 7
    marker = where[phonemes == SPEAK]
    assert marker.tolist() == [8.5, 13.5, 20.5]  # half a token before the first of the next stretch


def test_text_stands_where_it_is_said_and_lookahead_goes_on_at_the_same_pace() -> None:
    assert stretch_positions(0, 8, 4, 0, 2).tolist() == [0.5, 2.5, 4.5, 6.5, 7.5, 8.5, 10.5]
    assert stretch_positions(8, 12, 4, 2, 0).tolist() == [15.0, 18.0, 19.5]


def test_the_cache_only_grows_and_ends_with_the_text_and_all_but_the_last_block(
    model: PrefixLanguageModel, text: Tensor
) -> None:
    _, lengths = spoken(model, text)
    assert lengths == [8 + 8, 8 + 9 + 5 + 4, 8 + 9 + 5 + 5 + 6 + 4]
    early, _ = spoken(model, text, stretches=1)
    later, _ = spoken(model, text)
    assert torch.equal(early, later[: len(early)])


def test_what_cannot_be_taken_in_is_refused(model: PrefixLanguageModel) -> None:
    packed = PackedModel(model, torch.float32)
    stream = listen(model, packed, begin(packed), [3, 4, 5], [6, 7], 4)
    for phonemes in ([6, 8, 9], []):
        with pytest.raises(ValueError, match="looked ahead at"):
            listen(model, packed, stream, phonemes, [], 4)
    room = packed.config.context_tokens
    with pytest.raises(ValueError, match="cut it in two"):
        listen(model, packed, begin(packed), [3] * 100, [4], room - 101)
    assert listen(model, packed, begin(packed), [3] * 100, [4], room - 102).ahead == (4,)


@pytest.mark.parametrize("words", [1, 2, 3])
@pytest.mark.parametrize("lookahead", [0, 1, 2])
def test_a_stretch_is_spelled_as_it_was_looked_ahead_at(words: int, lookahead: int) -> None:
    """Whatever sentences end in the look-ahead."""
    said, opened, before = ("æb", "bæ.", "æb?", "bæ", "æb,", "bæ.", "æ"), False, list[int]()
    for at in range(0, len(said), words):
        known = said[at + words : at + words + min(lookahead, words)]
        symbols, _, ahead = spell(said[at : at + words], known, opened=opened, final=at + words >= len(said))
        assert symbols[: len(before)] == before
        opened, before = symbols[-1] != encode(BOUNDARY)[0], ahead

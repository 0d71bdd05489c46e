"""The prefix layout: who sees whom, label shift, padding, the cache, filling, and what attention shows."""

from __future__ import annotations

import pytest
import torch
from support.tiny_voice import SHAPE, attentive_prefix
from torch import Tensor

from voiceagent.model.decode.blocks import SpeechState
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.decode.reference import TorchState, decode_block
from voiceagent.training.masking import block_causal, withheld
from voiceagent.training.prefix.autoregressive import Sampling
from voiceagent.training.prefix.layout import (
    PrefixLanguageModel,
    attention_maps,
    fill_prefix,
    generate_prefix,
    positions,
    read,
    visible,
)

PHONEMES, TOKENS, VOICE = 13, 21, 1


@pytest.fixture
def model() -> PrefixLanguageModel:
    return attentive_prefix()


@pytest.fixture
def text() -> Tensor:
    return torch.randint(0, 40, (PHONEMES,), generator=torch.Generator().manual_seed(1))


def there(count: int, of: int) -> Tensor:
    return (torch.arange(of) < count)[None]


def predicted(
    model: PrefixLanguageModel, text: Tensor, digits: Tensor, masked: Tensor | None = None, seen: Tensor | None = None
) -> Tensor:
    """Logits of an utterance alone, (T, codes)."""
    present, spoken = there(len(text), len(text)), there(len(digits), len(digits))
    masked = torch.zeros_like(spoken) if masked is None else masked
    speech = model.speech(digits[None], masked, torch.tensor([VOICE]))
    mask = visible(present, spoken, seen)
    return torch.cat(model(model.text(text[None], present), speech, positions(present, spoken), mask), -1)[0]


def causal(tokens: int = TOKENS) -> Tensor:
    return torch.ones(tokens, tokens, dtype=torch.bool).tril()


def random_digits(seed: int = 2) -> Tensor:
    return torch.randint(0, 5, (TOKENS, 6), generator=torch.Generator().manual_seed(seed))


def test_text_sees_text_and_speech_sees_text_and_its_past() -> None:
    mask = visible(there(2, 3), there(3, 3), causal(3))[0, 0]
    assert mask.int().tolist() == [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 1, 0, 0],
        [1, 1, 0, 1, 1, 0],
        [1, 1, 0, 1, 1, 1],
    ]


def test_everything_sees_everything_that_is_there() -> None:
    assert visible(there(2, 3), there(1, 2), None).int().tolist() == [[[[1, 1, 0, 1, 0]]]]


def test_noisy_copies_see_the_text_their_block_and_clean_blocks_before() -> None:
    seen = block_causal(torch.tensor([0, 0, 1]))
    mask = visible(there(1, 1), there(3, 3).repeat(1, 2), seen)[0, 0].int()
    assert mask[0].tolist() == [1, 0, 0, 0, 0, 0, 0]
    assert mask[3].tolist() == [1, 0, 0, 1, 1, 1, 0]  # the noisy slot of the second block
    assert mask[6].tolist() == [1, 0, 0, 0, 1, 1, 1]  # its clean copy


def test_text_is_spread_evenly_over_the_speech() -> None:
    where = positions(there(4, 5), there(8, 9))[0, 0].tolist()
    assert where[:4] == [0.5, 2.5, 4.5, 6.5]
    assert where[5:13] == list(range(8))


def test_a_token_is_predicted_from_those_before_it(model: PrefixLanguageModel, text: Tensor) -> None:
    digits, other = random_digits(), random_digits()
    other[7] = (other[7] + 1) % 5
    before, after = (predicted(model, text, which, seen=causal()) for which in (digits, other))
    assert torch.equal(before[:8], after[:8])
    assert (before[8:] - after[8:]).abs().amax(-1).min() > 1e-6


def test_with_everything_in_view_a_masked_token_hides_what_it_was(model: PrefixLanguageModel, text: Tensor) -> None:
    digits, other = random_digits(), random_digits()
    other[7] = (other[7] + 1) % 5
    masked = torch.zeros(1, TOKENS, dtype=torch.bool)
    assert (predicted(model, text, digits) - predicted(model, text, other)).abs().amax(-1).min() > 1e-6
    masked[0, 7] = True
    assert torch.equal(predicted(model, text, digits, masked), predicted(model, text, other, masked))


@pytest.mark.parametrize("seen", [None, "causal"])
def test_padding_changes_nothing(model: PrefixLanguageModel, text: Tensor, seen: str | None) -> None:
    digits = random_digits()
    alone = predicted(model, text, digits, seen=causal() if seen else None)
    phonemes = torch.nn.functional.pad(text, (0, 3))[None].repeat(2, 1)
    longer = torch.nn.functional.pad(digits, (0, 0, 0, 4))[None].repeat(2, 1, 1)
    present = torch.cat((there(PHONEMES, PHONEMES + 3), there(PHONEMES + 3, PHONEMES + 3)))
    spoken = torch.cat((there(TOKENS, TOKENS + 4), there(TOKENS + 4, TOKENS + 4)))
    speech = model.speech(longer, torch.zeros_like(spoken), torch.tensor([VOICE, VOICE]))
    mask = visible(present, spoken, causal(TOKENS + 4) if seen else None)
    padded = torch.cat(model(model.text(phonemes, present), speech, positions(present, spoken), mask), -1)
    assert torch.allclose(padded[0, :TOKENS], alone, atol=1e-4)
    assert not torch.allclose(padded[1, :TOKENS], alone, atol=1e-4)


def test_the_cache_equals_a_causal_forward_over_everything(model: PrefixLanguageModel, text: Tensor) -> None:
    packed = PackedModel(model, torch.float32)
    digits, passes = generate_prefix(model, text, VOICE, TOKENS, Sampling(temperature=0.0), packed=packed)
    assert passes == TOKENS + 1  # one reads the text
    logits = predicted(model, text, digits, seen=causal())
    best = torch.stack([part.argmax(-1) for part in logits.split(model.config.levels, -1)], -1)
    assert torch.equal(best, digits)


def test_text_is_not_forgotten_however_long_the_speech(model: PrefixLanguageModel, text: Tensor) -> None:
    long = model.config.context_tokens
    digits, _ = generate_prefix(
        model, text, VOICE, long, Sampling(temperature=0.0), packed=PackedModel(model, torch.float32)
    )
    present, spoken = there(PHONEMES, PHONEMES), there(long, long)
    speech = model.speech(digits[None], torch.zeros_like(spoken), torch.tensor([VOICE]))
    mask = visible(present, spoken, causal(long))
    logits = model(model.text(text[None], present), speech, positions(present, spoken), mask)
    assert torch.equal(torch.stack([part[0, -5:].argmax(-1) for part in logits], -1), digits[-5:])


def test_blocks_equal_a_forward_over_noisy_and_clean_copies(model: PrefixLanguageModel, text: Tensor) -> None:
    """The cache of streaming is what training saw: one step a block, so that every slot of it is masked."""
    state: TorchState = SpeechState(read(model, text, TOKENS))
    packed, made = PackedModel(model, torch.float32), []
    for heard in model.voice.weight[VOICE].expand(TOKENS, -1).split(6):
        digits, state = decode_block(packed, state, heard, DecodingOptions(steps=1))
        made.append(digits)
    digits = torch.cat(made)
    blocks = torch.arange(TOKENS) // 6
    masked = withheld(torch.ones(1, TOKENS, dtype=torch.bool), blocks)
    copies = [model.speech(digits[None], which, torch.tensor([VOICE])) for which in (masked, torch.zeros_like(masked))]
    present, spoken = there(PHONEMES, PHONEMES), there(TOKENS, TOKENS)
    where = positions(present, spoken)
    where = torch.cat((where, where[..., -TOKENS:]), -1)
    mask = visible(present, spoken.repeat(1, 2), block_causal(blocks))
    logits = model(model.text(text[None], present), torch.cat(copies, 1), where, mask)
    assert torch.equal(torch.stack([part[0, :TOKENS].argmax(-1) for part in logits], -1), digits)


def test_filling_in_one_step_takes_what_is_most_probable(model: PrefixLanguageModel, text: Tensor) -> None:
    digits, passes = fill_prefix(model, text, VOICE, TOKENS, DecodingOptions(steps=1))
    masked = torch.ones(1, TOKENS, dtype=torch.bool)
    logits = predicted(model, text, torch.zeros(TOKENS, 6, dtype=torch.long), masked)
    assert passes == 1
    assert torch.equal(torch.stack([part.argmax(-1) for part in logits.split(model.config.levels, -1)], -1), digits)


def test_every_token_is_committed_once_and_the_order_is_told(model: PrefixLanguageModel, text: Tensor) -> None:
    told: list[tuple[int, Tensor]] = []
    _, passes = fill_prefix(
        model, text, VOICE, TOKENS, DecodingOptions(steps=5), on_commit=lambda step, chosen: told.append((step, chosen))
    )
    assert [step for step, _ in told] == list(range(passes))
    assert torch.stack([chosen for _, chosen in told]).sum(0).tolist() == [1] * TOKENS


def test_with_a_temperature_tokens_are_drawn_by_the_seed(model: PrefixLanguageModel, text: Tensor) -> None:
    options = DecodingOptions(steps=4, temperature=1.0, noise=1.0)
    first, again, other = (fill_prefix(model, text, VOICE, TOKENS, options, seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_attention_maps_show_where_speech_looks_in_the_text(model: PrefixLanguageModel, text: Tensor) -> None:
    maps = attention_maps(model, text, VOICE, random_digits())
    assert maps.shape == (SHAPE.layers, SHAPE.heads, TOKENS, PHONEMES)
    sums = maps.sum(-1)
    assert float(sums.min()) > 0
    assert float(sums.max()) < 1
    for name, weight in model.transformer.layers[0].named_parameters():
        if "q_proj" in name:  # a query of zero sees everything alike
            weight.zero_()
    flat = attention_maps(model, text, VOICE, random_digits())[0]
    assert torch.allclose(flat, torch.full_like(flat, 1 / (PHONEMES + TOKENS)))

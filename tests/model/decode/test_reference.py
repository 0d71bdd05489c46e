"""Block decoding: schedules, the exact cache, and streams that do not depend on how they are cut."""

from __future__ import annotations

import pytest
import torch
from support.tiny_voice import tiny_model

from voiceagent.model.decode.options import DecodingOptions, commit_counts
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.decode.reference import (
    TorchBlock,
    begin,
    close_block,
    decode_block,
    open_block,
    propose,
    tick,
)
from voiceagent.model.lm.language_model import SpeechLanguageModel


@pytest.mark.parametrize("tokens", [1, 2, 5, 8, 16, 31])
@pytest.mark.parametrize("steps", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_every_token_is_committed_once(tokens: int, steps: int, alpha: float) -> None:
    counts = commit_counts(tokens, DecodingOptions(steps=steps, alpha=alpha))
    assert sum(counts) == tokens
    assert min(counts) > 0
    assert len(counts) <= steps


def test_eager_schedules_take_fewer_steps() -> None:
    late = commit_counts(16, DecodingOptions(steps=12, alpha=0.0))
    early = commit_counts(16, DecodingOptions(steps=12, alpha=1.0))
    assert len(early) < len(late)


def packed(dtype: torch.dtype = torch.float32) -> tuple[SpeechLanguageModel, PackedModel]:
    torch.manual_seed(0)
    model = tiny_model()
    for norm in (m for m in model.modules() if isinstance(m, torch.nn.RMSNorm)):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)  # a norm of ones would not show whether its weight is folded in
    return model, PackedModel(model, dtype)


def test_cache_equals_one_forward_over_everything() -> None:
    model, fast = packed()
    conditioning = torch.randn(37, 32)
    state, tokens = begin(fast), []
    blocks = [5, 16, 3, 13]
    at = 0
    for count in blocks:
        digits, state = decode_block(fast, state, conditioning[at : at + count], DecodingOptions(steps=3))
        tokens.append(digits)
        at += count
    held = torch.cat((torch.zeros(1, 6, dtype=torch.long), torch.cat(tokens)[:-1]))[None]
    begins = torch.zeros(1, 37, dtype=torch.bool)
    begins[:, 0] = True
    number = torch.repeat_interleave(torch.arange(len(blocks)), torch.tensor(blocks))
    mask = (number[:, None] >= number[None, :])[None, None]
    slots = model.embed(held, torch.zeros(1, 37, dtype=torch.bool), begins) + conditioning
    _, keys, values = model(slots, torch.arange(37), mask)
    kept = len(state.cache)
    assert kept == 37 - blocks[-1]
    assert torch.allclose(state.cache.keys, keys[:, :, :, :kept], atol=1e-5)
    assert torch.allclose(state.cache.values, values[:, :, :, :kept], atol=1e-5)


def test_cache_forgets_the_oldest() -> None:
    _, fast = packed()
    state = begin(fast)
    for _ in range(30):
        _, state = decode_block(fast, state, torch.randn(16, 32), DecodingOptions(steps=1))
    assert len(state.cache) == fast.config.context_tokens
    assert state.position == 480


def test_same_seed_same_tokens_other_seed_other_tokens() -> None:
    _, fast = packed()
    conditioning = torch.randn(16, 32)
    options = DecodingOptions(steps=4, temperature=1.0, noise=1.0)

    def draw(seed: int) -> torch.Tensor:
        digits, _ = decode_block(fast, begin(fast), conditioning, options, seed=seed)
        return digits

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_row_does_not_depend_on_its_company(dtype: torch.dtype) -> None:
    _, fast = packed(dtype)
    generator = torch.Generator().manual_seed(3)
    options = [DecodingOptions(steps=s, temperature=t, noise=t) for s, t in ((4, 0.0), (2, 1.0), (7, 0.3), (1, 0.0))]
    scripts = [
        [torch.randn(n, 32, generator=generator) for n in sizes] for sizes in ((8, 16, 5), (16, 16), (3, 24), (9,))
    ]

    def alone(row: int) -> torch.Tensor:
        state, said = begin(fast), []
        for conditioning in scripts[row]:
            digits, state = decode_block(fast, state, conditioning, options[row], seed=row)
            said.append(digits)
        return torch.cat(said)

    def together() -> list[torch.Tensor]:
        states, said = [begin(fast) for _ in scripts], [list[torch.Tensor]() for _ in scripts]
        waiting = [list(script) for script in scripts]
        blocks: dict[int, TorchBlock] = {}
        while True:
            for row, script in enumerate(waiting):  # rows start one after the other: each is at a step of its own
                if row not in blocks and script and (row == 0 or said[row - 1] or row - 1 in blocks):
                    blocks[row] = open_block(states[row], script.pop(0), options[row], seed=row)
            if not blocks:
                return [torch.cat(digits) for digits in said]
            for row, block in zip(list(blocks), tick(fast, list(blocks.values())), strict=True):
                blocks[row] = block
                if block.done:
                    digits, states[row] = close_block(fast, blocks.pop(row))
                    said[row].append(digits)

    for row, digits in enumerate(together()):
        assert torch.equal(digits, alone(row))


def test_prior_lifts_rare_tokens() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    prior = torch.log(torch.tensor([0.9, 0.1]))
    _, plain = propose(logits, prior, (2,), torch.tensor([0.0]))
    _, calibrated = propose(logits, prior, (2,), torch.tensor([1.0]))
    assert plain[0] == pytest.approx(plain[1])
    assert calibrated[1] > calibrated[0]

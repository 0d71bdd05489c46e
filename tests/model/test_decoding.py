"""Block decoding: schedules, the exact cache, and streams that do not depend on how they are cut."""

from __future__ import annotations

import pytest
import torch
from tiny_voice import tiny_model

from voiceagent.model.decoding import DecodingOptions, begin, commit_counts, decode_block, propose


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


def test_cache_equals_one_forward_over_everything() -> None:
    torch.manual_seed(0)
    model = tiny_model()
    saying, said, voice = torch.randn(1, 37, 32), torch.randn(1, 1, 32), torch.tensor([1])
    state, tokens = begin(model, said), []
    blocks = [5, 16, 3, 13]
    at = 0
    for count in blocks:
        digits, state = decode_block(model, state, saying[:, at : at + count], voice, DecodingOptions(steps=3))
        tokens.append(digits)
        at += count
    held = torch.cat((torch.zeros(1, 1, 6, dtype=torch.long), torch.cat(tokens, dim=1)[:, :-1]), dim=1)
    begins = torch.zeros(1, 37, dtype=torch.bool)
    begins[:, 0] = True
    number = torch.repeat_interleave(torch.arange(len(blocks)), torch.tensor(blocks))
    mask = (number[:, None] >= number[None, :])[None, None]
    slots = model.slots(
        model.embed(held, torch.zeros(1, 37, dtype=torch.bool), begins),
        torch.cat((said, saying[:, :-1]), 1),
        saying,
        voice,
    )
    _, keys, values = model(slots, torch.arange(37), mask)
    kept = len(state.cache)
    assert kept == 37 - blocks[-1]
    assert torch.allclose(state.cache.keys, keys[:, :, :, :kept], atol=1e-5)
    assert torch.allclose(state.cache.values, values[:, :, :, :kept], atol=1e-5)


def test_cache_forgets_the_oldest() -> None:
    torch.manual_seed(0)
    model = tiny_model()
    state = begin(model, torch.zeros(1, 1, 32))
    for _ in range(30):
        _, state = decode_block(model, state, torch.randn(1, 16, 32), torch.tensor([0]), DecodingOptions(steps=1))
    assert len(state.cache) == model.config.context_tokens
    assert state.position == 480


def test_same_seed_same_tokens_other_seed_other_tokens() -> None:
    torch.manual_seed(0)
    model = tiny_model()
    said, saying = torch.randn(1, 1, 32), torch.randn(1, 16, 32)
    options = DecodingOptions(steps=4, temperature=1.0, noise=1.0)

    def draw(seed: int) -> torch.Tensor:
        digits, _ = decode_block(model, begin(model, said), saying, torch.tensor([0]), options, seed=seed)
        return digits

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_prior_lifts_rare_tokens() -> None:
    logits = (torch.tensor([[[2.0, 0.0], [0.0, 2.0]]]),)
    prior = torch.log(torch.tensor([0.9, 0.1]))
    _, plain = propose(logits, prior, DecodingOptions(prior=0.0), torch.Generator())
    _, calibrated = propose(logits, prior, DecodingOptions(prior=1.0), torch.Generator())
    assert plain[0, 0] == pytest.approx(plain[0, 1])
    assert calibrated[0, 1] > calibrated[0, 0]

"""The autoregressive parent: its cache, its sampling."""

from __future__ import annotations

from collections import deque

import pytest
import torch
from support.tiny_voice import tiny_model

from voiceagent.model.decode.packed import PackedModel
from voiceagent.training.prefix.autoregressive import Sampling, draw, generate, nucleus


def test_the_cache_equals_a_causal_forward_over_everything() -> None:
    torch.manual_seed(0)
    model = tiny_model()
    for name, weight in model.transformer.named_parameters():
        if "o_proj" in name:
            torch.nn.init.normal_(weight)  # so that what is attended to matters
    conditioning = torch.randn(23, 32)
    tokens, forwards = generate(PackedModel(model, torch.float32), conditioning, Sampling(temperature=0.0))
    assert forwards == 23
    held = torch.cat((torch.zeros(1, 6, dtype=torch.long), tokens[:-1]))[None]
    begins = torch.zeros(1, 23, dtype=torch.bool)
    begins[0, 0] = True
    positions = torch.arange(23)
    slots = model.embed(held, torch.zeros_like(begins), begins) + conditioning
    logits, _, _ = model(slots, positions, (positions[:, None] >= positions[None, :])[None, None])
    assert torch.equal(torch.stack([digit[0].argmax(-1) for digit in logits], -1), tokens)


def test_same_seed_same_tokens() -> None:
    torch.manual_seed(0)
    model, conditioning = PackedModel(tiny_model(), torch.float32), torch.randn(9, 32)
    first, again, other = (generate(model, conditioning, Sampling(), seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_nucleus_keeps_the_most_probable() -> None:
    logits = torch.log(torch.tensor([0.1, 0.5, 0.3, 0.1]))
    kept = nucleus(logits, Sampling(top_p=0.7, top_k=25))
    assert torch.isfinite(kept).tolist() == [False, True, True, False]
    assert torch.isfinite(nucleus(logits, Sampling(top_p=1.0, top_k=1))).tolist() == [False, True, False, False]


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_repetition_is_drawn_again(share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    likely = torch.tensor([2.0, 0.0])  # outside the nucleus the second level is never drawn
    recent = deque([torch.tensor([0])] * 10, maxlen=10)
    sampling = Sampling(top_p=0.5, repeat_share=share)
    drawn = {int(draw(likely, (2,), recent, sampling, generator)) for _ in range(60)}
    assert drawn == ({0, 1} if share == 0.1 else {0})


def test_nothing_to_say() -> None:
    tokens, forwards = generate(PackedModel(tiny_model(), torch.float32), torch.zeros(0, 32), Sampling())
    assert tokens.shape == (0, 6)
    assert forwards == 0

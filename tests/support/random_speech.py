"""Streams of random blocks for any decoder, with a model whose every weight matters."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from support.tiny_voice import SHAPE
from torch import Tensor

from voiceagent.model.config import LanguageModelConfig
from voiceagent.model.decode.interface import BlockDecoder
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.lm.language_model import SpeechLanguageModel

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
WIDTH, CONTEXT, LONGEST = 32, 21, 9


def model_of(seed: int = 0, dtype: torch.dtype = torch.float32, context: int = CONTEXT) -> PackedModel:
    """Random weights, also where training begins with zeros or ones: everything should matter."""
    torch.manual_seed(seed)
    config = LanguageModelConfig(speech=SHAPE, text=SHAPE, context_tokens=context)
    model = SpeechLanguageModel(config).eval().requires_grad_(False)
    for name, weight in model.named_parameters():
        if "norm" in name:
            torch.nn.init.uniform_(weight, 0.5, 1.5)
        elif "o_proj" in name or "down_proj" in name:
            torch.nn.init.normal_(weight, std=0.3)
    torch.nn.init.uniform_(model.log_prior, -3, 0)
    return PackedModel(model.to(DEVICE), dtype)


@dataclass
class Speech:
    """A stream of random blocks."""

    blocks: list[Tensor]
    options: DecodingOptions
    seed: int
    state: Any = None
    block: Any = None
    said: list[Tensor] = field(default_factory=list)


def speeches(count: int, blocks: int, *, noise: float = 0.0, longest: int = LONGEST) -> list[Speech]:
    """Streams with blocks of all sizes, and with steps and priors of their own."""
    draw, generator = random.Random(count), torch.Generator().manual_seed(count)
    return [
        Speech(
            [torch.randn(draw.randint(1, longest), WIDTH, generator=generator).to(DEVICE) for _ in range(blocks)],
            DecodingOptions(steps=1 + row % 5, prior=0.5 * (row % 3), noise=noise, temperature=noise),
            seed=row,
        )
        for row in range(count)
    ]


def talk(decoder: BlockDecoder[Any, Any, Any], streams: Sequence[Speech], *, stagger: int = 2) -> list[Tensor]:
    """All of them to the end, one joining every `stagger` ticks: each is at a step of its own block."""
    waiting, tick = [list(stream.blocks) for stream in streams], 0
    for stream in streams:
        stream.state, stream.block, stream.said = None, None, []
    while any(waiting) or any(stream.block for stream in streams):
        for row, (stream, left) in enumerate(zip(streams, waiting, strict=True)):
            if stream.block is None and left and tick >= stagger * row:
                stream.state = stream.state or decoder.begin()
                stream.block = decoder.open(stream.state, left.pop(0), stream.options, seed=stream.seed)
        moving = [stream for stream in streams if stream.block]
        for stream, block in zip(moving, decoder.tick([stream.block for stream in moving]), strict=True):
            stream.block = block
            if block.done:
                tokens, stream.state = decoder.close(block)
                stream.said.append(tokens)
                stream.block = None
        tick += 1
    return [torch.cat(stream.said) for stream in streams]

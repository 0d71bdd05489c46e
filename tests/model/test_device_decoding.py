"""Decoding by kernels with all memory in one place: the tokens of the reference, rings that come back, shapes that stay."""

from __future__ import annotations

import gc
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from tiny_voice import SHAPE
from torch import Tensor

from voiceagent.errors import NoCapacity
from voiceagent.kernels import compiler
from voiceagent.kernels.dispatch import TORCH, TRITON, Kernels
from voiceagent.model.autoregressive import Sampling, generate
from voiceagent.model.block_decoder import BlockDecoder, PackedDecoder
from voiceagent.model.decoding import DecodingOptions
from voiceagent.model.device_decoding import DeviceDecoder
from voiceagent.model.language_model import LanguageModelConfig, SpeechLanguageModel
from voiceagent.model.packed import PackedModel
from voiceagent.model.tick_inputs import Bucket

WIDTH, CONTEXT, LONGEST = 32, 21, 9
needs_triton = pytest.mark.skipif(not compiler.INSTALLED, reason="Triton is not installed")


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
    return PackedModel(model, dtype)


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
            [torch.randn(draw.randint(1, longest), WIDTH, generator=generator) for _ in range(blocks)],
            DecodingOptions(steps=1 + row % 5, prior=0.5 * (row % 3), noise=noise, temperature=noise),
            seed=row,
        )
        for row in range(count)
    ]


def talk(decoder: BlockDecoder[Any, Any], streams: Sequence[Speech], *, stagger: int = 2) -> list[Tensor]:
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


def device_decoder(model: PackedModel, kernels: Kernels = TORCH, streams: int = 7, **more: Any) -> DeviceDecoder:
    return DeviceDecoder(model, streams=streams, longest=LONGEST, kernels=kernels, **more)


@pytest.mark.parametrize("seed", range(3))
def test_tokens_are_those_of_the_reference(seed: int) -> None:
    """Seven streams over twelve blocks each: contexts fill up, rings go round, blocks of one token among others."""
    model, streams = model_of(seed), speeches(7, 12)
    expected = talk(PackedDecoder(model), streams)
    made = talk(device_decoder(model), streams)
    assert all(torch.equal(a, b) for a, b in zip(made, expected, strict=True))
    assert len({tuple(token) for tokens in made for token in tokens.tolist()}) > 20  # not all the same


@needs_triton
def test_tokens_of_interpreted_kernels_are_those_of_the_reference() -> None:
    model, streams = model_of(), speeches(2, 3)
    expected = talk(PackedDecoder(model), streams)
    made = talk(device_decoder(model, TRITON), streams)
    assert all(torch.equal(a, b) for a, b in zip(made, expected, strict=True))


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_a_stream_does_not_depend_on_its_company(noise: float) -> None:
    decoder, streams = device_decoder(model_of()), speeches(5, 6, noise=noise)
    together = talk(decoder, streams)
    for stream, tokens in zip(streams, together, strict=True):
        assert torch.equal(talk(decoder, [stream])[0], tokens)
    if noise:
        streams[0].seed = 99
        assert not torch.equal(talk(decoder, streams[:1])[0], together[0])


def test_blocks_of_one_token_are_the_autoregressive_parent() -> None:
    """And need no second pass: twenty tokens, twenty slots."""
    model, conditioning = model_of(), torch.randn(20, WIDTH)
    decoder = DeviceDecoder(model, streams=1, longest=1, kernels=TORCH)
    stream = Speech(list(conditioning.split(1)), DecodingOptions(steps=1, prior=0.0), seed=0)
    expected, _ = generate(model, conditioning, Sampling(temperature=0.0))
    assert torch.equal(talk(decoder, [stream])[0], expected)
    block = decoder.open(stream.state, conditioning[:1], stream.options)
    assert block.load == (0, 1, 20)


def test_rings_come_back_when_streams_are_dropped() -> None:
    decoder = device_decoder(model_of(), streams=2)
    for _ in range(5):
        streams = speeches(2, 1)
        states = [decoder.begin() for _ in streams]
        blocks = [decoder.open(state, s.blocks[0], s.options) for state, s in zip(states, streams, strict=True)]
        assert decoder.free == 0
        with pytest.raises(NoCapacity, match="end a stream first"):
            decoder.begin()
        blocks = decoder.tick(blocks)
        del states
        assert decoder.free == 0  # a block holds its ring
        del blocks
        assert decoder.free == 2


def test_a_ring_that_had_another_stream_says_the_same() -> None:
    model, streams = model_of(), speeches(3, 8)
    fresh = talk(device_decoder(model), streams)
    decoder = device_decoder(model, streams=3)
    talk(decoder, speeches(3, 11))
    gc.collect()
    used = decoder.begin()
    cancelled = decoder.tick([decoder.open(used, torch.randn(5, WIDTH), DecodingOptions(steps=4))])
    del used, cancelled  # in the middle of a block
    assert decoder.free == 3
    assert all(torch.equal(a, b) for a, b in zip(talk(decoder, streams), fresh, strict=True))


@pytest.mark.parametrize("tokens", [0, LONGEST + 1])
def test_a_block_that_has_no_place_is_refused(tokens: int) -> None:
    decoder = device_decoder(model_of())
    with pytest.raises(ValueError, match=f"1 to {LONGEST}"):
        decoder.open(decoder.begin(), torch.zeros(tokens, WIDTH), DecodingOptions())


def test_nobody_has_anything_to_say() -> None:
    assert device_decoder(model_of()).tick([]) == []


def test_weights_that_were_reordered_are_refused() -> None:
    model = model_of(dtype=torch.bfloat16)
    if model.out.reordered is None:
        pytest.skip("this processor's library does not reorder weights")
    with pytest.raises(ValueError, match="reordered"):
        device_decoder(model)


def test_bfloat16_stays_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, rings and products, but not what is summed; logits are near those of float32."""
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)  # weights as they would be on a GPU
    products: list[tuple[torch.dtype, torch.dtype]] = []
    original = torch.nn.functional.linear

    def watched(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        products.append((x.dtype, weight.dtype))
        return original(x, weight, bias)

    seen: dict[torch.dtype, Tensor] = {}
    for dtype in (torch.float32, torch.bfloat16):

        def keep(logits: Tensor, *others: Any, dtype: torch.dtype = dtype) -> None:
            seen.setdefault(dtype, logits.float())
            TORCH.unmask(logits, *others)

        kernels = Kernels("watched", TORCH.norm_rotary, TORCH.attend, TORCH.swiglu, keep)
        decoder = device_decoder(model_of(dtype=dtype), kernels)
        monkeypatch.setattr(torch.nn.functional, "linear", watched)
        block = decoder.open(
            decoder.begin(), torch.randn(8, WIDTH, generator=torch.Generator().manual_seed(1)), DecodingOptions()
        )
        decoder.tick([block])
        monkeypatch.undo()
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert {*products[len(products) // 2 :]} == {(torch.bfloat16, torch.bfloat16)}
    assert decoder._pool.keys.dtype is torch.bfloat16
    assert decoder._heard.dtype is torch.float32
    assert torch.allclose(seen[torch.bfloat16], seen[torch.float32], atol=0.1, rtol=0.05)
    assert not torch.equal(seen[torch.bfloat16], seen[torch.float32])


@pytest.mark.parametrize(
    ("rows", "slots", "expected"),
    [
        (1, 1, (1, 1)), (1, 8, (1, 8)), (1, 33, (1, 64)), (3, 48, (4, 64)), (5, 256, (8, 256)), (16, 257, (16, 288)),
        (16, 288, (16, 288)), (64, 1152, (64, 1152)), (64, 1153, (64, 1280)), (1000, 18_000, (1024, 18_432)),
    ],
)  # fmt: skip
def test_buckets(rows: int, slots: int, expected: tuple[int, int]) -> None:
    bucket = Bucket.of(rows, slots, 18, noisy=False)
    assert (bucket.rows, bucket.slots) == expected


def test_buckets_have_room_and_waste_little() -> None:
    for slots in range(1, 5000):
        bucket = Bucket.of(1, slots, 18, noisy=False)
        assert slots <= bucket.slots <= max(2 * slots, 1) if slots <= 256 else slots <= bucket.slots <= 1.125 * slots
        assert Bucket.of(1, bucket.slots, 18, noisy=False) == bucket

"""Decoding by kernels with all memory in one place: the tokens of the reference, rings that come back, shapes that stay."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import torch
from support.random_speech import DEVICE, LONGEST, WIDTH, Speech, model_of, speeches, talk
from torch import Tensor

from voiceagent.errors import NoCapacity
from voiceagent.kernels import compiler
from voiceagent.kernels.dispatch import TORCH, TRITON, Kernels
from voiceagent.model.cuda.decoder import DeviceDecoder
from voiceagent.model.cuda.graphs import as_it_is
from voiceagent.model.cuda.tick_inputs import Bucket
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.decode.torch_decoder import PackedDecoder
from voiceagent.training.prefix.autoregressive import Sampling, generate

needs_triton = pytest.mark.skipif(not compiler.INSTALLED, reason="Triton is not installed")


BEST = TRITON if DEVICE.type == "cuda" else TORCH


def device_decoder(model: PackedModel, kernels: Kernels = BEST, streams: int = 7, **more: Any) -> DeviceDecoder:
    """References ask the device, so they cannot be captured; on a GPU the kernels are."""
    capture = as_it_is if kernels is not TRITON or DEVICE.type == "cpu" else None
    return DeviceDecoder(model, streams=streams, longest=LONGEST, kernels=kernels, capture=capture, **more)


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
    model, conditioning = model_of(), torch.randn(20, WIDTH, device=DEVICE)
    decoder = DeviceDecoder(model, streams=1, longest=1, kernels=BEST)
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
    cancelled = decoder.tick([decoder.open(used, torch.randn(5, WIDTH, device=DEVICE), DecodingOptions(steps=4))])
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
    model = model_of()
    model.out.reordered = model.out.weight  # as on a processor with matrix units
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

"""Tokens in ONNX Runtime: those of torch in float32, and in every precision the same alone as in company."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny_folder import tiny_onnx, tiny_torch

from voiceagent.model.decode.interface import BlockDecoder
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.onnx.language_model import OnnxBlock, OnnxDecoder

WIDTH, CONTEXT = 32, 320


def conditioning(tokens: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((tokens, WIDTH)).astype(np.float32)


def speak(
    decoder: BlockDecoder[Any, Any, Any], heard: Any, sizes: list[int], options: DecodingOptions, seed: int
) -> np.ndarray:
    state, spoken, at = decoder.begin(), [], 0
    for size in sizes:
        block = decoder.open(state, heard[at : at + size], options, seed=seed)
        while not block.done:
            (block,) = decoder.tick([block])
        tokens, state = decoder.close(block)
        spoken.append(np.asarray(tokens))
        at += size
    return np.concatenate(spoken)


@pytest.mark.parametrize(
    "options",
    [
        DecodingOptions(),
        DecodingOptions(steps=1),
        DecodingOptions(steps=7, alpha=0.1, prior=0.3),
        DecodingOptions(temperature=0.8, noise=0.5),
    ],
)
@pytest.mark.parametrize("sizes", [[8, *[16] * 22], [1, 1, 2, 3, 18, 17, 5]])
def test_tokens_are_those_of_torch_in_float32(options: DecodingOptions, sizes: list[int]) -> None:
    heard = conditioning(sum(sizes))
    ours = speak(tiny_onnx("float32").decoder, heard, sizes, options, 5)
    reference = speak(tiny_torch().decoder, torch.from_numpy(heard), sizes, options, 5)
    assert np.array_equal(ours, reference)


def under_way(decoder: OnnxDecoder, blocks: int, last: int, steps: int) -> OnnxBlock:
    """A block of `last` tokens after `blocks` of 16, some steps on."""
    heard, state = conditioning(16 * blocks + last, seed=blocks), decoder.begin()
    for index in range(blocks):
        block = decoder.open(state, heard[16 * index : 16 * index + 16], DecodingOptions(steps=1))
        _, state = decoder.close(*decoder.tick([block]))
    block = decoder.open(state, heard[16 * blocks :], DecodingOptions(steps=4, prior=0.0))
    for _ in range(min(steps, len(block.counts) - 1)):
        (block,) = decoder.tick([block])
    return block


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_stream_alone_is_a_stream_in_company(precision: str) -> None:
    """Blocks of every age and length, at every step, in companies of every size: the same tokens and the same bits stored."""
    decoder, draw = tiny_onnx(precision).decoder, random.Random(3)
    ages, sizes = (0, 0, 1, 2, 3, 5, 11, 19, 20, 23), (1, 8, 16, 18, 3, 16, 17, 16, 2, 16)
    blocks = [
        under_way(decoder, age, size, index % 3) for index, (age, size) in enumerate(zip(ages, sizes, strict=True))
    ]
    alone = [decoder.tick([block])[0] for block in blocks]
    for _ in range(40):
        chosen = draw.sample(range(len(blocks)), draw.randint(2, len(blocks)))
        for index, after in zip(chosen, decoder.tick([blocks[i] for i in chosen]), strict=True):
            assert np.array_equal(after.tokens, alone[index].tokens)
            assert np.array_equal(after.masked, alone[index].masked)
            assert np.array_equal(after.state.cache.keys, alone[index].state.cache.keys)
            assert np.array_equal(after.state.cache.values, alone[index].state.cache.values)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 18), min_size=1, max_size=5), st.integers(0, 2**40))
def test_every_token_is_a_digit_of_its_level(sizes: list[int], seed: int) -> None:
    options = DecodingOptions(steps=3, temperature=1.0, noise=1.0)
    tokens = speak(tiny_onnx("int8").decoder, conditioning(sum(sizes)), sizes, options, seed)
    assert ((tokens >= 0) & (tokens < np.array([8, 8, 8, 5, 5, 5]))).all()


def test_the_context_is_bounded() -> None:
    block = under_way(tiny_onnx("int8").decoder, 25, 16, 1)
    assert block.load[2] == block.state.cache.used == CONTEXT


def test_a_row_of_zeros_has_no_say() -> None:
    """Its largest value, which it is divided by, is zero."""
    decoder = tiny_onnx("int8").decoder
    logits, made = decoder._pass(np.zeros((4, WIDTH), np.float32), [under_way(decoder, 0, 4, 0)], [0])
    assert np.isfinite(logits).all()
    assert np.isfinite(made).all()

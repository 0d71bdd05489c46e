"""The weights of the graphs, made of the voices' safetensors when they are loaded: norms folded in, products rounded to
eight bits.

A product `name` has `name.weight` (inputs, outputs), in eight bits a `name.scale` (outputs,), and where it has one
`name.bias`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceagent.model.config import CodecConfig, LanguageModelConfig
from voiceagent.model.onnx.layout import PADDED_LEVELS

Array = npt.NDArray[Any]
Tensors = Mapping[str, Array]
DURATION_OFFSET = 0.4  # that TextEncoder adds to its log durations
NEVER = -1e9  # logit of a level that a digit does not have


def speech_weights(tensors: Tensors, config: LanguageModelConfig, most: int) -> Iterator[tuple[str, Array]]:
    """Weights of the graph `speech`; `most` is the largest weight of eight bits, 0 means float32."""
    levels = config.levels
    for layer in range(config.speech.layers):
        yield from _layer(tensors, f"transformer.layers.{layer}", config.speech.heads, most)
    codes = len(levels) * PADDED_LEVELS
    columns = np.concatenate([digit * PADDED_LEVELS + np.arange(count) for digit, count in enumerate(levels)])
    out, norm = _float(tensors["out.weight"]), _float(tensors["transformer.norm.weight"])
    weight, bias = np.zeros((codes, out.shape[1]), np.float32), np.full(codes, NEVER, np.float32)
    weight[columns], bias[columns] = out * norm, _float(tensors["out.bias"])
    yield from product("out", weight, bias, 0)


def text_weights(tensors: Tensors, config: LanguageModelConfig, most: int) -> Iterator[tuple[str, Array]]:
    """Weights of the graph `text`."""
    yield "text.symbol", _float(tensors["text.symbol.weight"])
    yield "text.encoder.norm", _float(tensors["text.encoder.norm.weight"])
    for layer in range(config.text.layers):
        yield from _layer(tensors, f"text.encoder.layers.{layer}", config.text.heads, most)
    for name in ("text.mix", "text.duration_mix"):
        yield from _context_block(tensors, name, most)
    weight, bias = _linear(tensors, "text.duration")
    yield from product("text.duration", weight, bias + np.float32(DURATION_OFFSET), 0)


def conditioning_weights(tensors: Tensors, most: int) -> Iterator[tuple[str, Array]]:
    """Weights of the graph `conditioning`."""
    yield from product("labels", *_linear(tensors, "labels"), most)
    for name in ("said", "saying"):
        yield from product(name, _float(tensors[f"{name}.weight"]), None, most)


def decoder_weights(tensors: Tensors, config: CodecConfig, most: int) -> Iterator[tuple[str, Array]]:
    """Weights of the graph `decoder`, of the codec's tensors."""
    yield from product("decoder.into", *_linear(tensors, "decoder.into"), 0)
    for stack, count in (("tokens", len(config.token_left)), ("frames", len(config.frame_dilations))):
        for index in range(count):
            yield from _context_block(tensors, f"decoder.{stack}.blocks.{index}", most)
    yield from product("decoder.up", *_linear(tensors, "decoder.up"), most)
    norm = _float(tensors["decoder.norm.weight"])
    for name, bits in (("decoder.filters", most), ("decoder.pitch", 0)):
        weight, bias = _linear(tensors, name)
        yield from product(name, weight * norm, bias, bits)


def aligner_weights(tensors: Tensors) -> Iterator[tuple[str, Array]]:
    """Weights of the graph `aligner`, which is small and stays in float32."""
    yield from product("into", *_linear(tensors, "into"), 0)
    for name in sorted({".".join(name.split(".")[:3]) for name in tensors if name.startswith("mix.")}):
        yield from _context_block(tensors, name, 0)
    weight, bias = _linear(tensors, "out")
    yield from product("out", weight * _float(tensors["norm.weight"]), bias, 0)


def product(name: str, weight: Array, bias: Array | None, most: int) -> Iterator[tuple[str, Array]]:
    """One product, weight (outputs, inputs)."""
    if bias is not None:
        yield f"{name}.bias", bias
    if not most:
        yield f"{name}.weight", np.ascontiguousarray(weight.T)
        return
    scale = np.maximum(np.maximum(weight.max(1), -weight.min(1)), np.float32(1e-12)) / np.float32(most)
    rounded = weight.T / scale
    np.rint(rounded, out=rounded)
    yield f"{name}.weight", np.ascontiguousarray(rounded.astype(np.int8))
    yield f"{name}.scale", scale


def _float(tensor: Array) -> Array:
    return tensor.astype(np.float32)


def _linear(tensors: Tensors, name: str) -> tuple[Array, Array]:
    return _float(tensors[f"{name}.weight"]), _float(tensors[f"{name}.bias"])


def _layer(tensors: Tensors, name: str, heads: int, most: int) -> Iterator[tuple[str, Array]]:
    """A transformer block: joined projections, the norms' weights and the scale of the scores in them."""
    before, after = (
        _float(tensors[f"{name}.{norm}.weight"]) for norm in ("input_layernorm", "post_attention_layernorm")
    )
    parts = [_linear(tensors, f"{name}.{part}_proj") for part in "qkv"]
    scale = np.float32((len(before) // heads) ** -0.5)
    parts[0] = (parts[0][0] * scale, parts[0][1] * scale)
    joined, bias = (np.concatenate(side) for side in zip(*parts, strict=True))
    yield from product(f"{name}.qkv", joined * before, bias, most)
    yield from product(f"{name}.o", _float(tensors[f"{name}.o_proj.weight"]), None, most)
    both = np.concatenate([_float(tensors[f"{name}.{part}_proj.weight"]) for part in ("gate", "up")])
    yield from product(f"{name}.gate_up", both * after, None, most)
    yield from product(f"{name}.down", _float(tensors[f"{name}.down_proj.weight"]), None, most)


def _context_block(tensors: Tensors, name: str, most: int) -> Iterator[tuple[str, Array]]:
    weight, bias = _linear(tensors, f"{name}.up")
    norm = _float(tensors[f"{name}.norm.weight"])
    yield from product(f"{name}.up", weight * np.tile(norm, weight.shape[1] // len(norm)), bias, most)
    yield from product(f"{name}.down", *_linear(tensors, f"{name}.down"), most)

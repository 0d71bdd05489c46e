"""Graphs for ONNX Runtime, without weights: what `voiceagent train export` writes beside the voices.

A graph holds the shape of a computation; its weights are external, named after the layer, and are made of the voices' safetensors
when the graphs are loaded (model/onnx/weights.py). In int8 a product rounds each row of its input to eight bits by the row's own
largest value and adds up whole numbers, so that a row has the same bits in any company.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from voiceagent.model.codec.constants import BINS, BRANCHES, FRAMES_PER_TOKEN
from voiceagent.model.config import (
    LABELS_PER_TOKEN,
    TIMING_FEATURES,
    CodecConfig,
    LanguageModelConfig,
    TransformerConfig,
    read_config,
)
from voiceagent.model.lm.aligner import AlignerConfig
from voiceagent.model.onnx.graphs import ALIGNER, ALIGNER_WEIGHTS, FOLDER, MANIFEST, PRECISIONS, PROBE, WEIGHTS, digest
from voiceagent.model.onnx.layout import FRAME_LEFT, GRAPH_VERSION, PADDED_LEVELS

OPSET, IR_VERSION = 18, 9
MICROSOFT = "com.microsoft"  # operators of ONNX Runtime's own
EPSILON = 1e-6
ZERO_POINT = 128


@dataclass
class Graph:
    """A graph under construction. Values are names."""

    eight_bits: bool
    nodes: list[Any] = field(default_factory=list)
    weights: dict[str, Any] = field(default_factory=dict)  # initialisers, by name
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)

    def input(self, name: str, *shape: int | str, kind: int = TensorProto.FLOAT) -> str:
        """A value that is handed in."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, value: str, name: str, *shape: int | str) -> None:
        """A value that is handed out."""
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def ops(self, kind: str, *inputs: str, count: int, domain: str = "", **attributes: Any) -> list[str]:
        """An operator with `count` results."""
        results = [f"{kind.lower()}_{len(self.nodes)}_{index}" for index in range(count)]
        self.nodes.append(helper.make_node(kind, inputs, results, domain=domain, **attributes))
        return results

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """An operator with one result."""
        return self.ops(kind, *inputs, count=1, domain=domain, **attributes)[0]

    def constant(self, value: Any, kind: type[Any]) -> str:
        """A small tensor that is part of the graph."""
        array = np.asarray(value, kind)
        name = f"constant_{array.dtype}_{'_'.join(map(str, array.shape))}_{array.tobytes().hex()[:64]}"
        self.weights.setdefault(name, numpy_helper.from_array(array, name))
        return name

    def weight(self, name: str, *shape: int, kind: int = TensorProto.FLOAT) -> str:
        """A tensor that is handed in when the graph is loaded."""
        tensor = TensorProto(name=name, dims=shape, data_type=kind, data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value=name)
        self.weights[name] = tensor
        return name

    def norm(self, x: str, width: int) -> str:
        """RMSNorm (..., C); its weight is part of the product that follows."""
        ones = self.constant(np.ones(width), np.float32)
        return self.op("SimplifiedLayerNormalization", x, ones, axis=-1, epsilon=EPSILON)

    def linear(self, x: str, name: str, inputs: int, outputs: int, *, bias: bool = True, exact: bool = False) -> str:
        """`x W + b`, (..., inputs) -> (..., outputs); in float32 where `exact`."""
        if exact or not self.eight_bits:
            product = self.op("MatMul", x, self.weight(f"{name}.weight", inputs, outputs))
        else:
            product = self._eight_bits(x, name, inputs, outputs)
        return self.op("Add", product, self.weight(f"{name}.bias", outputs)) if bias else product

    def _eight_bits(self, x: str, name: str, inputs: int, outputs: int) -> str:
        """A row of zeros is divided by zero, and whatever that is rounded to becomes zero again in the end."""
        largest = self.op("ReduceMax", self.op("Abs", x), self.constant([-1], np.int64), keepdims=1)
        step, zero = self.constant(1 / 127, np.float32), self.constant(ZERO_POINT, np.uint8)
        rounded = self.op("QuantizeLinear", self.op("Div", x, largest), step, zero)
        product = self.op(
            "MatMulIntegerToFloat",
            rounded,
            self.weight(f"{name}.weight", inputs, outputs, kind=TensorProto.INT8),
            step,
            self.weight(f"{name}.scale", outputs),
            zero,
            self.constant(0, np.int8),
            domain=MICROSOFT,
        )
        return self.op("Mul", product, largest)

    def slice(self, x: str, start: int, stop: int, axis: int) -> str:
        """x[..., start:stop, ...]."""
        bounds = [self.constant([value], np.int64) for value in (start, stop, axis)]
        return self.op("Slice", x, *bounds)

    def reshape(self, x: str, *shape: int) -> str:
        """As NumPy's; 0 keeps a size."""
        return self.op("Reshape", x, self.constant(shape, np.int64))

    def model(self, name: str) -> Any:
        """The finished graph."""
        graph = helper.make_graph(self.nodes, name, self.inputs, self.outputs, list(self.weights.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="voiceagent")


EVERYTHING = np.iinfo(np.int64).max


def _gated(g: Graph, x: str, name: str, shape: TransformerConfig) -> str:
    """SwiGLU with its norm, (N, C) -> (N, C)."""
    both = g.linear(g.norm(x, shape.width), f"{name}.gate_up", shape.width, 2 * shape.ffn, bias=False)
    gate, up = g.ops("Split", both, count=2, axis=1, num_outputs=2)
    open_ = g.op("QuickGelu", gate, domain=MICROSOFT, alpha=1.0)  # with this alpha it is SiLU
    return g.linear(g.op("Mul", open_, up), f"{name}.down", shape.ffn, shape.width, bias=False)


@dataclass(frozen=True)
class _Attention:
    """Sizes, and the values that every layer shares."""

    shape: TransformerConfig
    positions: str  # (1, N) int64, which row of the two that follow
    cosines: str  # (N, D / 2)
    sines: str

    @property
    def head_dim(self) -> int:
        return self.shape.width // self.shape.heads

    def project(self, g: Graph, x: str, name: str) -> tuple[str, str, str]:
        """(N, C) -> queries (N, H D), already scaled, keys and values (N, KV D); the first two rotated."""
        wide, narrow = self.shape.width, self.shape.kv_heads * self.head_dim
        joined = g.linear(g.norm(x, wide), f"{name}.qkv", wide, wide + 2 * narrow)
        sizes = g.constant([wide + narrow, narrow], np.int64)
        turning, value = g.ops("Split", joined, sizes, count=2, axis=1)
        turned = g.op(
            "RotaryEmbedding",
            g.op("Unsqueeze", turning, g.constant([0], np.int64)),
            self.positions,
            self.cosines,
            self.sines,
            domain=MICROSOFT,
            num_heads=self.shape.heads + self.shape.kv_heads,
            rotary_embedding_dim=0,
        )
        turned = g.op("Squeeze", turned, g.constant([0], np.int64))
        query, key = g.ops("Split", turned, g.constant([wide, narrow], np.int64), count=2, axis=1)
        return query, key, value

    def heads_first(self, g: Graph, x: str, heads: int) -> str:
        """(R, S, heads D) -> (R, heads, S, D)."""
        if heads == 1:
            return g.reshape(x, 0, 1, -1, self.head_dim)
        return g.op("Transpose", g.reshape(x, 0, 0, heads, self.head_dim), perm=[0, 2, 1, 3])

    def mix(self, g: Graph, query: str, keys: str, values: str, mask: str | None) -> str:
        """(R, S, H D), (R, KV, K, D) twice, mask (R, 1, G S, K) -> (R S, H D)."""
        grouped = g.reshape(self.heads_first(g, query, self.shape.heads), 0, self.shape.kv_heads, -1, self.head_dim)
        scores = g.op("FusedMatMul", grouped, keys, domain=MICROSOFT, transB=1)
        weights = g.op("Softmax", scores if mask is None else g.op("Add", scores, mask), axis=-1)
        mixed = g.reshape(g.op("MatMul", weights, values), 0, self.shape.heads, -1, self.head_dim)
        return g.reshape(g.op("Transpose", mixed, perm=[0, 2, 1, 3]), -1, self.shape.width)


def _attention(g: Graph, shape: TransformerConfig) -> _Attention:
    half = shape.width // shape.heads // 2
    positions = g.input("positions", 1, "slots", kind=TensorProto.INT64)
    return _Attention(shape, positions, g.input("cosines", "slots", half), g.input("sines", "slots", half))


def _with_stored(g: Graph, attention: _Attention, fresh: str, own: str, stored: str) -> str:
    """Each row's own keys or values, and behind them the stored ones: (N, KV D) -> (R, KV, W + P, D)."""
    heads = attention.shape.kv_heads
    past = g.input(stored, "rows", heads, "past", attention.head_dim)
    return g.op("Concat", attention.heads_first(g, g.op("Gather", fresh, own, axis=0), heads), past, axis=2)


def speech_graph(config: LanguageModelConfig, *, eight_bits: bool) -> Graph:
    """One pass over the slots of many streams: model/decode/packed.py with rows padded for attention alone.

    Slots (N, C); `queries` (R, S) and `own` (R, W) say which slot stands where in a row, `back` (N,) where each slot went; `past_*`
    (R, KV, P, D) are the stored ones, mask (R, 1, G S, W + P) is added to the scores. Gives logits (N, digits * 8), and the new
    keys and values of all layers side by side (N, layers * 2 * KV * D).
    """
    g, shape = Graph(eight_bits), config.speech
    x = g.input("slots", "slots", shape.width)
    attention = _attention(g, shape)
    queries = g.input("queries", "rows", "queries", kind=TensorProto.INT64)
    own = g.input("own", "rows", "own", kind=TensorProto.INT64)
    back = g.input("back", "slots", kind=TensorProto.INT64)
    mask = g.input("mask", "rows", 1, "grouped", "keys")
    made = []
    for layer in range(shape.layers):
        name = f"transformer.layers.{layer}"
        query, key, value = attention.project(g, x, name)
        keys, values = (
            _with_stored(g, attention, fresh, own, f"past_{part}_{layer}")
            for fresh, part in ((key, "keys"), (value, "values"))
        )
        mixed = attention.mix(g, g.op("Gather", query, queries, axis=0), keys, values, mask)
        x = g.op(
            "Add", x, g.linear(g.op("Gather", mixed, back, axis=0), f"{name}.o", shape.width, shape.width, bias=False)
        )
        x = g.op("Add", x, _gated(g, x, name, shape))
        made += [key, value]
    codes = len(config.levels) * PADDED_LEVELS
    g.output(g.linear(g.norm(x, shape.width), "out", shape.width, codes, exact=True), "logits", "slots", codes)
    g.output(g.op("Concat", *made, axis=1), "made", "slots", 2 * shape.layers * shape.kv_heads * attention.head_dim)
    return g


def _context_block(g: Graph, x: str, name: str, width: int, hidden: int, taps: list[tuple[int, int]]) -> str:
    """What a ContextBlock adds, over (B, T, C) that is already padded; `taps` are start and stop of each neighbour's frames."""
    normed = g.norm(x, width)
    side_by_side = g.op("Concat", *(g.slice(normed, start, stop, 1) for start, stop in taps), axis=2)
    up = g.linear(side_by_side, f"{name}.up", len(taps) * width, hidden, bias=False)
    curved = g.op("FastGelu", up, g.weight(f"{name}.up.bias", hidden), domain=MICROSOFT)  # the tanh approximation
    return g.linear(curved, f"{name}.down", hidden, width)


def _taps(left: int, right: int, dilation: int) -> list[tuple[int, int]]:
    """Where each neighbour's frames begin and end, counted from the end where that is not known."""
    span = left * dilation + right
    return [(i * dilation, i * dilation - span or EVERYTHING) for i in range(left + 1 + right)]


def _whole_block(g: Graph, x: str, name: str, width: int, hidden: int) -> str:
    """A ContextBlock with a neighbour on each side over a whole (1, T, C)."""
    pads = g.constant([0, 1, 0, 0, 1, 0], np.int64)
    return _context_block(g, g.op("Pad", x, pads), name, width, hidden, _taps(1, 1, 1))


def text_graph(config: LanguageModelConfig, *, eight_bits: bool) -> Graph:
    """Phonemes (P,) and voice (1,) -> encodings (P, C) and log durations (P,): TextEncoder, one text."""
    g, shape = Graph(eight_bits), config.text
    phonemes = g.input("phonemes", "slots", kind=TensorProto.INT64)
    voice = g.input("voice", 1, shape.width)
    attention = _attention(g, shape)
    symbols = g.op("Gather", g.weight("text.symbol", config.symbols, shape.width), phonemes, axis=0)
    x = g.op("Add", symbols, voice)
    first = g.constant([0], np.int64)
    whole = g.op("Unsqueeze", x, first)
    x = g.op("Squeeze", g.op("Add", whole, _whole_block(g, whole, "text.mix", shape.width, shape.width)), first)
    for layer in range(shape.layers):
        name = f"text.encoder.layers.{layer}"
        query, key, value = (g.op("Unsqueeze", part, first) for part in attention.project(g, x, name))
        keys, values = (attention.heads_first(g, part, shape.kv_heads) for part in (key, value))
        mixed = attention.mix(g, query, keys, values, None)
        x = g.op("Add", x, g.linear(mixed, f"{name}.o", shape.width, shape.width, bias=False))
        x = g.op("Add", x, _gated(g, x, name, shape))
    scale = g.weight("text.encoder.norm", shape.width)
    x = g.op("SimplifiedLayerNormalization", x, scale, axis=-1, epsilon=EPSILON)
    whole = g.op("Unsqueeze", x, first)
    timed = g.op("Add", whole, _whole_block(g, whole, "text.duration_mix", shape.width, shape.width // 2))
    g.output(x, "encodings", "slots", shape.width)
    g.output(g.reshape(g.linear(timed, "text.duration", shape.width, 1, exact=True), -1), "log_durations", "slots")
    return g


def conditioning_graph(config: LanguageModelConfig, *, eight_bits: bool) -> Graph:
    """What tokens say (T + 1, labels C + 4) and the voice (1,) -> what slots hear (T, C)."""
    g, shape = Graph(eight_bits), config.speech
    heard = LABELS_PER_TOKEN * config.text.width + TIMING_FEATURES
    said = g.linear(g.input("said", "tokens", heard), "labels", heard, shape.width)
    before = g.linear(g.slice(said, 0, -1, 0), "said", shape.width, shape.width, bias=False)
    own = g.linear(g.slice(said, 1, EVERYTHING, 0), "saying", shape.width, shape.width, bias=False)
    voice = g.input("voice", 1, shape.width)
    g.output(g.op("Add", g.op("Add", before, own), voice), "conditioning", "slots", shape.width)
    return g


def decoder_graph(config: CodecConfig, *, eight_bits: bool) -> Graph:
    """The next tokens of streams that stand alike: values (B, T, digits) -> filters (B, F, 3, BINS), pitch (B, F, 2) and contexts.

    `context_*` (B, frames, C) come from the call before; `ending` (B, 0 or 1, C) are the zeros behind the last token.
    """
    g = Graph(eight_bits)
    wide, narrow, digits = config.token_width, config.frame_width, len(config.levels)
    values, ending = g.input("values", "streams", "tokens", digits), g.input("ending", "streams", "ending", wide)
    voice, frame_voice = (g.input(name, "streams", width) for name, width in (("voice", wide), ("frame_voice", narrow)))
    after_first = g.constant([1], np.int64)
    x = g.op("Add", _exactly(g, values, "decoder.into", digits, wide), g.op("Unsqueeze", voice, after_first))
    blocks = [
        ("tokens", i, wide, left, right, 1)
        for i, (left, right) in enumerate(zip(config.token_left, config.token_right, strict=True))
    ]
    blocks += [("frames", i, narrow, FRAME_LEFT, 0, dilation) for i, dilation in enumerate(config.frame_dilations)]
    for stack, index, width, left, right, dilation in blocks:
        if stack == "frames" and index == 0:
            x = g.reshape(g.linear(x, "decoder.up", wide, FRAMES_PER_TOKEN * narrow), 0, -1, narrow)
            x = g.op("Add", x, g.op("Unsqueeze", frame_voice, after_first))
        x = _streaming_block(g, x, f"decoder.{stack}.blocks.{index}", width, left, right, dilation, ending)
    x = g.norm(x, narrow)
    shaped = g.reshape(g.linear(x, "decoder.filters", narrow, BRANCHES * BINS), 0, -1, BRANCHES, BINS)
    g.output(shaped, "shaped", "streams", "frames", BRANCHES, BINS)
    g.output(g.linear(x, "decoder.pitch", narrow, 2, exact=True), "pitch", "streams", "frames", 2)
    return g


def _exactly(g: Graph, x: str, name: str, inputs: int, outputs: int) -> str:
    """A product with few inputs, in float32."""
    return g.linear(x, name, inputs, outputs, exact=True)


def _streaming_block(g: Graph, x: str, name: str, width: int, left: int, right: int, dilation: int, ending: str) -> str:
    """A ContextBlock whose context is handed in and out: the frames whose right neighbours are known."""
    span = left * dilation + right
    context = g.input(f"context_{name}", "streams", f"context_{name}", width)
    x = g.op("Concat", context, x, axis=1)
    g.output(g.slice(x, -span, EVERYTHING, 1), f"after_{name}", "streams", f"after_{name}", width)
    padded = g.op("Concat", x, ending, axis=1) if right else x
    middle = _taps(left, right, dilation)[left]
    made = _context_block(g, padded, name, width, 2 * width, _taps(left, right, dilation))
    return g.op("Add", g.slice(padded, *middle, 1), made)


def aligner_graph() -> Graph:
    """Quantised values (1, T, digits) -> logits of symbols (1, 2 T, symbols): Aligner, whole, in float32."""
    g, config = Graph(eight_bits=False), AlignerConfig()
    x = g.linear(g.input("values", 1, "tokens", config.digits), "into", config.digits, config.width)
    for index in range(config.blocks):
        x = g.op("Add", x, _whole_block(g, x, f"mix.blocks.{index}", config.width, 2 * config.width))
    logits = g.linear(g.norm(x, config.width), "out", config.width, LABELS_PER_TOKEN * config.symbols)
    g.output(g.reshape(logits, 0, -1, config.symbols), "logits", 1, "labels", config.symbols)
    return g


def probe_graph() -> Graph:
    """A product of eight bits alone, to see whether a processor adds it up exactly."""
    g = Graph(eight_bits=True)
    inputs = g.input("inputs", "rows", "inputs", kind=TensorProto.UINT8)
    weight = g.input("weight", "inputs", "outputs", kind=TensorProto.INT8)
    product = g.op("MatMulInteger", inputs, weight)
    g.output(g.op("Cast", product, to=TensorProto.FLOAT), "products", "rows", "outputs")
    return g


def export_graphs(folder: Path) -> None:
    """Write the graphs of a folder of voices beside them, and which safetensors they belong to.

    Raises:
        ModelError: the voices cannot be read.
    """
    config = read_config(folder)
    out = folder / FOLDER
    out.mkdir(parents=True, exist_ok=True)
    for precision in PRECISIONS:
        eight_bits = precision == "int8"
        made = {
            "speech": speech_graph(config.language_model, eight_bits=eight_bits),
            "text": text_graph(config.language_model, eight_bits=eight_bits),
            "conditioning": conditioning_graph(config.language_model, eight_bits=eight_bits),
            "decoder": decoder_graph(config.codec, eight_bits=eight_bits),
        }
        made[ALIGNER] = aligner_graph()
        for name in made:
            _write(out / f"{name}.{precision}.onnx", made[name].model(name))
    _write(out / f"{PROBE}.onnx", probe_graph().model(PROBE))
    files = [*WEIGHTS, *([ALIGNER_WEIGHTS] if (folder / ALIGNER_WEIGHTS).exists() else [])]
    lines = [
        f"version = {GRAPH_VERSION}",
        "",
        "[weights]",
        *(f'"{name}" = "{digest(folder / name)}"' for name in files),
    ]
    (out / MANIFEST).write_text("\n".join([*lines, ""]), encoding="utf-8")


def _write(file: Path, model: Any) -> None:
    file.write_bytes(model.SerializeToString(deterministic=True))

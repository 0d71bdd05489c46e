"""What a GPU could do at best: launches, bytes and products of a tick of the 0.5B shape, counted. No GPU is needed.

    voiceagent bench gpu [--bytes-per-s 3.35e12] [--flop-per-s 9.9e14] [--launch-us 2.5]

An H100 by its data sheet is assumed. Nothing here was timed: `voiceagent bench engine --config 0.5b --device cuda` does that.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from instruments.floors import QWEN2_05B, Machine, Model
from instruments.launches import count_operations, count_tick
from instruments.machine import announce, finish, show

from voiceagent.model.codec.constants import TOKEN_RATE_HZ
from voiceagent.model.config import LanguageModelConfig, TransformerConfig
from voiceagent.model.decode import reference as decoding
from voiceagent.model.decode.options import DecodingOptions, commit_counts
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.lm.language_model import SpeechLanguageModel

BLOCK, FIRST_BLOCK, STEPS = 16, 8, 8
STREAMS = (1, 8, 64, 250, 1000)
FIRST_SOUND_MS = 80.0
BLOCK_MS = (10, 16, 20, 40)  # how long a block may take, to ask how many streams can have theirs in that time
CAVEATS = (
    "arithmetic, not measurement: speeds of the data sheet, a launch inside a graph by estimate; no GPU has run this",
    "a tick takes at least the longest of its three parts, and about their sum where each launch waits for the one before",
    "language model alone; contexts are full (320 slots); weights are read once a tick, keys and values once a row",
)


@dataclass(frozen=True, slots=True)
class Way:
    """How blocks are decoded."""

    name: str
    tokens: int  # a block
    ticks: int  # a block
    slots: float  # of a row in a tick, on average
    first_ticks: int  # until the first block of an utterance is there


@dataclass(frozen=True, slots=True)
class Tick:
    """Milliseconds that a tick cannot do without."""

    launches_ms: float
    bytes_ms: float
    products_ms: float

    @property
    def least_ms(self) -> float:
        return max(self.launches_ms, self.bytes_ms, self.products_ms)

    @property
    def sum_ms(self) -> float:
        return self.launches_ms + self.bytes_ms + self.products_ms


_FIRST_TICKS = len(commit_counts(FIRST_BLOCK, DecodingOptions(steps=STEPS)))
DIFFUSION = Way("diffusion", BLOCK, STEPS, BLOCK + BLOCK / STEPS, _FIRST_TICKS)
PARENT = Way("autoregressive", 1, 1, 1.0, FIRST_BLOCK)


def on_meta(shape: TransformerConfig) -> PackedModel:
    """A model without memory."""
    with torch.device("meta"):
        return PackedModel(
            SpeechLanguageModel(LanguageModelConfig(speech=shape)).eval().requires_grad_(False), torch.bfloat16
        )


def eager_operations(layers: int, rows: int, opening: int) -> int:
    """Operations of the same tick in PyTorch; they depend on the layers, not on the width."""
    shape = TransformerConfig(width=16, layers=layers, heads=2, kv_heads=1, ffn=16)
    model = PackedModel(
        SpeechLanguageModel(LanguageModelConfig(speech=shape)).eval().requires_grad_(False), torch.float32
    )
    products = [p for layer in model.layers for p in (layer.qkv, layer.o, layer.gate_up, layer.down)]
    for product in [*products, model.out]:
        product.grouped = False  # as on a device
    options, conditioning = DecodingOptions(steps=2), torch.zeros(BLOCK, 16)
    blocks = [decoding.open_block(decoding.begin(model), conditioning, options) for _ in range(rows)]
    for row in range(opening):
        _, state = decoding.decode_block(model, decoding.begin(model), conditioning, options)
        blocks[row] = decoding.open_block(state, conditioning, options)
    return count_operations(lambda: inspect.unwrap(decoding.tick)(model, blocks))


def tick_of(way: Way, streams: int, model: PackedModel, machine: Machine, launch_ms: float, launches: int) -> Tick:
    """A tick with so many streams."""
    counted, shape, context = Model.of(model), model.config.speech, model.config.context_tokens
    kept = 2 * shape.layers * shape.kv_heads * (shape.width // shape.heads) * model.dtype.itemsize  # bytes of a slot
    rings_ms = 1000 * streams * (context + way.slots) * kept / machine.read_bytes_per_s
    slots = streams * way.slots
    products_ms = counted.by_products_ms(machine, slots, slots * (context + way.slots))
    return Tick(launch_ms * launches, counted.by_bytes_ms(machine) + rings_ms, products_ms)


def most_streams(way: Way, budget_ms: float, ticks: int, *arguments: Any) -> int:
    """How many streams can share ticks so short that `ticks` of them take no longer than the budget, by the sum of the parts."""
    low, high = 0, 1 << 20
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if ticks * tick_of(way, middle, *arguments).sum_ms <= budget_ms else (low, middle)
    return low


def compute(machine: Machine, launch_ms: float) -> dict[str, Any]:
    """Everything for the tables."""
    model = on_meta(QWEN2_05B)
    launches = sum(count_tick(model, 1, BLOCK, 1).values())
    arguments = (model, machine, launch_ms, launches)
    rows = []
    for way in (DIFFUSION, PARENT):
        for streams in STREAMS:
            tick = tick_of(way, streams, *arguments)
            ticks = way.ticks * BLOCK // way.tokens
            found = {"way": way.name, "streams": streams} | {k: round(v, 3) for k, v in asdict(tick).items()}
            found |= {"block_least_ms": round(ticks * tick.least_ms, 2), "block_sum_ms": round(ticks * tick.sum_ms, 2)}
            rows.append(found | {"of_real_time": round(ticks * tick.sum_ms / (1000 * BLOCK / TOKEN_RATE_HZ), 4)})
    limits = {
        way.name: {
            "real_time": most_streams(way, 1000 * BLOCK / TOKEN_RATE_HZ, way.ticks * BLOCK // way.tokens, *arguments),
            "first_sound": most_streams(way, FIRST_SOUND_MS, way.first_ticks, *arguments),
        }
        | {f"block_{ms}_ms": most_streams(way, ms, way.ticks * BLOCK // way.tokens, *arguments) for ms in BLOCK_MS}
        for way in (
            DIFFUSION,
            replace(DIFFUSION, name="diffusion, 4 steps", ticks=4, slots=20.0, first_ticks=4),
            PARENT,
        )
    }
    counts = [
        {"layers": layers, "rows": rows, "opening": opening, "pytorch": eager_operations(layers, rows, opening)}
        | dict(count_tick(on_meta(replace(QWEN2_05B, layers=layers)), rows, BLOCK, opening))
        for layers in (6, 24)
        for rows, opening in ((1, 0), (16, 2))
    ]
    return {"launches_per_tick": launches, "counts": counts, "ticks": rows, "limits": limits}


def show_all(results: dict[str, Any]) -> None:
    """Tables for people."""
    names = ["pytorch", "norm_rotary", "attention", "swiglu", "unmask", "products", "rest"]
    show(
        "launches a tick: operations in PyTorch, and with kernels",
        ["layers", "rows", "opening", "PyTorch", *names[1:], "with kernels"],
        [
            [*(c[key] for key in ("layers", "rows", "opening", *names)), sum(c[key] for key in names[1:])]
            for c in results["counts"]
        ],
    )
    show(
        f"0.5B on an H100, {results['launches_per_tick']} launches a tick, ms; a block is {BLOCK} tokens (640 ms)",
        ["", "streams", "launches", "bytes", "products", "block, least", "block, sum", "of real time"],
        [list(row.values()) for row in results["ticks"]],
    )
    show(
        f"most streams, by the sum: at real time; with a first block of {FIRST_BLOCK} tokens within {FIRST_SOUND_MS:.0f} ms; "
        f"with blocks of {BLOCK} tokens within so many ms",
        ["", "real time", "first block", *(f"{ms} ms" for ms in BLOCK_MS)],
        [[name, *limits.values()] for name, limits in results["limits"].items()],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Tables for people, last line JSON."""
    parser = argparse.ArgumentParser(prog="voiceagent bench gpu", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bytes-per-s", type=float, default=3.35e12, help="memory (default 3.35e12)")
    parser.add_argument("--flop-per-s", type=float, default=9.9e14, help="dense bfloat16 (default 9.9e14)")
    parser.add_argument(
        "--launch-us", type=float, default=2.5, help="a launch inside a graph (default 2.5, an estimate)"
    )
    options = parser.parse_args(arguments)
    if min(options.bytes_per_s, options.flop_per_s) <= 0 or options.launch_us < 0:
        parser.error("--bytes-per-s and --flop-per-s are positive, --launch-us is not negative")
    machine = announce("what a GPU could do at best", CAVEATS)
    results = compute(Machine(options.bytes_per_s, options.flop_per_s), options.launch_us / 1000)
    show_all(results)
    finish("gpu", machine, {"assumed": vars(options), **results})


if __name__ == "__main__":
    main()

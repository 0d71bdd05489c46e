"""What a tick costs, part by part, and how many streams that makes; the floor beside it; whether company changes a token.

    voiceagent bench engine [--rows 1,2,4,8,16] [--ticks 120] [--config shipped|0.5b] [--device cpu|cuda]

Streams speak without end, each at a step of its own, as fast as they can: nothing is paced and nobody listens.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from instruments.floors import QWEN2_05B, Machine, Model, measure
from instruments.launches import count_operations, count_tick
from instruments.machine import CONSOLE, DATA, announce, finish, show
from instruments.one_by_one import ParentDecoder
from instruments.parent import ONE_BY_ONE, beside, show_parent
from instruments.ticking import PARTS, RandomRig, SpeakingRig, SpokenStream, chunks_of, endless_chunks
from judging.evaluation import read_sentences
from rich.progress import track

from voiceagent.engine.synthesizer import BLOCK, Synthesizer
from voiceagent.model.config import LanguageModelConfig
from voiceagent.model.cuda.decoder import DeviceDecoder
from voiceagent.model.decode import reference as decoding
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.decode.torch_decoder import PackedDecoder, decoder_for
from voiceagent.model.lm.language_model import SpeechLanguageModel
from voiceagent.model.torch_model import TorchModel
from voiceagent.model.weights import load
from voiceagent.text.phonemes.phonemizer import MisakiPhonemizer

BENCH_SEED = 7
WAIT_TICKS = 16  # until all streams are within a block
CAVEATS = (
    "streams are driven as the engine drives them, but by the benchmark: no thread, no session, no network, nothing paced",
    "streams possible = audio seconds a second, rounded down: what the throughput is enough for, with no reserve for first sounds",
    "front: text to phonemes; plan: durations and conditioning; LM: the pass; out: handing samples over; "
    "block: from when a block is opened until it is heard, at so many rows",
    "the floor is of the language model alone: weights read once, or products made, at the speeds measured here just before",
)
CAVEATS_05B = (
    "weights and conditioning are random: speed does not depend on them; no text, no codec, nothing to hear",
    "the head is factored into digits 8,8,8,5,5,5 (39 rows); a flat one of 6,561 rows would add 5.9 M parameters, 1.6%",
)


def big_model(device: torch.device) -> SpeechLanguageModel:
    """Qwen2-0.5B's shape with random weights."""
    torch.manual_seed(0)
    with device:
        return SpeechLanguageModel(LanguageModelConfig(speech=QWEN2_05B)).eval().requires_grad_(False)


def figures_of(rig: SpeakingRig | RandomRig, rows: int, model: Model, machine: Machine) -> dict[str, Any]:
    """What the ticks on the clock say."""
    ticks = rig.clock.ticks
    total_ms = [1000 * sum(tick.values()) for tick in ticks]
    lm_ms = float(np.median([1000 * tick["language model"] for tick in ticks]))
    p50, p95 = np.percentile(total_ms, [50, 95])
    floor_ms = (
        model.by_bytes_ms(machine),
        model.by_products_ms(machine, rig.work.slots / len(ticks), rig.work.scores / len(ticks)),
    )
    speed = rig.work.audio_s / (sum(total_ms) / 1000)
    return {
        "rows": rows,
        "ticks": len(ticks),
        "tick_ms": {"p50": round(float(p50), 3), "p95": round(float(p95), 3)},
        "parts_ms": {part: round(1000 * sum(tick[part] for tick in ticks) / len(ticks), 3) for part in PARTS},
        "ms_per_block": round(sum(total_ms) * rows / rig.work.blocks, 3) if rig.work.blocks else None,
        "language_model_p50_ms": round(lm_ms, 2),
        "floor_ms": {"bytes": round(floor_ms[0], 3), "products": round(floor_ms[1], 3)},
        "times_the_floor": round(lm_ms / max(floor_ms), 2),
        "slots_per_tick": round(rig.work.slots / len(ticks), 1),
        "audio_seconds_per_second": round(speed, 2),
        "streams_possible": int(speed),
    }


def run_rows(rig: SpeakingRig | RandomRig, streams: Sequence[Any], options: argparse.Namespace) -> dict[str, int]:
    """Start streams one tick after the other, let them settle, measure; bytes that they hold in the end."""
    for count in range(1, len(streams)):
        rig.tick(streams[:count])
    for _ in range(options.warm_up):
        rig.tick(streams)
    rig.clock.ticks.clear()
    rig.work = type(rig.work)()
    for _ in range(options.ticks):
        rig.tick(streams)
    return rig.memory(streams)


def operations(rig: SpeakingRig | RandomRig, streams: Sequence[Any]) -> int:
    """Operations of the language model's part of the tick that comes next, which is not kept."""
    if isinstance(rig.decoder, DeviceDecoder):
        return sum(count_tick(rig.model, len(streams), rig.decoder.longest).values())
    for _ in range(WAIT_TICKS):
        if all(stream.block for stream in streams):
            break
        rig.tick(streams)
    blocks: list[Any] = [stream.block for stream in streams if stream.block is not None]
    if not blocks:
        return 0
    if isinstance(rig.decoder, ParentDecoder):
        parent = rig.decoder
        return count_operations(lambda: inspect.unwrap(ParentDecoder.tick)(parent, blocks))
    return count_operations(lambda: inspect.unwrap(decoding.tick)(rig.model, blocks))


def resident_bytes() -> int:
    """Memory of the process, without what is free but kept for later."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):  # glibc has this, others may not
        ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_info().rss)


def measure_rows(
    rig: SpeakingRig | RandomRig, texts: Sequence[str], machine: Machine, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Every number of rows, one after the other."""
    found = []
    for rows in track(options.rows, "ticks", console=CONSOLE):
        if isinstance(rig, SpeakingRig):
            streams: list[Any] = [rig.stream(endless_chunks(texts, 7 * i), options.voice) for i in range(rows)]
        else:
            streams = [rig.stream() for _ in range(rows)]
        held = run_rows(rig, streams, options)
        figures = figures_of(rig, rows, Model.of(rig.model), machine)
        figures["operations_per_tick"] = operations(rig, streams)
        figures["bytes_per_stream"] = {name: size // rows for name, size in held.items()}
        with_streams = resident_bytes()
        streams.clear()
        figures["bytes_per_stream"]["freed"] = max(0, with_streams - resident_bytes()) // rows
        found.append(figures)
        rig.clock.ticks.clear()
    return found


def speak_out(rig: SpeakingRig, streams: Sequence[SpokenStream], *, staggered: bool) -> None:
    """Until all of them are over; staggered: one begins every tick."""
    begun = 1 if staggered else len(streams)
    while not all(stream.over for stream in streams):
        rig.tick(streams[:begun])
        begun = min(begun + 1, len(streams))


def compare_company(rig: SpeakingRig, texts: Sequence[str], rows: int, voice: str) -> dict[str, Any]:
    """Every text alone and in full batches: how many tokens differ in any digit, and in how many texts."""
    tokens = differing = 0
    texts_differing = 0
    for first in track(range(0, len(texts), rows), "alone and together", console=CONSOLE):
        batch = texts[first : first + rows]
        together = [rig.stream(chunks_of(text), voice, seed=BENCH_SEED) for text in batch]
        speak_out(rig, together, staggered=True)
        for text, stream in zip(batch, together, strict=True):
            alone = rig.stream(chunks_of(text), voice, seed=BENCH_SEED)
            speak_out(rig, [alone], staggered=False)
            mine, theirs = rig.tokens(alone), rig.tokens(stream)
            other = (mine != theirs).any(1).sum().item() if mine.shape == theirs.shape else len(mine)
            tokens, differing, texts_differing = (
                tokens + len(mine),
                differing + int(other),
                texts_differing + (other > 0),
            )
    return {
        "texts": len(texts),
        "rows": rows,
        "tokens": tokens,
        "tokens_differing": differing,
        "texts_differing": texts_differing,
    }


def measure_shipped(options: argparse.Namespace) -> dict[str, Any]:
    """The voices that ship, or those of --weights."""
    texts = [text for _, text in read_sentences(DATA / "conversation.tsv")]
    precision = None if options.precision is None else getattr(torch, options.precision)
    voices = load(options.weights, device=options.device.type)
    speaker = Synthesizer(TorchModel(voices, precision, streams=max(options.rows) + 1))
    rig = SpeakingRig(speaker, MisakiPhonemizer())
    machine = measure(rig.model)
    figures = measure_rows(rig, texts, machine, options)
    company = compare_company(rig, texts[: options.sentences], max(options.rows), options.voice)
    results = results_of(rig.model, machine, figures) | {"company": company}
    ours: object = speaker.decoder
    if isinstance(ours, PackedDecoder):
        rig.take(ParentDecoder(rig.model))
        longer = argparse.Namespace(**vars(options) | {"warm_up": 4 * options.warm_up})  # as many tokens
        results["parent"] = beside(figures, measure_rows(rig, texts, machine, longer), BLOCK)
    return results


def measure_big(options: argparse.Namespace) -> dict[str, Any]:
    """The 0.5B shape."""
    dtype = None if options.precision is None else getattr(torch, options.precision)
    model = PackedModel(big_model(options.device), dtype)
    decoder = decoder_for(model, streams=max(options.rows), longest=BLOCK)
    rig = RandomRig(decoder, DecodingOptions(steps=options.steps), BLOCK)
    machine = measure(model)
    results = results_of(model, machine, measure_rows(rig, (), machine, options))
    if isinstance(decoder, DeviceDecoder):
        alone = RandomRig(DeviceDecoder(model, streams=max(options.rows), longest=1), ONE_BY_ONE, block_tokens=1)
        results["parent"] = beside(results["figures"], measure_rows(alone, (), machine, options), BLOCK)
    return results


def results_of(model: PackedModel, machine: Machine, figures: list[dict[str, Any]]) -> dict[str, Any]:
    """For the last line."""
    counted = Model.of(model)
    return {
        "precision": str(model.dtype).removeprefix("torch."),
        "parameters": counted.parameters,
        "weight_mb": round(counted.weight_bytes / 1e6, 1),
        "read_gb_per_s": round(machine.read_bytes_per_s / 1e9, 1),
        "gflop_per_s": round(machine.flop_per_s / 1e9, 1),
        "figures": figures,
    }


def show_all(results: dict[str, Any]) -> None:
    """Tables for people."""
    figures = results["figures"]
    show(
        "a tick, ms",
        ["rows", "p50", "p95", "front", "plan", "LM", "codec", "out"],
        [[f["rows"], *f["tick_ms"].values(), *(round(part, 1) for part in f["parts_ms"].values())] for f in figures],
    )
    show(
        "what that makes",
        ["rows", "block, ms", "audio s/s", "real-time streams"],
        [[f[key] for key in ("rows", "ms_per_block", "audio_seconds_per_second", "streams_possible")] for f in figures],
    )
    show(
        f"the language model and its floor, ms ({results['weight_mb']} MB of weights read at {results['read_gb_per_s']} GB/s, "
        f"products at {results['gflop_per_s']} GFLOP/s)",
        ["rows", "slots", "operations", "p50", "by bytes", "by products", "times the floor"],
        [
            [
                *(f["rows"], f["slots_per_tick"], f["operations_per_tick"], f["language_model_p50_ms"]),
                *(*f["floor_ms"].values(), f["times_the_floor"]),
            ]
            for f in figures
        ],
    )
    show(
        "memory of a stream, KB (freed: what the process gives back when the streams are dropped)",
        ["rows", "keys, values", "codec", "all tensors", "freed"],
        [[f["rows"], *(round(size / 1000) for size in f["bytes_per_stream"].values())] for f in figures],
    )
    if parent := results.get("parent"):
        show_parent(parent)
    if company := results.get("company"):
        show("company", ["", "count"], [[key.replace("_", " "), value] for key, value in company.items()])


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(prog="voiceagent bench engine", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--config", choices=["shipped", "0.5b"], default="shipped")
    parser.add_argument("--rows", default="1,2,4,8,16", help="streams that share a tick, a list")
    parser.add_argument("--ticks", type=int, default=120, help="ticks that are measured (default 120)")
    parser.add_argument(
        "--warm-up", type=int, default=100, help="ticks before them, which fill the context (default 100)"
    )
    parser.add_argument("--sentences", type=int, default=32, help="texts spoken alone and in company (default 32)")
    parser.add_argument("--steps", type=int, default=8, help="steps a block, with --config 0.5b (default 8)")
    parser.add_argument("--voice", default="heart")
    parser.add_argument("--weights", type=Path, help="folder of other voices")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], help="default: the faster one here")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args(arguments)
    try:
        options.rows = [int(rows) for rows in options.rows.split(",")]
    except ValueError:
        parser.error(f"--rows {options.rows}: a list of numbers, such as 1,2,4")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no GPU here")
    options.device = torch.device(options.device)
    if min(*options.rows, options.ticks) < 1 or min(options.warm_up, options.sentences) < 0:
        parser.error("--rows and --ticks are at least 1, --warm-up and --sentences at least 0")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Tables for people, last line JSON."""
    options = parse(arguments)
    big = options.config == "0.5b"
    title = f"engine, {options.config}, rows {','.join(map(str, options.rows))}, {options.threads} thread(s)"
    machine = announce(title, (*CAVEATS, *(CAVEATS_05B if big else ())))
    torch.set_num_threads(options.threads)
    results = measure_big(options) if big else measure_shipped(options)
    show_all(results)
    given = {"config": options.config, "voice": None if big else options.voice, "threads": options.threads}
    finish("engine", machine, {**given, "device_used": str(options.device), **results})


if __name__ == "__main__":
    main()

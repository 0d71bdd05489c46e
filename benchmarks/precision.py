"""What the language model's pass and the decoder cost in every precision and runtime at hand, and what each changes.

    voiceagent bench precision [--rounds 7] [--sentences 12] [--only bfloat16,int8]

One stream: a pass over 16 slots that see a full context, and 16 tokens to sound. All ways are timed in turns in one process.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from engine import resident_bytes, speak_out
from instruments.machine import CONSOLE, DATA, announce, finish, show
from instruments.runtimes import Int8, OneShape, Runtime, compiled, onnx_runtime
from instruments.ticking import SpeakingRig, chunks_of, packed_of
from judging.evaluation import read_sentences
from rich.progress import track
from torch import Tensor, nn

from voiceagent.engine.synthesizer import DecodedBlock, SynthesisState, Synthesizer
from voiceagent.model.decode import projection
from voiceagent.model.decode.packed import PackedModel, Row
from voiceagent.model.decode.torch_decoder import PackedDecoder
from voiceagent.model.lm.language_model import SpeechLanguageModel
from voiceagent.model.lm.transformer import KeysValues
from voiceagent.model.torch_model import TorchModel
from voiceagent.model.weights import Voices, load
from voiceagent.options import SpeakOptions
from voiceagent.text.phonemes.phonemizer import MisakiPhonemizer

SLOTS = 16
REPEATS = 10  # calls of a turn
CAVEATS = (
    "LM: 16 slots that see 320 stored ones and themselves; decoder: 16 tokens (0.64 s) in mid-stream; median of the turns",
    "±: half of what lies between the fastest and the slowest turn; CPU: processor time of a pass, which other work disturbs less",
    "torch.compile and ONNX Runtime have a pass of fixed size (18 or 36 slots, 320 stored, a mask), since every other size costs a "
    "compilation or another graph; masked slots are work, too; the decoder's state has too many shapes for them",
    "to make: copying, converting or compiling, and the first calls, in seconds; MB: what the process grew by, the voices among it",
    "tokens that differ from float32: whole sentences decoded with the precision everywhere; speech need not be worse for it",
)


@dataclass
class Way:
    """A precision and a runtime."""

    name: str
    model: PackedModel
    sound: Callable[[Sequence[DecodedBlock]], Any] | None = None  # None: the decoder is not made this way
    speaker: Synthesizer | None = None
    make_s: float = 0.0
    grown_mb: float = 0.0
    pass_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    decoder_ms: list[float] = field(default_factory=list)


class Int8Model(PackedModel):
    """Projections with weights of eight bits, and inputs rounded as they come."""

    def __init__(self, model: SpeechLanguageModel) -> None:
        super().__init__(model, torch.float32)
        for layer in self.layers:
            for name in ("qkv", "o", "gate_up", "down"):
                object.__setattr__(layer, name, Int8.of(getattr(layer, name)))
        self.out = Int8.of(self.out)  # type: ignore[assignment]


class ShapedModel(PackedModel):
    """A runtime that knows a pass of one row in one of two sizes."""

    def __init__(self, model: SpeechLanguageModel, make: Callable[[OneShape, Sequence[Tensor]], Runtime]) -> None:
        super().__init__(model, torch.float32)
        whole = OneShape(model)
        self._runs = {slots: make(whole, whole.example(slots)) for slots in (18, 36)}
        self._whole = whole

    def __call__(self, slots: Tensor, rows: Sequence[Row]) -> tuple[Tensor, Tensor, Tensor]:
        (row,) = rows
        run = self._runs[18 if len(slots) <= 18 else 36]
        logits, keys, values = run(*self._whole.inputs(slots, row, 18 if len(slots) <= 18 else 36))
        used = slice(0, len(slots))
        return logits[used], keys[:, :, :, used], values[:, :, :, used]


def with_model(voices: Voices, model: PackedModel) -> Synthesizer:
    """A speaker in float32 whose language model is another."""
    made = TorchModel(voices, torch.float32)
    made.decoder, made.packed = PackedDecoder(model), model
    return Synthesizer(made)


def int8_speaker(voices: Voices) -> Synthesizer:
    """Eight bits wherever the shipped arrangement has bfloat16, the text encoder's and the decoder's stacks included."""
    original = projection.Projection

    def eight(weight: Tensor, bias: Tensor | None, dtype: torch.dtype, **options: Any) -> nn.Module:
        return Int8(weight, bias, gelu=options.get("gelu", False))

    projection.Projection = eight  # type: ignore[assignment, misc]
    try:
        return with_model(voices, Int8Model(voices.model))
    finally:
        projection.Projection = original  # type: ignore[misc]


def shaped_speaker(voices: Voices, make: Callable[[OneShape, Sequence[Tensor]], Runtime]) -> Synthesizer:
    """The language model in another runtime, the rest in float32."""
    return with_model(voices, ShapedModel(voices.model, make))


WAYS: dict[str, Callable[[Voices], Synthesizer]] = {
    "float32": lambda voices: Synthesizer(TorchModel(voices, torch.float32)),
    "bfloat16": lambda voices: Synthesizer(TorchModel(voices, torch.bfloat16)),
    "int8": int8_speaker,
    "compiled": lambda voices: shaped_speaker(voices, compiled(torch.float32)),
    "compiled bfloat16": lambda voices: shaped_speaker(voices, compiled(torch.bfloat16)),
    "onnxruntime": lambda voices: shaped_speaker(voices, onnx_runtime(eight_bits=False)),
    "onnxruntime int8": lambda voices: shaped_speaker(voices, onnx_runtime(eight_bits=True)),
}
OWN_DECODER = ("float32", "bfloat16", "int8")


def make_way(name: str, voices: Voices, said: DecodedBlock) -> Way:
    """Build it, run it once, and note what that took."""
    before, begin_s = resident_bytes(), time.perf_counter()
    speaker = WAYS[name](copy.deepcopy(voices))
    way = Way(name, packed_of(speaker), speaker.render if name in OWN_DECODER else None, speaker)
    way.model(*pass_inputs(way.model, SLOTS, 0))
    way.model(*pass_inputs(way.model, SLOTS, SLOTS))
    if way.sound is not None:
        way.sound([said])
    way.make_s, way.grown_mb = time.perf_counter() - begin_s, (resident_bytes() - before) / 1e6
    return way


def pass_inputs(model: PackedModel, slots: int, pending: int) -> tuple[Tensor, list[Row]]:
    """One row with a full context."""
    torch.manual_seed(1)
    empty = model.empty_cache()
    shape = (*empty.keys.shape[:3], model.config.context_tokens, empty.keys.shape[4])
    past = KeysValues(torch.randn(shape), torch.randn(shape))
    return torch.randn(slots + pending, model.config.speech.width), [Row(past, 400, pending, slots)]


def in_stream(speaker: Synthesizer) -> DecodedBlock:
    """A block of 16 tokens of a stream that has sounded before."""
    generator = torch.Generator().manual_seed(2)
    digits = torch.stack([torch.randint(levels, (32,), generator=generator) for levels in (8, 8, 8, 5, 5, 5)], dim=1)
    begun = DecodedBlock(SynthesisState(tokens=16), SpeakOptions("heart"), digits[:16])
    ((_, state),) = speaker.render([begun])
    return DecodedBlock(SynthesisState(tokens=32, sound=state.sound), SpeakOptions("heart"), digits[16:])


@torch.inference_mode()
def time_all(ways: Sequence[Way], said: DecodedBlock, rounds: int) -> None:
    """Turn after turn."""

    def call(work: Callable[[], object]) -> tuple[float, float]:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        for _ in range(REPEATS):
            work()
        return 1000 * (time.perf_counter() - wall_s) / REPEATS, 1000 * (time.process_time() - cpu_s) / REPEATS

    inputs = pass_inputs(ways[0].model, SLOTS, 0)
    for _ in track(range(rounds), "turns", console=CONSOLE):
        for way in ways:
            wall_ms, cpu_ms = call(lambda model=way.model: model(*inputs))  # type: ignore[misc]
            way.pass_ms.append(wall_ms)
            way.cpu_ms.append(cpu_ms)
            if way.sound is not None:
                way.decoder_ms.append(call(lambda sound=way.sound: sound([said]))[0])  # type: ignore[misc]


def tokens_of(way: Way, texts: Sequence[str], phonemize: MisakiPhonemizer) -> list[Tensor]:
    """What it says."""
    assert way.speaker is not None
    rig, spoken = SpeakingRig(way.speaker, phonemize), []
    for text in texts:
        stream = rig.stream(chunks_of(text), "heart")
        speak_out(rig, [stream], staggered=False)
        spoken.append(rig.tokens(stream))
    return spoken


def differing(ours: Sequence[Tensor], reference: Sequence[Tensor]) -> tuple[int, int]:
    """Tokens that differ in any digit, and how many there are; all of a sentence whose length differs."""
    different = [
        int((a != b).any(1).sum()) if a.shape == b.shape else len(b) for a, b in zip(ours, reference, strict=True)
    ]
    return sum(different), sum(map(len, reference))


def summary(way: Way, differing_: tuple[int, int]) -> dict[str, Any]:
    """For the last line."""

    def figure(values: Sequence[float]) -> dict[str, float] | None:
        return (
            {"p50": round(float(np.median(values)), 2), "spread": round(float(np.ptp(values)) / 2, 2)}
            if values
            else None
        )

    return {
        "pass_ms": figure(way.pass_ms),
        "pass_cpu_ms": figure(way.cpu_ms),
        "decoder_ms": figure(way.decoder_ms),
        "tokens_differing": differing_[0],
        "tokens": differing_[1],
        "make_s": round(way.make_s, 1),
        "grown_mb": round(way.grown_mb),
    }


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(prog="voiceagent bench precision", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=",".join(WAYS), help=f"a list of: {', '.join(WAYS)}; float32 is always there")
    parser.add_argument("--rounds", type=int, default=7, help="turns (default 7)")
    parser.add_argument("--sentences", type=int, default=12, help="sentences whose tokens are compared (default 12)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument("--weights", type=Path, help="folder of other voices")
    options = parser.parse_args(arguments)
    options.only = list(dict.fromkeys(["float32", *options.only.split(",")]))
    if unknown := [name for name in options.only if name not in WAYS]:
        parser.error(f"--only {', '.join(unknown)}: choose from {', '.join(WAYS)}")
    if min(options.rounds, options.sentences) < 1:
        parser.error("--rounds and --sentences are at least 1")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Table for people, last line JSON."""
    options = parse(arguments)
    machine = announce(f"precision, {options.threads} thread(s)", CAVEATS)
    torch.set_num_threads(options.threads)
    phonemize, voices = MisakiPhonemizer(), load(options.weights)
    texts = [text for _, text in read_sentences(DATA / "conversation.tsv")][: options.sentences]
    said = in_stream(Synthesizer(TorchModel(copy.deepcopy(voices), torch.float32)))
    ways = [make_way(name, voices, said) for name in track(options.only, "making", console=CONSOLE)]
    time_all(ways, said, options.rounds)
    reference = tokens_of(ways[0], texts, phonemize)
    results = {way.name: summary(way, differing(tokens_of(way, texts, phonemize), reference)) for way in ways}
    show(
        "precision and runtime",
        ["", "LM, ms", "CPU, ms", "decoder, ms", "tokens that differ", "to make, s", "MB"],
        [
            [name, *(f and f"{f['p50']} ± {f['spread']}" for f in (r["pass_ms"], r["pass_cpu_ms"], r["decoder_ms"])),
             f"{r['tokens_differing']} of {r['tokens']}", r["make_s"], r["grown_mb"]]
            for name, r in results.items()
        ],
    )  # fmt: skip
    finish("precision", machine, {"threads": options.threads, "ways": results})


if __name__ == "__main__":
    main()

"""What the codec alone costs: the teacher's speech through the tokens, next to the teacher's speech itself.

    voiceagent bench codec [--voice heart|joe] [--limit N]

Word error rate, DNSMOS, use of the codebook, real-time factor on one core, and how far streamed output is from one-shot
output, which must be nothing.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from instruments.machine import CONSOLE, DATA, announce, finish, show
from instruments.teachers import TEACHER_OF, TeacherVoice
from judging.evaluation import Judges, Report, evaluate, read_sentences
from rich.progress import track

if TYPE_CHECKING:
    from voiceagent.model.codec.codec import Codec

    Clip = tuple[str, str, np.ndarray[Any, np.dtype[np.float32]]]  # id, text, samples

SETS = ("librispeech_like", "conversation")
STREAM_TOKENS = (2, 16, 1, 7, 16, 3)  # pieces of a streamed decode, first block small as in real use
CAVEATS = (
    "Whisper tiny.en and DNSMOS judge, nobody listened; figures mean something next to the teacher's, not by themselves",
    "these sentences are no part of training",
)


def through_codec(codec: Codec, voice: str, clips: Sequence[Clip]) -> tuple[list[Clip], list[torch.Tensor], float]:
    """Encode and decode every clip. Returns the clips, their digits (T, 6), and the decoder's real-time factor on one core."""
    out, digits, seconds, spent_s = [], [], 0.0, 0.0
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name, text, samples in track(clips, "through the codec", console=CONSOLE):
            tokens = codec.encode(torch.from_numpy(samples)[None])
            begin = time.perf_counter()
            decoded = codec.decode(tokens, voice)
            spent_s += time.perf_counter() - begin
            seconds += decoded.shape[1] / 24_000
            out.append((name, text, decoded[0, : len(samples)].numpy()))
            digits.append(tokens[0])
    finally:
        torch.set_num_threads(threads)
    return out, digits, spent_s / max(seconds, 1e-9)


def streaming_difference(codec: Codec, voice: str, digits: torch.Tensor) -> float:
    """Largest difference between one-shot and streamed samples of one clip; digits (T, 6)."""
    whole = codec.decode(digits[None], voice)[0]
    parts, state, position = [], None, 0
    for count in cycle(STREAM_TOKENS):
        final = position + count >= len(digits)
        part, state = codec.decode_stream(digits[None, position : position + count], voice, state, final=final)
        parts.append(part[0])
        position += count
        if final:
            break
    joined = torch.cat(parts)
    return math.inf if len(joined) != len(whole) else float((joined - whole).abs().max())


def codebook_use(digits: Sequence[torch.Tensor], levels: Sequence[int]) -> dict[str, Any]:
    """Codes used and entropy in bits, of whole tokens and of each digit."""
    rows = [tuple(row) for clip in digits for row in clip.tolist()]
    per_digit = [Counter(row[place] for row in rows) for place in range(len(levels))]
    codes = Counter(rows)
    return {
        "tokens": len(rows),
        "codes_used": len(codes),
        "codes": math.prod(levels),
        "token_entropy_bits": round(_entropy_bits(codes), 2),
        "digit_levels": list(levels),
        "digit_levels_used": [len(counter) for counter in per_digit],
        "digit_entropy_bits": [round(_entropy_bits(counter), 2) for counter in per_digit],
    }


def _entropy_bits(counter: Counter[Any]) -> float:
    total = sum(counter.values())
    return -sum(count / total * math.log2(count / total) for count in counter.values()) if total else 0.0


def _row(name: str, report: Report) -> list[object]:
    figures = report.summary()
    return [
        name,
        f"{figures['wer_percent']:.1f} ± {figures['wer_standard_error']:.1f}",
        f"{report.p808:.2f}",
        f"{report.ovrl:.2f}",
        f"{report.seconds:.0f}",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Table for people, last line JSON."""
    parser = argparse.ArgumentParser(prog="voiceagent bench codec", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--voice", choices=sorted(TEACHER_OF), default="heart")
    parser.add_argument("--limit", type=int, default=50, help="sentences of each set (default 50, 100 at most)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the judges")
    parser.add_argument("--weights", type=Path, help="folder of other voices")
    options = parser.parse_args(arguments)

    from voiceagent.model.decode.projection import fastest_dtype
    from voiceagent.model.torch_model import prepare_decoder
    from voiceagent.model.weights import load

    machine = announce(f"codec, voice {options.voice}", CAVEATS)
    codec = load(options.weights).codec
    prepare_decoder(codec.decoder, fastest_dtype(torch.device("cpu")))  # as it speaks
    teacher = TeacherVoice(TEACHER_OF[options.voice])
    judges = Judges(threads=options.threads)
    results: dict[str, Any] = {"voice": options.voice, "limit": options.limit, "sets": {}}
    all_digits: list[torch.Tensor] = []
    factors: list[float] = []
    table = []
    for name in SETS:
        sentences = read_sentences(DATA / f"{name}.tsv")[: options.limit]
        spoken = [
            (key, text, teacher(text).samples)
            for key, text in track(sentences, f"{name}: teacher speaks", console=CONSOLE)
        ]
        decoded, digits, factor = through_codec(codec, options.voice, spoken)
        all_digits += digits
        factors.append(factor)
        reports = {
            "teacher": evaluate(spoken, judges=judges, label=f"{name}: teacher"),
            "codec": evaluate(decoded, judges=judges, label=f"{name}: codec"),
        }
        results["sets"][name] = {who: report.summary() for who, report in reports.items()}
        table += [_row(f"{name}, {who}", report) for who, report in reports.items()]
    show("speech", ["", "word error rate %", "P.808", "OVRL", "seconds"], table)

    use = codebook_use(all_digits, codec.config.levels)
    difference = max(streaming_difference(codec, options.voice, digits) for digits in all_digits[:5])
    factor = float(np.mean(factors))
    show(
        "tokens",
        ["", "value"],
        [
            ["codes used", f"{use['codes_used']} of {use['codes']} in {use['tokens']} tokens"],
            ["entropy of a token, bits", use["token_entropy_bits"]],
            ["levels used, digit by digit", f"{use['digit_levels_used']} of {use['digit_levels']}"],
            ["entropy, digit by digit, bits", use["digit_entropy_bits"]],
            ["decoder, real-time factor, one core", f"{factor:.4f}"],
            ["streamed against one-shot, largest difference", f"{difference:.1e}"],
        ],
    )
    results |= {"codebook": use, "decoder_real_time_factor": round(factor, 5), "streaming_difference": difference}
    finish("codec", machine, results)


if __name__ == "__main__":
    main()

"""The paper's claims at our size: masked diffusion against its parent, steps, order of commitment, length, streaming.

    voiceagent bench paper [--table steps|orders|blocks|parent|length|streaming ...] [--limit N] [--parent runs/parent/last.pt]

All tables use the aligned layout and the shipped voices (LLaDA-TTS, arXiv 2603.26364).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from machine import CONSOLE, DATA, announce, finish, show
from rich.progress import track
from teachers import TEACHER_OF
from torch import Tensor

from voiceagent.model import autoregressive, decoding, stretch
from voiceagent.model.autoregressive import Sampling
from voiceagent.model.decoding import DecodingOptions, commit_counts, propose
from voiceagent.model.filling import Confidence, fill
from voiceagent.model.packed import PackedModel
from voiceagent.model.stretch import Script
from voiceagent.model.weights import Voices, load, voice_index
from voiceagent.text.chunker import Chunker
from voiceagent.text.chunks import Chunk
from voiceagent.text.phonemizer import MisakiPhonemizer, PhonemeText
from voiceagent.training.evaluation import Judges, Report, evaluate, read_sentences
from voiceagent.training.export import language_model_of

TABLES = ("steps", "orders", "blocks", "parent", "length", "streaming")
CAVEATS = (
    "aligned layout: the number of tokens is predicted before they are, for the parent as well",
    "Whisper tiny.en and DNSMOS judge; one thread; ± is one standard error over sentences",
    "time is that of tokens alone (front end and decoder are the same for all)",
)
Method = Callable[[Tensor], tuple[Tensor, int]]  # what slots hear (T, C) -> tokens (T, 6) and forward passes


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence ready to be spoken in one go."""

    key: str
    text: str
    said: tuple[tuple[Chunk, PhonemeText], ...]


class Stand:
    """The models, the sentences and the judges."""

    def __init__(self, options: argparse.Namespace) -> None:
        torch.set_num_threads(1)
        self.voice = options.voice
        self.voices: Voices = load(options.weights)
        self.packed = PackedModel(self.voices.model)
        self.row = torch.tensor([voice_index(self.voices, options.voice)])
        self.judges = Judges(threads=1)
        phonemize = MisakiPhonemizer()
        self.scripts = []
        for key, text in read_sentences(DATA / f"{options.set}.tsv")[: options.limit]:
            chunker = Chunker()
            chunks = (*chunker.feed(text), *chunker.end())
            self.scripts.append(Sentence(key, text, tuple((chunk, phonemize(chunk)) for chunk in chunks)))

    def conditioning(self, script: Sentence, *, stretch_of: float = 1.0) -> Tensor:
        """The whole text in one stretch, its predicted length times `stretch_of` -> (T, C)."""
        words = [word.phonemes for _, said in script.said for word in said.words]
        planned, _ = stretch.plan(self.voices.model, Script(), words, (), self.row, final=True, speed=1 / stretch_of)
        return planned.conditioning

    def speak(
        self, label: str, method: Method, conditioning: Callable[[Sentence], Tensor] | None = None
    ) -> list[object]:
        """All sentences by one method -> a row of a table."""
        clips, forwards, spent_s, audio_s = [], 0, 0.0, 0.0
        with torch.inference_mode():
            for script in track(self.scripts, label, console=CONSOLE):
                heard = (conditioning or self.conditioning)(script)
                begin_s = time.thread_time()
                tokens, passes = method(heard)
                spent_s += time.thread_time() - begin_s
                forwards += passes
                audio_s += len(tokens) / 25
                clips.append((script.key, script.text, self.voices.codec.decode(tokens[None], self.voice)[0].numpy()))
        report = evaluate(clips, judges=self.judges, label=label)
        return row_of(label, report, forwards / audio_s, spent_s / audio_s)


def row_of(label: str, report: Report, forwards_a_second: float, real_time_factor: float) -> list[object]:
    """A line of a table."""
    figures = report.summary()
    return [
        label,
        f"{figures['wer_percent']:.1f} ± {figures['wer_standard_error']:.1f}",
        f"{report.p808:.2f}",
        f"{report.ovrl:.2f}",
        f"{forwards_a_second:.1f}",
        f"{real_time_factor:.4f}",
    ]


COLUMNS = ("", "word error rate %", "P.808", "OVRL", "forwards a second of audio", "real-time factor of tokens")


def whole(stand: Stand, options: DecodingOptions, confidence: Confidence = propose) -> Method:
    """The paper's decoding: everything masked, everything in view."""

    def method(heard: Tensor) -> tuple[Tensor, int]:
        masked = torch.ones(len(heard), dtype=torch.bool)
        empty = torch.zeros(len(heard), 6, dtype=torch.long)
        tokens = fill(stand.voices.model, empty, masked, heard, options, confidence)
        return tokens, len(commit_counts(len(heard), options))

    return method


def in_blocks(stand: Stand, options: DecodingOptions, size: int) -> Method:
    """Ours: block after block, the cache exact."""

    def method(heard: Tensor) -> tuple[Tensor, int]:
        state, parts, passes = decoding.begin(stand.packed), [], 0
        for part in heard.split(size):
            tokens, state = decoding.decode_block(stand.packed, state, part, options)
            passes += len(commit_counts(len(part), options))
            parts.append(tokens)
        return torch.cat(parts), passes

    return method


def margin(logits: Tensor, log_prior: Tensor, levels: Sequence[int], weight: Tensor) -> tuple[Tensor, Tensor]:
    """The paper's confidence: probability of the best level minus that of the second, the mean over digits."""
    tops = [part.softmax(-1).topk(2, -1) for part in logits.split(tuple(levels), -1)]
    sure = torch.stack([top.values[:, 0] - top.values[:, 1] for top in tops]).mean(0)
    return torch.stack([top.indices[:, 0] for top in tops], -1), sure


def left_to_right(logits: Tensor, log_prior: Tensor, levels: Sequence[int], weight: Tensor) -> tuple[Tensor, Tensor]:
    """Spans from the left, as PALLE does, whatever the confidence."""
    tokens, _ = propose(logits, log_prior, levels, weight)
    return tokens, -torch.arange(len(tokens)).float()


def at_random(logits: Tensor, log_prior: Tensor, levels: Sequence[int], weight: Tensor) -> tuple[Tensor, Tensor]:
    """No confidence at all."""
    tokens, _ = propose(logits, log_prior, levels, weight)
    return tokens, torch.rand(len(tokens), generator=torch.Generator().manual_seed(0))


def steps(stand: Stand, _: argparse.Namespace) -> list[list[object]]:
    """Steps against quality, the whole utterance at once."""
    plain = DecodingOptions(tau=1.0, alpha=0.0)
    return [stand.speak(f"whole, {n} steps", whole(stand, replace(plain, steps=n))) for n in (1, 2, 4, 8, 16, 32, 64)]


def orders(stand: Stand, _: argparse.Namespace) -> list[list[object]]:
    """What decides which tokens are committed first, at 8 steps."""
    plain = DecodingOptions(steps=8, tau=1.0, alpha=0.0)
    ways: list[tuple[str, DecodingOptions, Confidence]] = [
        ("margin (the paper)", plain, margin),
        ("log p", replace(plain, prior=0.0), propose),
        ("log p - log prior (ours)", plain, propose),
        ("left to right (PALLE)", plain, left_to_right),
        ("at random", plain, at_random),
    ]
    return [stand.speak(f"whole, 8 steps, {name}", whole(stand, options, way)) for name, options, way in ways]


def blocks(stand: Stand, _: argparse.Namespace) -> list[list[object]]:
    """Block size and steps a block."""
    rows = [
        stand.speak(
            f"blocks of {size}, {n} steps", in_blocks(stand, DecodingOptions(steps=n, tau=1.0, alpha=0.0), size)
        )
        for size in (4, 8, 16, 32)
        for n in (1, 2, 4, 8, 16)
        if n <= size
    ]
    return [*rows, stand.speak("blocks of 16, shipped options", in_blocks(stand, DecodingOptions(), 16))]


def parent(stand: Stand, options: argparse.Namespace) -> list[list[object]]:
    """The autoregressive parent with its cache, beside ours."""
    if not options.parent.exists():
        raise SystemExit(f"no parent in {options.parent}: train it with `voiceagent train parent`")
    model = PackedModel(language_model_of(options.parent, stand.voices.model.config))

    def method(sampling: Sampling) -> Method:
        return lambda heard: autoregressive.generate(model, heard, sampling)

    return [
        stand.speak("parent, sampled as CosyVoice", method(Sampling())),
        stand.speak("parent, greedy", method(Sampling(temperature=0.0))),
        stand.speak("ours, blocks of 16, shipped options", in_blocks(stand, DecodingOptions(), 16)),
    ]


def length(stand: Stand, _: argparse.Namespace) -> list[list[object]]:
    """Word error rate when the predicted length is stretched."""
    method = in_blocks(stand, DecodingOptions(), 16)

    def stretched(by: float) -> Callable[[Sentence], Tensor]:
        return lambda sentence: stand.conditioning(sentence, stretch_of=by)

    return [stand.speak(f"length times {by:g}", method, stretched(by)) for by in (0.8, 0.9, 1.0, 1.1, 1.2)]


def streaming(stand: Stand, _: argparse.Namespace) -> list[list[object]]:
    """Chunks of so many words with so many words of look-ahead."""

    def chunked(words_a_chunk: int, ahead: int) -> Callable[[Sentence], Tensor]:
        def conditioning(script: Sentence) -> Tensor:
            words = [word.phonemes for _, said in script.said for word in said.words]
            state, parts = Script(), []
            for at in range(0, len(words), words_a_chunk):
                stop = at + words_a_chunk
                planned, state = stretch.plan(
                    stand.voices.model,
                    state,
                    words[at:stop],
                    words[stop : stop + ahead],
                    stand.row,
                    final=stop >= len(words),
                )
                parts.append(planned.conditioning)
            return torch.cat(parts)

        return conditioning

    method = in_blocks(stand, DecodingOptions(), 16)
    rows = [stand.speak("whole text", method)]
    return rows + [
        stand.speak(f"{n} words a chunk, look-ahead {ahead}", method, chunked(n, ahead))
        for n in (3, 6, 15)
        for ahead in (0, 1, 2)
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Tables for people, last line JSON."""
    parser = argparse.ArgumentParser(prog="voiceagent bench paper", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--table", choices=TABLES, action="append", help="tables to make (default all)")
    parser.add_argument("--voice", choices=sorted(TEACHER_OF), default="heart")
    parser.add_argument("--set", default="librispeech_like", choices=("librispeech_like", "conversation"))
    parser.add_argument("--limit", type=int, default=30, help="sentences (default 30, 100 at most)")
    parser.add_argument("--parent", type=Path, default=Path("runs/parent/last.pt"), help="checkpoint of the parent")
    parser.add_argument("--weights", type=Path, help="folder of other voices")
    options = parser.parse_args(arguments)
    machine = announce(f"paper, voice {options.voice}, {options.set}", CAVEATS)
    stand = Stand(options)
    makers = {
        "steps": steps,
        "orders": orders,
        "blocks": blocks,
        "parent": parent,
        "length": length,
        "streaming": streaming,
    }
    results: dict[str, Any] = {}
    for name in options.table or TABLES:
        rows = makers[name](stand, options)
        show((makers[name].__doc__ or name).rstrip("."), COLUMNS, rows)
        results[name] = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    finish("paper", machine, {"voice": options.voice, "set": options.set, "limit": options.limit, "tables": results})


if __name__ == "__main__":
    main()

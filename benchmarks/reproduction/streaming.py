"""Streaming against offline: chunks of so many words with so many words of look-ahead, and the training that it takes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import cast

import torch
from instruments.listening import SAMPLE_RATE_HZ, first_audible_s
from torch import Tensor

from reproduction.decoding import PLAIN, table
from reproduction.layouts import Aligned, Chunk, Layout, Prefix, whole
from reproduction.results import Row, Table, mean_and_error
from reproduction.stand import Sentence, Stand
from voiceagent.engine.synthesizer import BLOCK, FIRST_BLOCK, SynthesisState, Synthesizer, leading_silence
from voiceagent.model.codec.codec import StreamPart
from voiceagent.model.lm import planning
from voiceagent.model.lm.language_model import SpeechLanguageModel
from voiceagent.model.lm.script import PhonemeChunk, Script, spell
from voiceagent.model.torch_model import TorchModel
from voiceagent.model.weights import load
from voiceagent.options import SpeakOptions

ALL_WORDS = 10_000  # more than any text has
WHOLLY = replace(PLAIN, steps=16)


def streaming(stand: Stand) -> Table:
    """Chunks of so many words with so many words of look-ahead."""
    layout, options, model = stand.layout, stand.voices.decoding[stand.voice], stand.voices.model
    speaker = Synthesizer(TorchModel(load(stand.options.weights)))

    def row(label: str, words: int, ahead: int) -> Row:
        made = stand.speak(
            label,
            lambda chunks: layout.in_chunks(chunks, options),
            lambda sentence: planned(layout, in_chunks(model, stand.row, sentence.words, words, ahead)),
        )
        soonest = [first_sound_s(stand, speaker, sentence, words, ahead) for sentence in stand.sentences]
        return Row(label, made.figures | {"first_sound_ms": 1000 * mean_and_error(soonest)[0]})

    rows = [row("whole text", ALL_WORDS, 0)]
    rows += [row(f"{n} words a chunk, look-ahead {ahead}", n, ahead) for n in (3, 6, 15) for ahead in (0, 1, 2)]
    notes = [
        "no block reaches beyond its chunk",
        "first sound: planning, first block and decoder, from when chunk and look-ahead are there, plus silence at the "
        "beginning; spelling to sound (0.7 ms) is not in it, nor is waiting for the words",
    ]
    return table(stand, "streaming", streaming, rows, notes)


def mixing(stand: Stand) -> Table:
    """What the block-causal mix adds to the conversion."""
    options = stand.voices.decoding[stand.voice]

    def rows(name: str, layout: Layout) -> list[Row]:
        # In the aligned layout what the slots hear comes from the model's own encoder, and so do the lengths.
        model = layout.model if isinstance(layout, Aligned) else stand.voices.model
        return [
            stand.speak(f"{name}, whole", lambda canvas: whole(layout, canvas, WHOLLY), stand.plan),
            stand.speak(
                f"{name}, in blocks", lambda canvas: layout.in_blocks(canvas, options, BLOCK, FIRST_BLOCK), stand.plan
            ),
            stand.speak(
                f"{name}, streamed",
                lambda chunks: layout.in_chunks(chunks, options),
                lambda sentence: planned(layout, in_chunks(model, stand.row, sentence.words, 3, 1)),
            ),
        ]

    found = rows("converted", stand.layout_of(stand.checkpoint("converted", "convert --offline")))
    found += rows("then both masks", stand.layout_of(stand.checkpoint("mixed", "mix")))
    notes = ["whole: 16 steps, greedy; blocks: of 16, as the voice ships; streamed: 3 words a chunk, look-ahead 1"]
    return table(stand, "mixing", mixing, found, notes)


def planned(layout: Layout, chunks: Iterator[Chunk]) -> Iterable[Chunk]:
    """Planned before the clock starts where other weights do it; where it is what the slots hear, while the clock runs."""
    return list(chunks) if isinstance(layout, Prefix) else chunks


def in_chunks(
    model: SpeechLanguageModel, voice: Tensor, spoken: tuple[str, ...], words: int, ahead: int
) -> Iterator[Chunk]:
    """The chunks of a text (phonemes of words), each planned as it arrives: as many tokens as the shipped voices predict."""
    state = Script()
    for at in range(0, len(spoken), words):
        stop = at + words
        said, known, final = spoken[at:stop], spoken[stop : stop + ahead], stop >= len(spoken)
        symbols, _, behind = spell(said, known, opened=state.sentence_open, final=final)
        planned, state = planning.plan_chunk(model, state, PhonemeChunk(said, known, final=final), voice)
        yield Chunk(tuple(symbols), tuple(behind), planned.conditioning)


def first_sound_s(stand: Stand, speaker: Synthesizer, sentence: Sentence, words: int, ahead: int) -> float:
    """Processor seconds from a chunk that is complete to its first block as samples, and the silence that these begin with."""
    layout, voice, spelled, voices = stand.layout, stand.voice, sentence.words, cast(TorchModel, speaker.model).voices
    begin_s = time.thread_time()
    with torch.inference_mode():
        if isinstance(layout, Prefix):
            chunk = next(in_chunks(voices.model, stand.row, spelled, words, ahead))
            digits = layout.opening(chunk, speaker.decoding_options(SpeakOptions(voice)))
            final = len(digits) == len(chunk.heard) and words >= len(spelled)
            ((heard, _),) = voices.codec.decode_streams([StreamPart(digits, voice, None, final)])
            samples = heard.numpy()[leading_silence(heard.numpy()) :]
        else:
            text = PhonemeChunk(spelled[:words], spelled[words : words + ahead], final=words >= len(spelled))
            state = speaker.plan_chunk(SynthesisState(), SpeakOptions(voice), text)
            samples, _ = speaker.step(state, SpeakOptions(voice))
    spent_s = time.thread_time() - begin_s
    silence_s = first_audible_s(samples)
    return spent_s + (len(samples) / SAMPLE_RATE_HZ if silence_s is None else silence_s)

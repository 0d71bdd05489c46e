"""What all tables of the paper's benchmark stand on: the models, the sentences, the teacher's speech and the judges."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import torch
from instruments.machine import CONSOLE, DATA
from judging.evaluation import Judges, Report, evaluate, read_sentences
from rich.progress import track
from torch import Tensor

from reproduction.layouts import Aligned, Canvas, Layout, Prefix
from reproduction.results import Row
from voiceagent.model.codec.constants import SAMPLES_PER_TOKEN, TOKEN_RATE_HZ
from voiceagent.model.lm.script import spell
from voiceagent.model.symbols import BOUNDARY, encode
from voiceagent.model.weights import Voices, load
from voiceagent.text.chunker import Chunker
from voiceagent.text.phonemes.phonemizer import MisakiPhonemizer
from voiceagent.training import teachers
from voiceagent.training.corpus import trim
from voiceagent.training.export import language_model_of, prefix_model_of
from voiceagent.training.prefix.train import PrefixTraining

Heard = TypeVar("Heard")


class NotTrained(SystemExit):
    """A checkpoint is not there; says how to make it."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text and the phonemes of its words."""

    key: str
    text: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """A sentence that the teacher spoke."""

    key: str
    text: str  # of the line that the sentence is in
    words: tuple[str, ...]
    canvas: Canvas  # with the teacher's durations
    digits: Tensor  # (T, 6)


class Stand:
    """Everything that a table needs; each part is loaded when it is asked for."""

    def __init__(self, options: argparse.Namespace) -> None:
        torch.set_num_threads(1)
        self.options, self.voice = options, options.voice
        self.voices: Voices = load(options.weights)
        self.index = self.voices.model.config.voices.index(options.voice)
        self.row = torch.tensor([self.index])

    @cached_property
    def judges(self) -> Judges:
        """Whisper and DNSMOS."""
        return Judges(threads=1)

    @cached_property
    def layout(self) -> Layout:
        """The masked model that speaks whole texts and streams: the shipped voices, or the checkpoint of the prefix layout."""
        if self.options.layout == "aligned":
            return Aligned(self.voices.model, self.index)
        return self.layout_of(self.checkpoint("mixed", "mix"))

    @cached_property
    def parent(self) -> Layout:
        """The autoregressive parent."""
        return self.layout_of(self.checkpoint("parent", "parent"))

    def folder_of(self, run: str) -> Path:
        """Where `voiceagent train` leaves a run of the layout."""
        return Path(self.options.runs) / (run if self.options.layout == "aligned" else f"{run}-prefix")

    def checkpoint(self, run: str, made_by: str) -> Path:
        """The last checkpoint of a run of the layout.

        Raises:
            NotTrained: it is not there.
        """
        path = self.folder_of(run) / "last.pt"
        if not path.exists():
            how = f"voiceagent train {made_by}" + (" --layout prefix" if self.options.layout == "prefix" else "")
            raise NotTrained(f"no checkpoint {path}: train it with `{how}`, or name its folder with --runs")
        return path

    def layout_of(self, checkpoint: Path, *, shift: bool = True) -> Layout:
        """The averaged model of a checkpoint."""
        if self.options.layout == "prefix":
            return Prefix(prefix_model_of(checkpoint), self.index, shift=shift)
        return Aligned(language_model_of(checkpoint, self.voices.model.config), self.index, shift=shift)

    @cached_property
    def sentences(self) -> list[Sentence]:
        """The texts to speak; in the prefix layout single sentences as long as it was trained on."""
        phonemize, found = MisakiPhonemizer(), []
        for key, text in read_sentences(DATA / f"{self.options.set}.tsv"):
            chunker = Chunker()
            chunks = (*chunker.feed(text), *chunker.end())
            words = tuple(word.phonemes for chunk in chunks for word in phonemize(chunk).words)
            sentence = Sentence(key, text, words)
            if self.options.layout == "aligned" or self._fits(sentence):
                found.append(sentence)
            if len(found) == self.options.limit:
                break
        return found

    def _fits(self, sentence: Sentence) -> bool:
        canvas, end = self.plan(sentence), encode(BOUNDARY)[0]
        return canvas.tokens <= PrefixTraining().longest and canvas.symbols.count(end) == 2

    @torch.no_grad()
    def plan(self, sentence: Sentence | Spoken) -> Canvas:
        """The whole text in one stretch, with the durations that the shipped voices predict."""
        symbols, owners, _ = spell(sentence.words, (), opened=False, final=True)
        _, log_durations = self.voices.model.text(torch.tensor([symbols]), self.row)
        return Canvas(tuple(symbols), tuple(owners), self.voices.model.text.seconds(log_durations)[0].double())

    @cached_property
    def teacher_speech(self) -> list[Spoken]:
        """The same texts by the teacher, sentence by sentence: they are no part of training."""
        from hibari import Hibari

        front_end, teacher = Hibari(), teachers.TEACHERS[self.voice](seed=0)
        return [
            self.speak_as(teacher, f"{line.key}.{number}", line.text, phonemes)
            for line in track(self.sentences, "the teacher speaks", console=CONSOLE)
            for number, phonemes in enumerate(front_end.phonemize(line.text))
            if len(phonemes) > 1
        ]

    def speak_as(self, teacher: teachers.Teacher, key: str, text: str, phonemes: str) -> Spoken:
        """One sentence by the teacher, trimmed as in the corpus, as tokens with the durations of its phonemes."""
        said = trim(teacher(phonemes))
        samples = torch.from_numpy(said.samples)
        digits = self.voices.codec.encode(samples[None])[0, : len(samples) // SAMPLES_PER_TOKEN]
        symbols = [encode(symbol) for symbol in said.phonemes]
        words = tuple(said.phonemes.strip(BOUNDARY).split())
        durations = torch.tensor([float(d) for d, code in zip(said.durations_s, symbols, strict=True) if code]).double()
        durations *= len(digits) / TOKEN_RATE_HZ / durations.sum()
        owners = _owners(said.phonemes)
        known = [owner for owner, code in zip(owners, symbols, strict=True) if code]
        canvas = Canvas(tuple(code[0] for code in symbols if code), tuple(known), durations)
        return Spoken(key, text, words, canvas, digits[: canvas.tokens])

    def speak(
        self,
        label: str,
        method: Callable[[Heard], tuple[Tensor, int]],
        prepare: Callable[[Sentence], Heard],
    ) -> Row:
        """All sentences by one method, which makes tokens (T, 6) in a number of passes of what `prepare` made of a sentence."""
        clips, forwards, spent_s, audio_s = [], 0, 0.0, 0.0
        with torch.inference_mode():
            for sentence in track(self.sentences, label, console=CONSOLE):
                heard = prepare(sentence)
                begin_s = time.thread_time()
                tokens, passes = method(heard)
                spent_s += time.thread_time() - begin_s
                forwards += passes
                audio_s += len(tokens) / TOKEN_RATE_HZ
                samples = self.voices.codec.decode(tokens[None], self.voice)[0].numpy()
                clips.append((sentence.key, sentence.text, samples))
        figures = judged(evaluate(clips, judges=self.judges, label=label))
        return Row(label, figures | {"forwards": forwards / audio_s, "rtf": spent_s / audio_s})


def judged(report: Report) -> dict[str, float]:
    """Figures of a row from what the judges say."""
    return {"wer": 100 * report.wer, "wer_error": 100 * report.wer_error, "p808": report.p808, "ovrl": report.ovrl}


def _owners(phonemes: str) -> Sequence[int]:
    """The word that each symbol of a teacher's sentence belongs to; -1 for gaps and boundaries."""
    owners, word = [], 0
    for symbol in phonemes:
        owners.append(-1 if symbol in (BOUNDARY, " ") else word)
        word += symbol == " "
    return owners

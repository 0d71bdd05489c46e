"""The corpus as the language model sees it: tokens from the frozen codec, phonemes and their times."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from voiceagent.model.codec.codec import Codec
from voiceagent.model.codec.constants import SAMPLES_PER_TOKEN, TOKEN_RATE_HZ
from voiceagent.model.symbols import INDEX
from voiceagent.model.voices import VoiceSpace
from voiceagent.training.corpus import Record, read_shard, shard_numbers
from voiceagent.training.device import autocast
from voiceagent.training.prefix.stretches import Chunking, Streamed, streamed

TOKEN_S = 1 / TOKEN_RATE_HZ
POOL = 256  # rows that are sorted by length at a time


@dataclass(frozen=True, slots=True)
class Sentence:
    """One tokenised sentence; durations add up to the tokens."""

    digits: npt.NDArray[np.uint8]  # (T, 6)
    phonemes: npt.NDArray[np.uint8]  # (P,)
    durations_s: npt.NDArray[np.float32]  # (P,)
    voice: str = ""  # empty: the folder's


def _tokenise(codec: Codec, records: list[Record]) -> list[npt.NDArray[np.uint8]]:
    """Digits of each record, encoded in batches of similar length."""
    order = sorted(range(len(records)), key=lambda i: len(records[i].samples))
    digits: list[npt.NDArray[np.uint8]] = [np.zeros((0, 6), np.uint8)] * len(records)
    for start in range(0, len(order), 16):
        rows = order[start : start + 16]
        longest = max(len(records[i].samples) for i in rows)
        batch = np.zeros((len(rows), longest), np.float32)
        for row, i in enumerate(rows):
            batch[row, : len(records[i].samples)] = records[i].samples / 32768
        with autocast():
            samples = torch.from_numpy(batch).to(torch.get_default_device())
            codes = codec.encode(samples).cpu().numpy().astype(np.uint8)
        for row, i in enumerate(rows):
            digits[i] = codes[row, : len(records[i].samples) // SAMPLES_PER_TOKEN]
    return digits


def tokenise_shard(codec: Codec, corpus: Path, out: Path, voice: str, number: int) -> None:
    """Write one shard of sentences, whole or not at all; those with a symbol that the alphabet lacks are left out."""
    records = [
        record
        for record in read_shard(corpus, voice, number)
        if record.split == "train"
        and len(record.samples) > 4 * SAMPLES_PER_TOKEN
        and all(symbol in INDEX for symbol in record.phonemes)
    ]
    if not records:
        return
    digits = _tokenise(codec, records)
    phonemes, durations = [], []
    for record, codes in zip(records, digits, strict=True):
        phonemes.append(np.asarray([INDEX.get(s, 0) for s in record.phonemes], np.uint8))
        times = record.durations_s.copy()
        times *= len(codes) * TOKEN_S / times.sum()
        durations.append(times)
    path = out / voice / f"{number:04d}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path.with_suffix(".part.npz"),
        digits=np.concatenate(digits),
        tokens=np.asarray([len(d) for d in digits]),
        phonemes=np.concatenate(phonemes),
        counts=np.asarray([len(p) for p in phonemes]),
        durations_s=np.concatenate(durations).astype(np.float32),
        voices=np.asarray([record.voice for record in records]),
    )
    path.with_suffix(".part.npz").rename(path)


def tokenise(codec: Codec, corpus: Path, out: Path, folders: tuple[str, ...] = ()) -> None:
    """Every shard that is spoken and not yet tokenised, of these folders or of one a voice."""
    from rich.progress import track

    todo = [
        (voice, number)
        for voice in folders or codec.config.voices
        for number in shard_numbers(corpus, voice)
        if not (out / voice / f"{number:04d}.npz").exists()
    ]
    for voice, number in track(todo, "tokens"):
        tokenise_shard(codec, corpus, out, voice, number)


@dataclass(frozen=True, slots=True)
class Window:
    """A batch of continuous speech. Slot 0 holds `before` (or nothing: `begin`)."""

    digits: Tensor  # (B, T, 6) the tokens to predict
    before: Tensor  # (B, 6) the token before the first
    begin: Tensor  # (B,) True where the window starts an utterance
    phonemes: Tensor  # (B, P) padded with 0
    present: Tensor  # (B, P) True where there is a phoneme
    ends_s: Tensor  # (B, P) on the window's clock
    starts_s: Tensor  # (B, P)
    voice: Tensor  # (B,), or vectors (B, V)


@dataclass(frozen=True, slots=True)
class Utterances:
    """A batch of whole sentences, padded."""

    digits: Tensor  # (B, T, 6)
    spoken: Tensor  # (B, T) True where there is a token
    phonemes: Tensor  # (B, P)
    present: Tensor  # (B, P) True where there is a phoneme
    voice: Tensor  # (B,)
    streamed: Streamed  # the same text as it would have arrived in a stream


class TokenSource:
    """Sentences of all voices in memory; cuts windows of `tokens` out of their endless concatenation.

    With a `space`, `voices` are folders of sentences that name their voices, and windows bring vectors.
    """

    def __init__(
        self,
        folder: Path,
        voices: tuple[str, ...],
        *,
        odds: tuple[float, ...],
        seed: int,
        space: VoiceSpace | None = None,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.folder, self.voices, self.odds = folder, voices, odds
        self.sentences: list[list[Sentence]] = [[] for _ in voices]
        self.space, self.by_voice = space, [defaultdict[str, list[int]](list) for _ in voices]
        self._loaded: set[Path] = set()
        self.refresh()

    def refresh(self) -> None:
        """Take in shards that were written since."""
        for voice, sentences, index_of in zip(self.voices, self.sentences, self.by_voice, strict=True):
            for path in sorted((self.folder / voice).glob("????.npz")):
                if path in self._loaded:
                    continue
                self._loaded.add(path)
                with np.load(path) as arrays:
                    at = np.cumsum(arrays["tokens"])[:-1]
                    by_phoneme = np.cumsum(arrays["counts"])[:-1]
                    parts = zip(
                        np.split(arrays["digits"], at),
                        np.split(arrays["phonemes"], by_phoneme),
                        np.split(arrays["durations_s"], by_phoneme),
                        arrays["voices"].tolist() if "voices" in arrays else [voice] * len(arrays["tokens"]),
                        strict=True,
                    )
                    read = [Sentence(*part) for part in parts]
                for index, sentence in enumerate(read, start=len(sentences)):
                    index_of[sentence.voice].append(index)
                sentences.extend(read)

    def batch(self, size: int, tokens: int, phonemes: int) -> Window:
        """(size, tokens) windows; at most `phonemes` phonemes each."""
        rows = [self._row(int(v), tokens, phonemes) for v in self.rng.choice(len(self.voices), size, p=self.odds)]
        columns = [torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)]
        return Window(*columns)

    def _row(self, voice: int, tokens: int, limit: int) -> tuple[npt.NDArray[np.generic], ...]:
        """One window: starts a sentence half of the time, else somewhere inside it."""
        sentences = self.sentences[voice]
        first = sentences[self.rng.integers(len(sentences))]
        skip = int(self.rng.integers(len(first.digits))) if self.rng.random() < 0.5 else 0
        chosen, have = [first], len(first.digits) - skip
        same = self.by_voice[voice][first.voice]
        while have < tokens:
            chosen.append(sentences[same[self.rng.integers(len(same))]])
            have += len(chosen[-1].digits)
        digits = np.concatenate([s.digits for s in chosen]).astype(np.int64)
        symbols = np.concatenate([s.phonemes for s in chosen]).astype(np.int64)
        ends = np.cumsum(np.concatenate([s.durations_s for s in chosen]), dtype=np.float64) - skip * TOKEN_S
        starts = np.concatenate(([-skip * TOKEN_S], ends[:-1]))
        heard = ends > -0.6  # a little of the text before the window, as a running stream has
        symbols, starts, ends = symbols[heard][:limit], starts[heard][:limit], ends[heard][:limit]
        pad = limit - len(symbols)
        last = ends[-1] if pad else 0.0

        def padded(values: npt.NDArray[np.generic], fill: float) -> npt.NDArray[np.generic]:
            return np.concatenate((values, np.full(pad, fill, values.dtype)))

        return (
            digits[skip : skip + tokens],
            digits[skip - 1] if skip else digits[0],
            np.asarray(skip == 0),
            padded(symbols, 0),
            np.arange(limit) < limit - pad,
            padded(ends, last + 1).astype(np.float32),
            padded(starts, last + 1).astype(np.float32),
            np.asarray(voice) if self.space is None else self.space.vector(first.voice),
        )

    def utterances(self, longest: int) -> tuple[int, list[Sentence]]:
        """A voice and one or two of its sentences, at most `longest` tokens together."""
        voice = int(self.rng.choice(len(self.voices), p=self.odds))
        sentences = self.sentences[voice]
        first, second = (sentences[i] for i in self.rng.integers(len(sentences), size=2))
        while len(first.digits) > longest:
            first = sentences[self.rng.integers(len(sentences))]
        fits = len(first.digits) + len(second.digits) <= longest
        return voice, [first, second] if fits and self.rng.random() < 0.5 else [first]


class WholeSentences:
    """Batches of sentences and of pairs of them, of similar length, so that little is padded."""

    def __init__(self, source: TokenSource, *, tokens: int, longest: int, chunking: Chunking) -> None:
        self._source, self._tokens, self._longest, self._chunking = source, tokens, longest, chunking
        self._ready: list[Utterances] = []

    def batch(self) -> Utterances:
        """At most `tokens` tokens, padding included, or one row."""
        if not self._ready:
            rows = [self._source.utterances(self._longest) for _ in range(POOL)]
            rows.sort(key=lambda row: sum(len(sentence.digits) for sentence in row[1]))
            groups: list[list[tuple[int, list[Sentence]]]] = [[]]
            for row in rows:
                length = sum(len(sentence.digits) for sentence in row[1])
                if (len(groups[-1]) + 1) * length > self._tokens and groups[-1]:
                    groups.append([])
                groups[-1].append(row)
            self._source.rng.shuffle(groups)
            self._ready = [_padded(group, self._chunking) for group in groups]
        return self._ready.pop()


def _padded(rows: list[tuple[int, list[Sentence]]], chunking: Chunking) -> Utterances:
    """Voices and sentences -> a batch."""
    digits = [torch.from_numpy(np.concatenate([s.digits for s in row]).astype(np.int64)) for _, row in rows]
    phonemes = [torch.from_numpy(np.concatenate([s.phonemes for s in row]).astype(np.int64)) for _, row in rows]
    ends_s = [np.cumsum(np.concatenate([s.durations_s for s in row]), dtype=np.float64).tolist() for _, row in rows]
    there = [[torch.ones(len(part), dtype=torch.bool, device="cpu") for part in parts] for parts in (digits, phonemes)]
    spoken, present = (pad_sequence(parts, batch_first=True) for parts in there)
    return Utterances(
        pad_sequence(digits, batch_first=True),
        spoken,
        pad_sequence(phonemes, batch_first=True),
        present,
        torch.tensor([voice for voice, _ in rows], device="cpu"),
        streamed(phonemes, ends_s, chunking),
    )

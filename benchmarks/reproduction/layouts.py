"""The two ways text enters, behind one interface: what the paper's benchmark needs of a model to speak and to be questioned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pad

from voiceagent.engine.synthesizer import BLOCK, FIRST_BLOCK
from voiceagent.model.codec.constants import TOKEN_RATE_HZ
from voiceagent.model.decode import reference as decoding
from voiceagent.model.decode.blocks import SpeechState
from voiceagent.model.decode.infill import Confidence, OnCommit, unmask
from voiceagent.model.decode.options import DecodingOptions, commit_counts
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.decode.reference import TorchState, propose
from voiceagent.model.lm.language_model import SpeechLanguageModel, TokenModel
from voiceagent.model.lm.planning import lay_out
from voiceagent.training.prefix import autoregressive
from voiceagent.training.prefix import stream as prefix_stream
from voiceagent.training.prefix.autoregressive import Sampling
from voiceagent.training.prefix.layout import PrefixLanguageModel, generate_prefix, positions, read
from voiceagent.training.prefix.stream import PrefixStream

# tokens (N, T, 6), which of them are masked (N, T) -> logits of all of them (N, T, codes)
Predictor: TypeAlias = Callable[[Tensor, Tensor], Tensor]
NO_TOKENS = torch.zeros(0, 6, dtype=torch.long)


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """A text whose length is decided: its symbols, the word that each belongs to (-1: none), how long each sounds."""

    symbols: tuple[int, ...]
    owners: tuple[int, ...]
    durations_s: Tensor  # (P,)

    @property
    def tokens(self) -> int:
        """How many tokens it takes, rounded up as in speaking."""
        return int(float(self.durations_s.sum()) * TOKEN_RATE_HZ + 0.999)

    @property
    def starts_s(self) -> npt.NDArray[np.float64]:
        """When each symbol begins (P,)."""
        starts: npt.NDArray[np.float64] = (self.durations_s.cumsum(0) - self.durations_s).numpy()
        return starts

    def sounding(self) -> npt.NDArray[np.int64]:
        """Which symbol sounds in the middle of each token (T,)."""
        middle = (np.arange(self.tokens) + 0.5) / TOKEN_RATE_HZ
        return np.maximum(np.searchsorted(self.starts_s, middle, side="right") - 1, 0)

    def stretched(self, by: float) -> Canvas:
        """All durations times `by`."""
        return replace(self, durations_s=self.durations_s * by)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A planned chunk of a text that streams."""

    symbols: tuple[int, ...]
    ahead: tuple[int, ...]  # symbols that are known behind it
    heard: Tensor  # (T, C) what its slots hear of the text in the aligned layout; in any, it is T tokens long


class Layout(Protocol):
    """A model and how its text enters."""

    @property
    def model(self) -> TokenModel:
        """The model."""
        ...

    def predictor(self, canvas: Canvas) -> Predictor:
        """The model with everything in view."""
        ...

    def in_blocks(self, canvas: Canvas, options: DecodingOptions, size: int, first: int) -> tuple[Tensor, int]:
        """Blocks one after the other with an exact cache -> tokens (T, 6) and forward passes."""
        ...

    def in_chunks(self, chunks: Iterable[Chunk], options: DecodingOptions) -> tuple[Tensor, int]:
        """A stream: blocks that do not reach beyond their chunk -> tokens (T, 6) and forward passes."""
        ...

    def generate(self, canvas: Canvas, sampling: Sampling) -> tuple[Tensor, int]:
        """Token after token with a cache (the parent) -> tokens (T, 6) and forward passes."""
        ...


class Aligned:
    """Text spread over the token grid. Without `shift` (an ablation) slot i holds token i instead of token i - 1."""

    def __init__(self, model: SpeechLanguageModel, voice: int, *, shift: bool = True) -> None:
        self.model, self.row, self.shift = model, torch.tensor([voice]), shift

    @cached_property
    def packed(self) -> PackedModel:
        """The model laid out for decoding."""
        return PackedModel(self.model)

    def conditioning(self, canvas: Canvas) -> Tensor:
        """What the slots hear of a whole text, (T, C)."""
        return lay_out(self.model, canvas.symbols, canvas.durations_s, canvas.tokens, self.row)

    def predictor(self, canvas: Canvas) -> Predictor:
        """The model with everything in view."""
        heard, tokens = self.conditioning(canvas), canvas.tokens
        begins = torch.zeros(1, tokens, dtype=torch.bool)
        begins[0, 0] = self.shift

        def predict(digits: Tensor, masked: Tensor) -> Tensor:
            held = torch.cat((digits[:, :1], digits[:, :-1]), 1) if self.shift else digits
            hidden = pad(masked[:, :-1], (1, 0)) if self.shift else masked
            logits, _, _ = self.model(self.model.embed(held, hidden, begins) + heard, torch.arange(tokens))
            return torch.cat(logits, -1)

        return predict

    def in_blocks(self, canvas: Canvas, options: DecodingOptions, size: int, first: int) -> tuple[Tensor, int]:
        """Blocks one after the other with an exact cache -> tokens (T, 6) and forward passes."""
        parts = cut(self.conditioning(canvas), size, first)
        return decode_blocks(self.packed, decoding.begin(self.packed), parts, options, size)[:2]

    def in_chunks(self, chunks: Iterable[Chunk], options: DecodingOptions) -> tuple[Tensor, int]:
        """A stream: blocks that do not reach beyond their chunk -> tokens (T, 6) and forward passes."""
        parts = [part for chunk in chunks for part in cut(chunk.heard)]
        return decode_blocks(self.packed, decoding.begin(self.packed), parts, options)[:2]

    def generate(self, canvas: Canvas, sampling: Sampling) -> tuple[Tensor, int]:
        """Token after token with a cache -> tokens (T, 6) and forward passes."""
        return autoregressive.generate(self.packed, self.conditioning(canvas), sampling)


class Prefix:
    """Text in the sequence, before the speech. Without `shift` (an ablation) slot i holds token i instead of token i - 1."""

    def __init__(self, model: PrefixLanguageModel, voice: int, *, shift: bool = True) -> None:
        self.model, self.voice, self.shift = model, voice, shift

    @cached_property
    def packed(self) -> PackedModel:
        """The model laid out for decoding; its cache keeps the text, however long the speech is."""
        packed = PackedModel(self.model)
        packed.config = replace(packed.config, context_tokens=4096)
        return packed

    def predictor(self, canvas: Canvas) -> Predictor:
        """The model with everything in view."""
        phonemes = torch.tensor([canvas.symbols])
        present, spoken = torch.ones_like(phonemes, dtype=torch.bool), torch.ones(1, canvas.tokens, dtype=torch.bool)
        text, where = self.model.text(phonemes, present), positions(present, spoken)

        def predict(digits: Tensor, masked: Tensor) -> Tensor:
            rows = len(masked)
            digits, voice = digits.expand(rows, -1, -1), torch.tensor([self.voice])
            speech = self.model.speech(digits, masked, voice, shift=self.shift)
            return torch.cat(self.model(text.expand(rows, -1, -1), speech, where), -1)

        return predict

    def in_blocks(self, canvas: Canvas, options: DecodingOptions, size: int, first: int) -> tuple[Tensor, int]:
        """Blocks one after the other with an exact cache -> tokens (T, 6) and forward passes."""
        begun: TorchState = SpeechState(read(self.model, torch.tensor(canvas.symbols), canvas.tokens))
        parts = cut(self._heard(canvas.tokens), size, first)
        digits, passes, _ = decode_blocks(self.packed, begun, parts, options, size)
        return digits, passes + 1

    def in_chunks(self, chunks: Iterable[Chunk], options: DecodingOptions) -> tuple[Tensor, int]:
        """A stream: blocks that do not reach beyond their chunk -> tokens (T, 6) and forward passes."""
        stream, made, passes = prefix_stream.begin(self.packed), [NO_TOKENS], 0
        for chunk in chunks:
            passes += 1 + (stream.speech.pending is not None)
            stream = self._listened(stream, chunk)
            digits, more, speech = decode_blocks(
                self.packed, stream.speech, cut(self._heard(len(chunk.heard))), options
            )
            stream, passes = replace(stream, speech=speech), passes + more
            made.append(digits)
        return torch.cat(made), passes

    def opening(self, chunk: Chunk, options: DecodingOptions) -> Tensor:
        """The first block of a stream, tokens (n, 6)."""
        stream = self._listened(prefix_stream.begin(self.packed), chunk)
        return decode_blocks(self.packed, stream.speech, cut(self._heard(len(chunk.heard)))[:1], options)[0]

    def _listened(self, stream: PrefixStream, chunk: Chunk) -> PrefixStream:
        return prefix_stream.listen(self.model, self.packed, stream, chunk.symbols, chunk.ahead, len(chunk.heard))

    def _heard(self, tokens: int) -> Tensor:
        """What the slots hear: of the text nothing, which they attend to (T, C)."""
        return self.model.voice.weight[self.voice].expand(tokens, -1)

    def generate(self, canvas: Canvas, sampling: Sampling) -> tuple[Tensor, int]:
        """Token after token with a cache -> tokens (T, 6) and forward passes."""
        return generate_prefix(
            self.model, torch.tensor(canvas.symbols), self.voice, canvas.tokens, sampling, packed=self.packed
        )


def cut(heard: Tensor, size: int = BLOCK, first: int = FIRST_BLOCK) -> list[Tensor]:
    """What the slots of a stretch hear (T, C), block by block."""
    opening = min(first, len(heard))
    return [part for rest in heard.split((opening, len(heard) - opening)) for part in rest.split(size) if len(part)]


def decode_blocks(
    model: PackedModel, state: TorchState, parts: Iterable[Tensor], options: DecodingOptions, size: int = BLOCK
) -> tuple[Tensor, int, TorchState]:
    """Blocks by what their slots hear (n, C) -> tokens (T, 6), forward passes and the state after them.

    A block shorter than `size` takes fewer steps, as many tokens each, as in speaking.
    """
    made, passes = [NO_TOKENS], 0
    for part in parts:
        fewer = replace(options, steps=-(-options.steps * min(len(part), size) // size))
        tokens, state = decoding.decode_block(model, state, part, fewer)
        passes += len(commit_counts(len(part), fewer))
        made.append(tokens)
    return torch.cat(made), passes, state


def whole(
    layout: Layout,
    canvas: Canvas,
    options: DecodingOptions,
    confidence: Confidence = propose,
    on_commit: OnCommit | None = None,
) -> tuple[Tensor, int]:
    """The paper's way: all tokens masked, everything in view -> tokens (T, 6) and forward passes."""
    predict = layout.predictor(canvas)
    nothing, masked = torch.zeros(canvas.tokens, 6, dtype=torch.long), torch.ones(canvas.tokens, dtype=torch.bool)
    return unmask(
        layout.model,
        lambda digits, open_: predict(digits[None], open_[None])[0],
        nothing,
        masked,
        options,
        confidence,
        on_commit=on_commit,
    )


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

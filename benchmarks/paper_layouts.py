"""The two ways text enters, behind one interface: what the paper's benchmark needs of a model to speak and to be questioned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pad

from voiceagent.model import autoregressive, decoding
from voiceagent.model.autoregressive import Sampling
from voiceagent.model.codec import TOKEN_RATE_HZ
from voiceagent.model.decoding import DecodingOptions, SpeechState, commit_counts, propose
from voiceagent.model.filling import Confidence, OnCommit, unmask
from voiceagent.model.language_model import SpeechLanguageModel, TokenModel
from voiceagent.model.packed import PackedModel
from voiceagent.model.prefix import PrefixLanguageModel, generate_prefix, positions, read
from voiceagent.model.speaker import BLOCK, FIRST_BLOCK
from voiceagent.model.stretch import lay_out

# tokens (N, T, 6), which of them are masked (N, T) -> logits of all of them (N, T, codes)
Predictor: TypeAlias = Callable[[Tensor, Tensor], Tensor]


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
        return self.in_stretches([self.conditioning(canvas)], options, size, first)

    def in_stretches(
        self, stretches: Sequence[Tensor], options: DecodingOptions, size: int = BLOCK, first: int = FIRST_BLOCK
    ) -> tuple[Tensor, int]:
        """What the slots of each stretch hear (T, C); no block reaches from one stretch into the next, as in a stream."""
        parts = [part for stretch in stretches for part in stretch.split(list(cut(len(stretch), size, first)))]
        return decode_blocks(self.packed, decoding.begin(self.packed), parts, options, size)

    def generate(self, canvas: Canvas, sampling: Sampling) -> tuple[Tensor, int]:
        """Token after token with a cache -> tokens (T, 6) and forward passes."""
        return autoregressive.generate(self.packed, self.conditioning(canvas), sampling)


class Prefix:
    """Text in the sequence, before the speech."""

    def __init__(self, model: PrefixLanguageModel, voice: int) -> None:
        self.model, self.voice = model, voice

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
            speech = self.model.speech(digits.expand(rows, -1, -1), masked, torch.tensor([self.voice]))
            return torch.cat(self.model(text.expand(rows, -1, -1), speech, where), -1)

        return predict

    def in_blocks(self, canvas: Canvas, options: DecodingOptions, size: int, first: int) -> tuple[Tensor, int]:
        """Blocks one after the other with an exact cache -> tokens (T, 6) and forward passes."""
        heard = self.model.voice.weight[self.voice].expand(canvas.tokens, -1)
        begun = SpeechState(read(self.model, torch.tensor(canvas.symbols), canvas.tokens))
        parts = heard.split(list(cut(canvas.tokens, size, first)))
        digits, passes = decode_blocks(self.packed, begun, parts, options, size)
        return digits, passes + 1

    def generate(self, canvas: Canvas, sampling: Sampling) -> tuple[Tensor, int]:
        """Token after token with a cache -> tokens (T, 6) and forward passes."""
        return generate_prefix(
            self.model, torch.tensor(canvas.symbols), self.voice, canvas.tokens, sampling, packed=self.packed
        )


def cut(tokens: int, size: int, first: int) -> Iterator[int]:
    """Sizes of the blocks of so many tokens."""
    take = min(first, tokens)
    while tokens:
        yield take
        tokens -= take
        take = min(size, tokens)


def decode_blocks(
    model: PackedModel, state: SpeechState, parts: Sequence[Tensor], options: DecodingOptions, size: int
) -> tuple[Tensor, int]:
    """Blocks by what their slots hear (n, C) -> tokens (T, 6) and forward passes.

    A block shorter than `size` takes fewer steps, as many tokens each, as in speaking.
    """
    made, passes = [torch.zeros(0, 6, dtype=torch.long)], 0
    for part in parts:
        fewer = replace(options, steps=-(-options.steps * min(len(part), size) // size))
        tokens, state = decoding.decode_block(model, state, part, fewer)
        passes += len(commit_counts(len(part), fewer))
        made.append(tokens)
    return torch.cat(made), passes


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

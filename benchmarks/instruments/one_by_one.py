"""The autoregressive parent as a rival: one token a pass for every stream, with its cache, in our engine in place of blocks.

Same network, same text, same codec, same server; rows of many streams share a pass. Digits are drawn at temperature 0.7, which is
cheaper than the nucleus of training/prefix/autoregressive.py.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from voiceagent.engine import synthesizer as speaker
from voiceagent.model.config import LanguageModelConfig
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.packed import PackedModel, Row
from voiceagent.model.lm.transformer import KeysValues
from voiceagent.model.runtime_values import LanguageState
from voiceagent.model.weights import Voices, load, save

TEMPERATURE = 0.7
BENCHMARKS = Path(__file__).resolve().parent.parent
SERVE = f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r}); from instruments import one_by_one; one_by_one.serve()"


@dataclass(frozen=True, slots=True)
class ParentState(LanguageState):
    """What it remembers of a stream; a value."""

    cache: KeysValues
    position: int = 0
    last: Tensor | None = None  # (6,)


@dataclass(frozen=True, slots=True)
class ParentBlock:
    """So many tokens, one after the other; a value."""

    state: ParentState
    conditioning: Tensor  # (n, C)
    tokens: tuple[Tensor, ...] = ()  # (6,) each

    @property
    def done(self) -> bool:
        """Every token is there."""
        return len(self.tokens) == len(self.conditioning)

    @property
    def load(self) -> tuple[int, int, int]:
        """One slot, which sees itself and what is stored."""
        return 1, 0, len(self.state.cache)


class ParentDecoder:
    """Decodes tokens of many streams together, one of each a tick; in the place of model/decode/interface.py's."""

    rewinds = False

    def __init__(self, model: PackedModel) -> None:
        self.model = model
        self._chance = torch.Generator(model.device).manual_seed(0)

    def begin(self) -> ParentState:
        return ParentState(self.model.empty_cache())

    def open(self, state: ParentState, conditioning: Tensor, options: DecodingOptions, *, seed: int = 0) -> ParentBlock:
        return ParentBlock(state, conditioning)

    @torch.inference_mode()
    def tick(self, blocks: Sequence[ParentBlock]) -> list[ParentBlock]:
        """A token of each."""
        nothing = torch.zeros(6, dtype=torch.long, device=self.model.device)
        held = torch.stack([nothing if b.state.last is None else b.state.last for b in blocks])
        embedded = self.model.embed(held, torch.zeros(len(blocks), dtype=torch.bool, device=self.model.device))
        for index, block in enumerate(blocks):
            if block.state.last is None:
                embedded[index] = self.model.begin_row
        slots = embedded + torch.stack([block.conditioning[len(block.tokens)] for block in blocks])
        logits, keys, values = self.model(slots, [Row(b.state.cache, b.state.position, 1, 0) for b in blocks])
        after = []
        for index, (block, token) in enumerate(zip(blocks, self._draw(logits), strict=True)):
            row, kept = slice(index, index + 1), self.model.config.context_tokens
            cache = block.state.cache.append(keys[:, :, :, row], values[:, :, :, row], keep=kept)
            state = ParentState(cache, block.state.position + 1, token)
            after.append(replace(block, state=state, tokens=(*block.tokens, token)))
        return after

    def close(self, block: ParentBlock) -> tuple[Tensor, ParentState]:
        return torch.stack(block.tokens), block.state

    def warm_up(self) -> None:
        """Nothing is kept between calls."""

    def _draw(self, logits: Tensor) -> Tensor:
        """(N, codes) -> a token each (N, 6), by the largest of logits plus Gumbel noise."""
        uniform = torch.rand(logits.shape, generator=self._chance, device=logits.device).clamp_min(1e-9)
        noisy = logits / TEMPERATURE - torch.log(-torch.log(uniform))
        return torch.stack([part.argmax(1) for part in noisy.split(self.model.config.levels, 1)], dim=1)


def save_voices(checkpoint: Path, folder: Path) -> None:
    """The shipped codec with the parent's language model, as a folder of voices.

    Raises:
        SystemExit: there is no such checkpoint, or none of a parent.
    """
    from voiceagent.training.export import language_model_of

    try:
        model = language_model_of(checkpoint, LanguageModelConfig())
    except (OSError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
        raise SystemExit(f"{checkpoint} is no checkpoint of `voiceagent train parent`: {error}") from error
    save(folder, Voices(load(None).codec, model, {voice: DecodingOptions() for voice in model.config.voices}))


def serve() -> None:
    """`voiceagent serve`, with the parent in the place of blocks."""
    from voiceagent.cli.commands import main

    speaker.decoder_for = lambda model, **_: ParentDecoder(model)  # type: ignore[attr-defined]
    sys.argv[0] = "voiceagent"
    main()

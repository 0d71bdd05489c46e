"""What speaking needs of the voices, whichever runtime computes.

    chunk of phonemes -> plan_chunk -> conditioning -> decoder (blocks of tokens) -> render -> samples

Conditioning, tokens and states are values of the runtime's own; others hold them, cut them by rows and hand them back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from voiceagent.audio.formats import Samples
from voiceagent.model.codec.delivery import Floats
from voiceagent.model.decode.interface import BlockDecoder
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.lm.script import ChunkPlan, Script
from voiceagent.model.voices import VoiceSpace

LONGEST_BLOCK = 18  # tokens of the longest block that is decoded at once


@dataclass(frozen=True, slots=True)
class StreamTokens:
    """The next tokens of one stream, to become sound together with others'."""

    digits: Any  # (n, 6), None where there are no more
    voice: str
    state: Any  # the runtime's own, None before the first token
    final: bool  # nothing follows
    rows: Floats | None = None  # (n * FRAMES_PER_TOKEN, ROW) how their frames are delivered; None as they are
    liveliness: float = 1.0


Listen = Callable[[Any], npt.NDArray[np.float32]]
"""Tokens (T, 6) -> logits of symbols (2 T, symbols), two a token."""


class SpeechModel(Protocol):
    """The voices of a folder in one runtime."""

    @property
    def space(self) -> VoiceSpace:
        """The voices."""
        ...

    @property
    def listen(self) -> Listen | None:
        """What tokens sound like, for a guard, or None: there is no aligner, or blocks cannot be decoded again."""
        ...

    def options(self, voice: str) -> DecodingOptions:
        """How the blocks of a voice or a blend are decoded."""
        ...

    @property
    def decoder(self) -> BlockDecoder[Any, Any]:
        """Conditioning to tokens."""
        ...

    def plan_chunk(
        self,
        script: Script,
        words: Sequence[str],
        lookahead: Sequence[str],
        voice: str,
        *,
        final: bool,
        speed: float = 1.0,
        pause_s: float = 0.0,
    ) -> tuple[ChunkPlan, Script]:
        """The next words as phoneme strings -> what their slots hear and when each sounds, and the script after them."""
        ...

    def render(self, parts: Sequence[StreamTokens]) -> list[tuple[Samples, Any]]:
        """Tokens of many streams -> samples (m,) that no later token can change, and the next state of each."""
        ...

    def use_threads(self, threads: int) -> None:
        """How many threads a product may take; called on the thread that computes."""
        ...

"""What speaking needs of the voices, whichever runtime computes.

    chunk of phonemes -> plan_chunk -> conditioning -> decoder (blocks of tokens) -> render -> samples

Conditioning, tokens and states are values of the runtime's own; others hold them, cut them by rows and hand them back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from voiceagent.audio.formats import Samples
from voiceagent.model.codec.delivery import Floats
from voiceagent.model.decode.interface import BlockDecoder, BlockT, OpenBlock
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.lm.script import ChunkPlan, PhonemeChunk, Script
from voiceagent.model.runtime_values import ArrayT, LanguageState, LanguageT, RuntimeArray, SoundState, SoundT
from voiceagent.model.voices import VoiceSpace

LONGEST_BLOCK = 18  # tokens of the longest block that is decoded at once


@dataclass(frozen=True, slots=True)
class StreamTokens(Generic[ArrayT, SoundT]):
    """The next tokens of one stream, to become sound together with others'."""

    digits: ArrayT | None  # (n, 6), None where there are no more
    voice: str
    state: SoundT | None  # None before the first token
    final: bool  # nothing follows
    rows: Floats | None = None  # (n * FRAMES_PER_TOKEN, ROW) how their frames are delivered; None as they are
    liveliness: float = 1.0


Listen = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float32]]
"""Tokens (T, 6) -> logits of symbols (2 T, symbols), two a token."""


class SpeechModel(Protocol[ArrayT, LanguageT, BlockT, SoundT]):
    """The voices of a folder in one runtime, whose arrays, states and blocks are its own."""

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
    def decoder(self) -> BlockDecoder[ArrayT, LanguageT, BlockT]:
        """Conditioning to tokens."""
        ...

    def plan_chunk(self, script: Script, chunk: PhonemeChunk, voice: str) -> tuple[ChunkPlan[ArrayT], Script]:
        """The next words -> what their slots hear and when each sounds, and the script after them."""
        ...

    def render(self, parts: Sequence[StreamTokens[ArrayT, SoundT]]) -> list[tuple[Samples, SoundT]]:
        """Tokens of many streams -> samples (m,) that no later token can change, and the next state of each."""
        ...

    def use_threads(self, threads: int) -> None:
        """How many threads a product may take; called on the thread that computes."""
        ...


OpaqueModel: TypeAlias = SpeechModel[RuntimeArray, LanguageState, OpenBlock, SoundState]
"""A model of whichever runtime: its values can be held, cut by rows and handed back, and nothing else."""

"""One stream of speech from text to samples, a block at a time; what it remembers is a value.

    chunk of phonemes -> plan (durations, token grid) -> blocks of tokens -> samples

It knows nothing of threads, queues or other streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch

from voiceagent.model import decoding, stretch
from voiceagent.model.codec import DecoderState
from voiceagent.model.decoding import DecodingOptions, SpeechState
from voiceagent.model.stretch import Script, Stretch
from voiceagent.model.weights import Voices, voice_index

FIRST_BLOCK = 8  # tokens of the first block of an utterance: 320 ms, so that sound starts early
BLOCK = 16


@dataclass(frozen=True, slots=True)
class Manner:
    """How a stream speaks."""

    voice: str
    speed: float = 1.0
    seed: int = 0
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class SpeakerState:
    """Everything that a stream carries from block to block."""

    script: Script = field(default_factory=Script)
    speech: SpeechState | None = None
    decoder: DecoderState | None = None
    tokens: int = 0  # spoken so far
    stretch: Stretch | None = None  # being spoken
    offset: int = 0  # tokens of the stretch that are done
    final: bool = False  # nothing follows the stretch


class Speaker:
    """The voices and the operations on a `SpeakerState`."""

    def __init__(self, voices: Voices) -> None:
        self.voices = voices

    def options(self, manner: Manner) -> DecodingOptions:
        """The voice's own decoding options, with the steps that were asked for."""
        options = self.voices.decoding[manner.voice]
        return options if manner.steps is None else replace(options, steps=manner.steps)

    def plan(
        self,
        state: SpeakerState,
        manner: Manner,
        words: Sequence[str],
        lookahead: Sequence[str] = (),
        *,
        final: bool,
        rate: float = 1.0,
        pause_s: float = 0.0,
    ) -> SpeakerState:
        """The next chunk as phoneme strings, one a word. The stretch before must be done."""
        if not words and pause_s <= 0 and state.script.tokens == 0:
            return replace(state, stretch=None, offset=0, final=final)
        if not words and pause_s <= 0 and not final:
            return replace(state, stretch=None, offset=0)
        voice = torch.tensor([voice_index(self.voices, manner.voice)])
        planned, script = stretch.plan(
            self.voices.model,
            state.script,
            words,
            lookahead,
            voice,
            final=final,
            speed=manner.speed * rate,
            pause_s=pause_s,
        )
        return replace(state, script=script, stretch=planned, offset=0, final=final)

    def remaining(self, state: SpeakerState) -> int:
        """Tokens of the stretch that are still to be spoken."""
        return 0 if state.stretch is None else state.stretch.saying.shape[1] - state.offset

    @torch.inference_mode()
    def step(self, state: SpeakerState, manner: Manner) -> tuple[npt.NDArray[np.float32], SpeakerState]:
        """Decode one block -> samples (n,) in [-1, 1] that are ready, and the next state."""
        voices, digits = self.voices, torch.zeros(1, 0, 6, dtype=torch.long)
        count = min(self.remaining(state), BLOCK if state.tokens else FIRST_BLOCK)
        if 0 < self.remaining(state) - count < 3:
            count = self.remaining(state)  # no crumbs at the end
        if count and state.stretch is not None:
            saying = state.stretch.saying[:, state.offset : state.offset + count]
            speech = state.speech or decoding.begin(voices.model, state.stretch.said)
            voice = torch.tensor([voice_index(voices, manner.voice)])
            digits, speech = decoding.decode_block(
                voices.model, speech, saying, voice, self.options(manner), seed=manner.seed
            )
            state = replace(state, speech=speech, tokens=state.tokens + count, offset=state.offset + count)
        last = state.final and self.remaining(state) == 0
        if state.tokens == 0:
            return np.zeros(0, np.float32), state
        samples, decoder = voices.codec.decode_stream(digits, manner.voice, state.decoder, final=last)
        return samples[0].clamp(-1, 1).numpy(), replace(state, decoder=decoder)

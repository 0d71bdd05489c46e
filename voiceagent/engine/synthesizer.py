"""One stream of speech from text to samples, a block at a time; what it remembers is a value.

    chunk of phonemes -> plan (durations, token grid) -> blocks of tokens -> samples

It knows nothing of threads, queues or other streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceagent.audio.formats import Samples
from voiceagent.audio.limiter import LimiterState, limit
from voiceagent.engine import guard
from voiceagent.engine.delivery import delayed, rows_of
from voiceagent.errors import SynthesisError
from voiceagent.model.codec.constants import FRAMES_PER_TOKEN, TOKEN_RATE_HZ
from voiceagent.model.codec.delivery import DURATION, GAIN, Floats
from voiceagent.model.decode.interface import OpenBlock
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.interface import LONGEST_BLOCK, OpaqueModel, SpeechModel, StreamTokens
from voiceagent.model.lm.script import ChunkPlan, PhonemeChunk, Script
from voiceagent.model.runtime_values import LanguageState, RuntimeArray, SoundState
from voiceagent.options import SpeakOptions
from voiceagent.text.chunk import Delivery

FIRST_BLOCK = 8  # tokens of the first block of an utterance: 320 ms, so that sound starts early
BLOCK = 16
TRIM = 1_440  # samples of silence that an utterance may lose at its beginning, 60 ms: it sounds so much sooner
LEAD = 120  # samples that stay before the first sound, 5 ms
SILENCE = 0.004
CRUMBS = LONGEST_BLOCK - BLOCK + 1  # fewer tokens than this at the end of a chunk join the block before


@dataclass(frozen=True, slots=True)
class SynthesisState:
    """Everything that a stream carries from block to block."""

    script: Script = field(default_factory=Script)
    language: LanguageState | None = None  # None before the first token
    sound: SoundState | None = None  # None before the first samples
    tokens: int = 0  # spoken so far
    plan: ChunkPlan[RuntimeArray] | None = None  # of the chunk that is being spoken
    offset: int = 0  # tokens of the chunk that are done
    final: bool = False  # nothing follows the stretch
    trimmed: int = 0  # samples of silence left out at the beginning
    recent: npt.NDArray[np.int64] | None = None  # (m, 6) the last few tokens, where there is a guard
    rows: Floats | None = (
        None  # (tokens * FRAMES_PER_TOKEN, ROW) how the chunk's frames are delivered; None as they are
    )
    stretched_s: float = 0.0  # by how much stress has made what was planned before the chunk longer
    limiter: LimiterState | None = None  # None while nothing has been made louder


def leading_silence(samples: Samples, gain: float = 1.0) -> int:
    """How many samples (n,) an utterance can begin later without losing sound; they have been made louder by `gain`."""
    loud = np.flatnonzero(np.abs(samples[: TRIM + LEAD]) > SILENCE * min(gain, 1.0))
    first = int(loud[0]) if len(loud) else min(len(samples), TRIM + LEAD)
    return max(0, min(TRIM, first - LEAD))


@dataclass(frozen=True, slots=True)
class DecodedBlock:
    """Tokens of a stream that are decided and not yet sound."""

    state: SynthesisState
    options: SpeakOptions
    digits: RuntimeArray | None  # (n, 6), None where there are none
    rows: Floats | None = None  # how they are delivered, (n * FRAMES_PER_TOKEN, ROW)

    @property
    def is_last(self) -> bool:
        """Nothing of the stream follows."""
        state = self.state
        return state.final and (state.plan is None or state.offset == len(state.plan.conditioning))


class Synthesizer:
    """The operations on a `SynthesisState`, with the voices of a model."""

    # Any runtime will do: from here on its values are opaque, and only that it gets its own back matters.
    def __init__(self, model: SpeechModel[Any, Any, Any, Any]) -> None:
        self.model: OpaqueModel = model
        self.decoder = self.model.decoder
        self.guard = None if model.listen is None else guard.Guard(model.listen)

    def decoding_options(self, options: SpeakOptions, tokens: int = BLOCK) -> DecodingOptions:
        """The voice's own, with the steps that were asked for; a shorter block takes fewer, as many tokens each: sooner
        done.
        """
        decoding = self.model.options(options.voice)
        steps = decoding.steps if options.steps is None else options.steps
        return replace(decoding, steps=-(-steps * min(tokens, BLOCK) // BLOCK))

    def plan_chunk(
        self,
        state: SynthesisState,
        options: SpeakOptions,
        chunk: PhonemeChunk,
        *,
        delivery: Delivery | None = None,
        stressed: Sequence[bool] = (),
    ) -> SynthesisState:
        """Plan the next chunk; the chunk before must be done.

        Args:
            state: of the stream.
            options: of the utterance; its speed comes on top of the chunk's.
            chunk: what is said.
            delivery: how, where its text says so.
            stressed: for each of its words.
        """
        state = replace(state, plan=None, offset=0, rows=None, stretched_s=state.stretched_s + _grown_s(state.rows))
        if not chunk.words and chunk.pause_s <= 0 and state.script.tokens == 0:
            return replace(state, final=chunk.final)
        if not chunk.words and chunk.pause_s <= 0 and not chunk.final:
            return state
        chunk = replace(chunk, speed=options.speed * chunk.speed)
        planned, script = self.model.plan_chunk(state.script, chunk, options.voice)
        start_s, frames = state.script.tokens / TOKEN_RATE_HZ, len(planned.conditioning) * FRAMES_PER_TOKEN
        times_s = planned.word_times_s
        rows = rows_of(options, delivery or Delivery(), times_s, stressed, start_s, frames)
        if rows is not None:
            times_s = delayed(times_s, rows, start_s, state.stretched_s)
        elif state.stretched_s:
            times_s = tuple((begin_s + state.stretched_s, end_s + state.stretched_s) for begin_s, end_s in times_s)
        planned = replace(planned, word_times_s=times_s)
        return replace(state, script=script, plan=planned, final=chunk.final, rows=rows)

    def remaining(self, state: SynthesisState) -> int:
        """Tokens of the stretch that are still to be spoken."""
        return 0 if state.plan is None else len(state.plan.conditioning) - state.offset

    def open_block(self, state: SynthesisState, options: SpeakOptions, attempt: int = 0) -> OpenBlock | None:
        """The next block to decode, or None: what is left needs no tokens. `attempt`: how many times it was decoded
        before.
        """
        left = self.remaining(state)
        count = min(left, BLOCK if state.tokens else FIRST_BLOCK)
        if 0 < left - count < CRUMBS:
            count = left
        if not count or state.plan is None:
            return None
        conditioning = state.plan.conditioning[state.offset : state.offset + count]
        language = state.language or self.decoder.begin()
        decoding = self.decoding_options(options, count)
        if attempt:
            decoding = guard.again(decoding)
        return self.decoder.open(language, conditioning, decoding, seed=options.seed + attempt)

    def doubt(self, state: SynthesisState, block: OpenBlock) -> float:
        """How far a block that is done, and whose stream is at `state`, sounds from what was planned; 0 without a
        guard.
        """
        if self.guard is None or state.plan is None:
            return 0.0
        digits, _ = self.decoder.close(block)
        return self.guard.doubt(digits, state.recent, state.plan.labels[state.offset : state.offset + len(digits)])

    def close_block(self, state: SynthesisState, options: SpeakOptions, block: OpenBlock | None) -> DecodedBlock:
        """A block that is done, or none where nothing was left to decode -> its tokens with the state after them."""
        if block is None:
            return DecodedBlock(state, options, None)
        digits, language = self.decoder.close(block)
        first, last = state.offset, state.offset + len(digits)
        recent = None if self.guard is None else guard.latest(state.recent, digits)
        rows = None if state.rows is None else state.rows[first * FRAMES_PER_TOKEN : last * FRAMES_PER_TOKEN]
        state = replace(state, language=language, tokens=state.tokens + len(digits), offset=last, recent=recent)
        return DecodedBlock(state, options, digits, rows)

    def render(self, said: Sequence[DecodedBlock]) -> list[tuple[Samples, SynthesisState]]:
        """Tokens of many streams -> samples (m,) in [-1, 1] that are ready, and the next state of each.

        Raises:
            SynthesisError: what the codec made of one of them is no sound.
        """
        speaking = [(index, one) for index, one in enumerate(said) if one.state.tokens]
        parts = [
            StreamTokens(
                one.digits,
                one.options.voice,
                one.state.sound,
                one.is_last,
                one.rows,
                one.options.liveliness,
            )
            for _, one in speaking
        ]
        results = [(np.zeros(0, np.float32), one.state) for one in said]
        for (index, one), (samples, sound) in zip(speaking, self.model.render(parts), strict=True):
            results[index] = _heard(one, _finite(samples), sound)
        return results

    def step(self, state: SynthesisState, options: SpeakOptions) -> tuple[Samples, SynthesisState]:
        """One block, alone, from text to samples (m,), and the next state."""
        block = self.open_block(state, options)
        while block is not None and not block.done:
            (block,) = self.decoder.tick([block])
        return self.render([self.close_block(state, options, block)])[0]


def _finite(samples: Samples) -> Samples:
    """The samples (m,) of the codec.

    Raises:
        SynthesisError: some are no numbers, or infinite: nothing that follows from them would be right.
    """
    if not np.isfinite(samples).all():
        raise SynthesisError("the codec made something that is no sound; try again")
    return samples


def _heard(block: DecodedBlock, samples: Samples, sound: SoundState) -> tuple[Samples, SynthesisState]:
    """What is heard of the samples (m,) of a block: within [-1, 1], without silence at the beginning of an
    utterance.
    """
    state = block.state
    if state.sound is None:
        gain = 1.0 if block.rows is None or not len(block.rows) else float(np.exp(block.rows[0, GAIN]))
        state = replace(state, trimmed=leading_silence(samples, gain))
        samples = samples[state.trimmed :]
    limiter = state.limiter
    if limiter is None and block.rows is not None and (block.rows[:, GAIN] > 0).any():
        limiter = LimiterState()
    if limiter is not None:
        samples, limiter = limit(samples, limiter, final=block.is_last)
    return np.clip(samples, -1, 1), replace(state, sound=sound, limiter=limiter)


def _grown_s(rows: Floats | None) -> float:
    """By how much the frames of a chunk sound longer than planned."""
    return 0.0 if rows is None else float((rows[:, DURATION] - 1.0).sum()) / (FRAMES_PER_TOKEN * TOKEN_RATE_HZ)

"""When a chunk's phonemes and words sound, and how many tokens that takes: the arithmetic of a plan that needs no
runtime.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voiceagent.model.codec.constants import TOKEN_RATE_HZ
from voiceagent.model.lm.script import (
    CONTEXT_PHONEMES,
    PhonemeChunk,
    Rhythm,
    Script,
    expected,
    spell,
    with_silences,
    word_times,
)
from voiceagent.model.symbols import BOUNDARY, SYMBOLS


@dataclass(frozen=True, slots=True)
class Spelling:
    """A chunk in symbols, between what was spoken before and what may follow."""

    context: tuple[int, ...]
    symbols: tuple[int, ...]
    owners: tuple[int, ...]  # word of each symbol, -1 for none
    ahead: tuple[int, ...]

    @classmethod
    def of(cls, script: Script, chunk: PhonemeChunk, known: int) -> Spelling:
        """The chunk that comes next in a script."""
        symbols, owners, ahead = spell(
            chunk.words, chunk.lookahead, opened=script.sentence_open, final=chunk.final, known=known
        )
        context = script.symbols[-CONTEXT_PHONEMES:]
        return cls(context, tuple(symbols), tuple(owners), tuple(ahead or expected(symbols)))

    @property
    def heard(self) -> tuple[int, ...]:
        """All symbols (P,) that the text encoder sees."""
        return (*self.context, *self.symbols, *self.ahead)

    @property
    def own(self) -> slice:
        """Those of them that are the chunk's."""
        return slice(len(self.context), len(self.context) + len(self.symbols))


@dataclass(frozen=True, slots=True)
class Timing:
    """A chunk on the clock of its utterance."""

    first_start_s: float  # of the first symbol of the context
    ends_s: tuple[float, ...]  # of the symbols of the context and of the chunk
    first_token: int  # the one before the chunk's first, -1 at the beginning of the utterance
    tokens: int  # from that one to the chunk's last
    word_times_s: tuple[tuple[float, float], ...]
    after: Script

    @classmethod
    def of(
        cls,
        script: Script,
        chunk: PhonemeChunk,
        spelling: Spelling,
        durations_s: npt.NDArray[np.float64],
        rhythm: Rhythm | None,
    ) -> Timing:
        """When a chunk sounds whose symbols are predicted to take so many seconds (symbols,).

        The fraction of a token at the end is carried over to the next chunk; the last chunk is rounded up.
        """
        rhythm = rhythm or Rhythm()
        durations_s = durations_s * rhythm.scale
        if chunk.words:
            follows = bool(script.symbols)
            durations_s = with_silences(spelling.symbols, durations_s, rhythm, follows=follows, final=chunk.final)
        durations_s /= chunk.speed
        if chunk.pause_s > 0:
            durations_s[-1] += chunk.pause_s
        own_s: list[float] = (script.clock_s + np.cumsum(durations_s)).tolist()
        ends_s = (*script.ends_s[-CONTEXT_PHONEMES:], *own_s)
        exact = ends_s[-1] * TOKEN_RATE_HZ
        last = max(script.tokens, int(exact + 0.999) if chunk.final else int(exact))
        symbols, starts_s = spelling.symbols, (script.clock_s, *own_s[:-1])
        closes = bool(symbols) and symbols[-1] == SYMBOLS.index(BOUNDARY)
        return cls(
            first_start_s=script.ends_s[-CONTEXT_PHONEMES - 1] if len(script.ends_s) > CONTEXT_PHONEMES else 0.0,
            ends_s=ends_s,
            first_token=script.tokens - 1,
            tokens=last - script.tokens + 1,
            word_times_s=word_times(symbols, spelling.owners, starts_s, own_s, len(chunk.words)),
            after=Script((*spelling.context, *symbols), ends_s, last, sentence_open=not closes),
        )

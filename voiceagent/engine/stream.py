"""One utterance inside the engine: what it was asked to say, the block under way, and when its words sound."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from voiceagent.audio.formats import Samples
from voiceagent.engine.synthesizer import DecodedBlock, SynthesisState
from voiceagent.model.decode.interface import OpenBlock
from voiceagent.options import SpeakOptions
from voiceagent.protocol.outputs import Output, WordTime

if TYPE_CHECKING:
    from voiceagent.text.chunk import Chunk, Word


@dataclass(slots=True)
class Stream:
    """One utterance on its way."""

    options: SpeakOptions
    deliver: Callable[[Output], None]
    chunks: deque[Chunk] = field(default_factory=deque)
    state: SynthesisState = field(default_factory=SynthesisState)
    speaking: bool = False  # a chunk is being spoken
    block: OpenBlock | None = None  # under way
    decoded: DecodedBlock | None = None  # done, not yet samples
    samples: Samples = field(default_factory=lambda: np.zeros(0, np.float32))  # (n,) of the last block
    words: deque[WordTime] = field(default_factory=deque)  # of the chunk, not yet delivered
    samples_sent: int = 0
    cancelled: bool = False
    doubted: list[tuple[float, OpenBlock]] = field(default_factory=list)  # attempts at the block under way, rated

    @property
    def block_done(self) -> bool:
        """What is left of the chunk needs no tokens, or its next ones are all committed."""
        return self.block is None or self.block.done

    def words_until(self, heard_s: float, earlier_s: float) -> Iterator[WordTime]:
        """The words that begin before `heard_s` of what was planned; they are heard `earlier_s` sooner."""
        while self.words and self.words[0].start_s < heard_s:
            word = self.words.popleft()
            start_s, end_s = (max(0.0, at_s - earlier_s) for at_s in (word.start_s, word.end_s))
            yield replace(word, start_s=start_s, end_s=end_s)


def times_as_written(words: Sequence[Word], times_s: Sequence[tuple[float, float]]) -> list[WordTime]:
    """Word times on the original text; several spoken words of one written word ("42") become one."""
    merged: list[WordTime] = []
    for word, (start_s, end_s) in zip(words, times_s, strict=True):
        last = merged[-1] if merged else None
        if last is not None and last.char_start == word.start:
            merged[-1] = WordTime(word.text, last.start_s, end_s, word.start, word.end)
        else:
            merged.append(WordTime(word.text, start_s, end_s, word.start, word.end))
    return merged

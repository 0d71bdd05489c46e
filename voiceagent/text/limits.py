"""How long chunks may get; what is spoken of markup is `voiceagent.settings.policy`."""

from __future__ import annotations

from dataclasses import dataclass

from voiceagent.settings.policy import SpeechPolicy

__all__ = ["ChunkLimits", "SpeechPolicy"]


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """Where chunks close. Words are counted as spoken; lengths are characters of the cleaned text.

    words: how many words close the first, second, ... chunk when no punctuation has come (the last one holds for all
        that follow). The first is short because it decides when the first sound comes.
    lookahead: how many further words must be known for that, for the same chunks.
    clause_words: from how many words on a clause ends a chunk.
    slack: how many more words are waited for when the words found would be a bad place to cut.
    sentence_chars: a later chunk shorter than this does not close at a sentence end, so that "No. No. No." is one
    chunk.
    chars: a chunk never gets longer than this.
    deadline_s: what has waited this long for more text is closed by `Chunker.poll`.
    """

    words: tuple[int, ...] = (3, 7, 12)
    lookahead: tuple[int, ...] = (1, 2, 2)
    clause_words: tuple[int, ...] = (2, 4, 6)
    slack: int = 3
    sentence_chars: int = 12
    chars: int = 250
    deadline_s: float = 0.5

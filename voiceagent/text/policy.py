"""What is spoken of the things in a text that are not plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ChunkLimits", "SpeechPolicy"]


@dataclass(frozen=True, slots=True)
class SpeechPolicy:
    """What is spoken of markup, code and symbols. The defaults suit a conversation.

    "skip" says nothing, "phrase" says the short phrase of that kind, "speak" reads the content.
    """

    code_block: Literal["phrase", "skip", "speak"] = "phrase"
    code_phrase: str = "Code omitted."
    inline_code: Literal["speak", "skip"] = "speak"
    math_block: Literal["phrase", "skip"] = "phrase"
    math_phrase: str = "Formula omitted."
    inline_math: Literal["speak", "skip"] = "speak"
    data: Literal["skip", "phrase"] = "skip"  # a JSON object on a line of its own: a tool call that leaked
    data_phrase: str = "Data omitted."
    think: Literal["skip", "speak"] = "skip"  # <think> ... </think>
    image: Literal["alt", "skip"] = "alt"
    url: Literal["short", "full", "skip"] = "short"  # short: the site and at most two parts of the path
    emoji: Literal["skip", "name"] = "skip"
    hashtag: Literal["word", "speak"] = "speak"  # #tag: "tag" or "hashtag tag"
    list_numbers: bool = True
    footnotes: Literal["skip", "speak"] = "skip"


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """Where chunks close. Words are counted as spoken; lengths are characters of the cleaned text.

    words: how many words close the first, second, ... chunk when no punctuation has come (the last one holds for all that
        follow). The first is short because it decides when the first sound comes.
    lookahead: how many further words must be known for that, for the same chunks.
    clause_words: from how many words on a clause ends a chunk.
    slack: how many more words are waited for when the words found would be a bad place to cut.
    sentence_chars: a later chunk shorter than this does not close at a sentence end, so that "No. No. No." is one chunk.
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

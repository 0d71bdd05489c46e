"""What the text front end hands on: chunks of text that are spoken in one go, and the words inside them.

All offsets count characters (code points) of the utterance's text exactly as it was sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Chunk", "Span", "Word", "spans_of"]

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word.

    A written word that is spoken as several ("42") gives several words with the same offsets. A word whose phonemes hold
    punctuation alone (a dash between spaces) is a pause mark.

    text: as sent, the slice [start, end) of the utterance's text.
    phonemes: symbols of the voice's alphabet with stress marks and the punctuation beside the word, no spaces ("həlˈO,").
    """

    text: str
    start: int
    end: int
    phonemes: str


@dataclass(frozen=True, slots=True)
class Span:
    """One word of `Chunk.spoken` and the characters of the text as sent that it came from.

    phonemes: how to say it when the lexicon or a tag of the text prescribes that, else "".
    """

    word: str
    start: int
    end: int
    phonemes: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of text that is spoken in one go.

    text, start: as sent, and its offset; the texts of an utterance's chunks follow each other without a gap.
    spoken: what is said, after clean-up and normalisation; "" when nothing is to be said (a last chunk, a pause).
    lookahead: text known beyond this chunk when it closed (0 to 2 words), "" if none.
    final: nothing of this utterance follows.
    pause_s: silence asked for after the chunk, in seconds.
    spans: one for each whitespace-separated word of `spoken`; () when `spoken` is `text` word for word (use `spans_of`).
    before: what was spoken just before in the same sentence (a few words): how a word is said depends on it.
    rate: factor on the speaking rate asked for inside the text.
    warnings: what had to be left out, and why.
    """

    text: str
    start: int
    spoken: str
    lookahead: str
    final: bool
    pause_s: float = 0.0
    spans: tuple[Span, ...] = ()
    before: str = ""
    rate: float = 1.0
    warnings: tuple[str, ...] = ()


def spans_of(chunk: Chunk) -> tuple[Span, ...]:
    """The spans of a chunk, one for each whitespace-separated word of `chunk.spoken`."""
    if chunk.spans or not chunk.spoken:
        return chunk.spans
    return tuple(
        Span(match.group(), chunk.start + match.start(), chunk.start + match.end())
        for match in _WORD.finditer(chunk.text)
    )

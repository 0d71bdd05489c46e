"""What the text front end hands on: chunks of text that are spoken in one go, and the words inside them.

All offsets count characters (code points) of the utterance's text exactly as it was sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

__all__ = ["Chunk", "Delivery", "Said", "Span", "Word", "spans_of"]

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word.

    A written word that is spoken as several ("42") gives several words with the same offsets. A word whose phonemes
    hold punctuation alone (a dash between spaces) is a pause mark.

    text: as sent, the slice [start, end) of the utterance's text.
    phonemes: symbols of the voice's alphabet with stress marks and the punctuation beside the word, no spaces
    ("həlˈO,").
    """

    text: str
    start: int
    end: int
    phonemes: str


class Span(NamedTuple):
    """One word of `Chunk.spoken` and the characters of the text as sent that it came from.

    phonemes: how to say it when the lexicon or a tag of the text prescribes that, else "".
    """

    word: str
    start: int
    end: int
    phonemes: str = ""


class Said(NamedTuple):
    """What a chunk says: the values of `Chunk.spoken`, `Chunk.spans` and `Chunk.before`.

    warnings: what could not be put into words; known only when the chunk is spoken.
    """

    spoken: str
    spans: tuple[Span, ...] = ()
    before: str = ""
    warnings: tuple[str, ...] = ()


class Delivery(NamedTuple):
    """How a chunk is spoken where its text says so, relative to the rest of the utterance.

    pitch: factor on F0. volume_db: louder or softer.
    stressed: ranges of the utterance's text whose words are stressed.
    capitals: a word in capital letters among small ones is stressed too.
    """

    pitch: float = 1.0
    volume_db: float = 0.0
    stressed: tuple[tuple[int, int], ...] = ()
    capitals: bool = False


class Chunk:
    """A stretch of text that is spoken in one go. Treat it as frozen; equal chunks compare equal.

    text, start: as sent, and its offset; the texts of an utterance's chunks follow each other without a gap.
    spoken: what is said, after clean-up and normalisation; "" when nothing is to be said (a last chunk, a pause).
    lookahead: text known beyond this chunk when it closed (0 to 2 words), "" if none.
    final: nothing of this utterance follows.
    pause_s: silence asked for after the chunk, in seconds.
    spans: one for each whitespace-separated word of `spoken`; () when `spoken` is `text` word for word (use
    `spans_of`).
    before: what was spoken just before in the same sentence (a few words): how a word is said depends on it.
    rate: factor on the speaking rate asked for inside the text.
    warnings: what had to be left out, and why.
    sound_s: about how long it will sound at speed 1; no part of what makes chunks equal.
    delivery: pitch, volume and stress asked for inside the text.

    Args:
        later: works `spoken`, `spans` and `before` out, in place of the values given. Normalising figures takes a
            thousand times as long as finding where a chunk ends, so it happens when the engine's thread first asks.
    """

    __slots__ = (
        "_said", "delivery", "final", "lookahead", "pause_s", "rate", "sound_s", "start", "text", "warnings",
    )  # fmt: skip

    def __init__(
        self,
        text: str,
        start: int,
        spoken: str,
        lookahead: str,
        final: bool,
        pause_s: float = 0.0,
        spans: tuple[Span, ...] = (),
        before: str = "",
        rate: float = 1.0,
        warnings: tuple[str, ...] = (),
        *,
        later: Callable[[], Said] | None = None,
        sound_s: float = 0.0,
        delivery: Delivery | None = None,
    ) -> None:
        self.text = text
        self.start = start
        self.lookahead = lookahead
        self.final = final
        self.pause_s = pause_s
        self.rate = rate
        self.warnings = warnings
        self.sound_s = sound_s
        self.delivery = delivery or Delivery()
        self._said = Said(spoken, spans, before) if later is None else later

    @property
    def said(self) -> Said:
        """`spoken`, `spans` and `before`."""
        said = self._said
        if not isinstance(said, Said):
            self._said = said = said()
        return said

    @property
    def spoken(self) -> str:
        return self.said.spoken

    @property
    def spans(self) -> tuple[Span, ...]:
        return self.said.spans

    @property
    def before(self) -> str:
        return self.said.before

    def ending(self, rest: str) -> Chunk:
        """This chunk as the last one of its utterance, with the text that is left."""
        own = self._said
        if rest.strip():  # the words are no longer those of the text, one for one
            own = partial(_with_spans, self)
        said, later = (own, None) if isinstance(own, Said) else (Said(""), own)
        return Chunk(
            self.text + rest, self.start, said.spoken, self.lookahead, True, self.pause_s, said.spans, said.before,
            self.rate, self.warnings, later=later, sound_s=self.sound_s, delivery=self.delivery,
        )  # fmt: skip

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Chunk) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((self.text, self.start))

    def __repr__(self) -> str:
        return f"Chunk({self.text!r}, {self.start}, {self.spoken!r}, {self.lookahead!r}, final={self.final})"

    def _key(self) -> tuple[object, ...]:
        manner = self.pause_s, self.rate, self.delivery
        return self.text, self.start, self.said, self.lookahead, self.final, manner, self.warnings


def spans_of(chunk: Chunk) -> tuple[Span, ...]:
    """The spans of a chunk, one for each whitespace-separated word of `chunk.spoken`."""
    if chunk.spans or not chunk.spoken:
        return chunk.spans
    return tuple(
        Span(match.group(), chunk.start + match.start(), chunk.start + match.end())
        for match in _WORD.finditer(chunk.text)
    )


def _with_spans(chunk: Chunk) -> Said:
    """What a chunk says, with a span for each word even where these are the text's."""
    return chunk.said._replace(spans=spans_of(chunk))

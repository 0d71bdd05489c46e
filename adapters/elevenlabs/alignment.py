"""When each character of a text is spoken, message by message, in ElevenLabs' two spellings.

The session times words. Here a word's time is shared out among its characters; the marks and the space
behind it stand at its end; text that is not spoken stands where the word before it ended.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from voiceagent.protocol.outputs import WordTime

_MARKS_AND_SPACE = re.compile(r"[^\w\s]*\s*")


@dataclass(frozen=True, slots=True)
class Alignment:
    """Characters of one stretch of audio, without gaps between stretches."""

    begin_ms: int
    """Where the stretch begins, from the start of the utterance's audio."""
    chars: tuple[str, ...]
    edges_ms: tuple[int, ...]
    """Start of each character and, last, the end of the stretch: one more than there are characters."""

    def in_ms(self, *, from_start: bool = False) -> dict[str, Any]:
        """As WebSocket messages have it: relative to the stretch, or to the start of the utterance's audio."""
        zero = 0 if from_start else self.begin_ms
        return {
            "chars": self.chars,
            "charStartTimesMs": [edge - zero for edge in self.edges_ms[:-1]],
            "charDurationsMs": [end - start for start, end in zip(self.edges_ms, self.edges_ms[1:], strict=False)],
        }

    def in_seconds(self) -> dict[str, Any]:
        """As HTTP answers have it: from the start of the utterance's audio."""
        seconds = [edge / 1000 for edge in self.edges_ms]
        return {
            "characters": self.chars,
            "character_start_times_seconds": seconds[:-1],
            "character_end_times_seconds": seconds[1:],
        }


class CharacterTimes:
    """The characters of one utterance: text and word times go in, alignments of consecutive stretches come out."""

    def __init__(self) -> None:
        self._text = ""
        """Text that has no time yet; its first character is number `_timed`."""
        self._timed = 0
        self._slots: deque[tuple[str, float]] = deque()
        self._latest_s = 0.0
        self._word_end_s: float | None = None
        self._begin_ms = 0

    def add_text(self, text: str) -> None:
        """More text, exactly as the session got it."""
        self._text += text

    def add_words(self, words: Iterable[WordTime]) -> None:
        """The next words, in order."""
        for word in words:
            before_s = word.start_s if self._word_end_s is None else self._word_end_s
            self._give(word.char_start - self._timed, before_s, before_s)
            self._give(word.char_end - self._timed, word.start_s, word.end_s)
            self._word_end_s = word.end_s
            marks = _MARKS_AND_SPACE.match(self._text)
            self._give(marks.end() if marks else 0, word.end_s, word.end_s)

    def take(self, until_s: float, *, last: bool = False) -> Alignment | None:
        """The characters from where the last alignment ended up to `until_s`; None where none begins there.

        `last` also gives all that is left, so that the alignments of an utterance span its audio.
        """
        until_ms = max(self._begin_ms, round(until_s * 1000))
        if last:
            rest_s = self._word_end_s or 0.0
            self._give(len(self._text), rest_s, rest_s)
        chars: list[str] = []
        edges: list[int] = []
        while self._slots and (last or round(self._slots[0][1] * 1000) <= until_ms):
            char, at_s = self._slots.popleft()
            chars.append(char)
            edges.append(min(max(round(at_s * 1000), self._begin_ms), until_ms))
        if last and not chars and until_ms > self._begin_ms:
            # Nothing is said in the silence at the end; a space keeps the clock of whoever adds up the alignments.
            chars, edges = [" "], [self._begin_ms]
        if not chars:
            return None
        begin_ms, self._begin_ms = self._begin_ms, until_ms
        return Alignment(begin_ms, tuple(chars), (*edges, until_ms))

    def _give(self, count: int, start_s: float, end_s: float) -> None:
        """Times for the next `count` characters, evenly within a span, never before those already given."""
        count = min(count, len(self._text))
        if count <= 0:
            return
        chars, self._text = self._text[:count], self._text[count:]
        self._timed += count
        for number, char in enumerate(chars):
            self._latest_s = max(self._latest_s, start_s + (end_s - start_s) * number / count)
            self._slots.append((char, self._latest_s))

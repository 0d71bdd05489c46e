"""Text that remembers, character by character, where it came from while it is rewritten."""

from __future__ import annotations

import re
from collections.abc import Callable

from voiceagent.text.markup.items import Piece

__all__ = ["Traced"]

_WORD = re.compile(r"\S+")


class Traced:
    """Text with the origin [start, end) of each character in the utterance as sent."""

    __slots__ = ("ends", "starts", "text")

    def __init__(self, text: str = "", starts: list[int] | None = None, ends: list[int] | None = None) -> None:
        self.text = text
        self.starts = starts if starts is not None else list(range(len(text)))
        self.ends = ends if ends is not None else list(range(1, len(text) + 1))

    @classmethod
    def of(cls, pieces: list[Piece]) -> Traced:
        """The pieces one after the other."""
        starts: list[int] = []
        ends: list[int] = []
        for piece in pieces:
            size = len(piece.text)
            if size == piece.end - piece.start:
                starts.extend(range(piece.start, piece.end))
                ends.extend(range(piece.start + 1, piece.end + 1))
            else:
                starts.extend([piece.start] * size)
                ends.extend([piece.end] * size)
        return cls("".join(piece.text for piece in pieces), starts, ends)

    def substitute(self, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str | None]) -> None:
        """Replace every match; `replace` returns None to leave one as it is. New text came from the whole match."""
        out: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        at = 0
        for match in pattern.finditer(self.text):
            new = replace(match)
            first, last = match.span()
            if new is None or first == last:
                continue
            new, first, last = _changed_part(self.text, new, first, last)
            if first >= last and not new:
                continue
            if first >= last:  # an insertion: it came from the character before
                first = last = min(first, last)
                origin = (self.ends[first - 1], self.ends[first - 1]) if first else (self.starts[0], self.starts[0])
            else:
                origin = (self.starts[first], max(self.ends[first:last]))
            out += (self.text[at:first], new)
            starts += self.starts[at:first]
            ends += self.ends[at:first]
            starts += [origin[0]] * len(new)
            ends += [origin[1]] * len(new)
            at = last
        if not out:
            return
        out.append(self.text[at:])
        starts += self.starts[at:]
        ends += self.ends[at:]
        self.text, self.starts, self.ends = "".join(out), starts, ends

    def words(self) -> list[tuple[str, int, int]]:
        """Every white-space-separated word with its origin (start, end)."""
        return [
            (match.group(), min(self.starts[match.start() : match.end()]), max(self.ends[match.start() : match.end()]))
            for match in _WORD.finditer(self.text)
        ]


def _changed_part(text: str, new: str, first: int, last: int) -> tuple[str, int, int]:
    """Leave out whole words that text[first:last] and `new` begin or end with: they keep their own origin."""
    old = text[first:last]
    head = 0
    for position, (a, b) in enumerate(zip(old, new, strict=False)):
        if a != b:
            break
        if a == " ":
            head = position + 1
    old, new = old[head:], new[head:]
    tail = 0
    for position in range(1, min(len(old), len(new)) + 1):
        if old[-position] != new[-position]:
            break
        if old[-position] == " ":
            tail = position
    if tail:
        new = new[:-tail]
    return new, first + head, last - tail

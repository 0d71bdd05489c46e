"""Text that remembers, character by character, where it came from while it is rewritten."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from voiceagent.text.markup.items import Piece

__all__ = ["Traced"]

_WORD = re.compile(r"\S+")


class Traced:
    """Text with the origin [start, end) of each character in the utterance as sent.

    unread: what a rule matched and could not read.
    fixed: so many characters at the begin went before and are spoken already: rules see them and change none of them.
    """

    __slots__ = ("ends", "fixed", "starts", "text", "unread")

    def __init__(
        self, text: str = "", starts: list[int] | None = None, ends: list[int] | None = None, *, fixed: int = 0
    ) -> None:
        self.text = text
        self.starts = starts if starts is not None else list(range(len(text)))
        self.ends = ends if ends is not None else list(range(1, len(text) + 1))
        self.fixed = fixed
        self.unread: list[str] = []

    @classmethod
    def of(cls, pieces: list[Piece], before: str = "") -> Traced:
        """The pieces one after the other, behind the words `before` that are spoken already."""
        origin = pieces[0].start if pieces else 0
        starts: list[int] = [origin] * len(before)
        ends: list[int] = [origin] * len(before)
        for piece in pieces:
            size = len(piece.text)
            if size == piece.end - piece.start:
                starts.extend(range(piece.start, piece.end))
                ends.extend(range(piece.start + 1, piece.end + 1))
            else:
                starts.extend([piece.start] * size)
                ends.extend([piece.end] * size)
        return cls(before + "".join(piece.text for piece in pieces), starts, ends, fixed=len(before))

    def substitute(self, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str | None]) -> None:
        """Replace every match; `replace` returns None to leave one as it is. New text came from the whole match.

        A match that `replace` cannot read (its arithmetic, a look-up or a conversion fails) stays as it
        is written and is added to `unread`.
        """
        out: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        at = 0
        for match in self._matches(pattern):
            try:
                new = replace(match)
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
                self.unread.append(match.group())
                continue
            first, last = match.span()
            if new is None or first == last:
                continue
            new, first, last = _changed_part(self.text, new, first, last)
            if first < self.fixed or (first >= last and not new):
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

    def _matches(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """The matches that reach behind what is fixed; one that would change that gives way to those behind it."""
        if not self.fixed:
            yield from pattern.finditer(self.text)
            return
        across = None
        for match in pattern.finditer(self.text):
            if match.start() >= self.fixed:
                break
            across = match if match.end() > self.fixed else None
        at = self.fixed
        if across is not None:
            yield across
            at = across.end() if across.end() > self.fixed else at
        for match in pattern.finditer(self.text, self.fixed):
            if match.start() >= at:
                yield match

    def words(self) -> list[tuple[str, int, int]]:
        """Every white-space-separated word with its origin (start, end)."""
        return [
            (match.group(), min(self.starts[match.start() : match.end()]), max(self.ends[match.start() : match.end()]))
            for match in _WORD.finditer(self.text, self.fixed)
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

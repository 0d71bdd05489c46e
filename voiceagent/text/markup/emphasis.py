"""Which words of a text are stressed: **so**, *so*, <em>so</em>, <emphasis>so</emphasis>.

An opening mark counts at once, because what follows it may be spoken before its closer has come. A single star or
underscore is
too often something else: it counts where its closer stands in the same chunk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from voiceagent.text.markup.items import BLOCK, Item
from voiceagent.text.markup.ssml import attributes_of

__all__ = ["Emphasis", "Stretch", "has_emphasis", "stressed_ranges"]

LONGEST_WORDS: Final = 6  # a sentence that is stressed from end to end has no stress
_UNMARKED: Final = ("none", "reduced")
_HINT: Final = re.compile(r"[*_]|<(?:/?(?:emphasis|em|strong|b|i)\b)", re.I)
_TOKEN: Final = re.compile(
    r"(?P<code>`[^`]*`?|\\.|(?:https?://|www\.)\S+|\$[^$\s][^$]*\$)"
    r"|(?P<run>\*{1,3}|_{1,3})|<(?P<end>/)?(?P<tag>emphasis|em|strong|b|i)\b(?P<attributes>[^>]*)>",
    re.I | re.S,
)


class Stretch:
    """Text between an opening mark and its closer.

    mark: the opening one. start, end: offsets behind the opener and of the closer; None until it has come.
    """

    __slots__ = ("end", "mark", "start")

    def __init__(self, mark: str, start: int) -> None:
        self.mark = mark
        self.start = start
        self.end: int | None = None

    def counts(self, chunk_end: int) -> bool:
        """Whether it is emphasis, as far as a chunk that ends there can know."""
        return self.mark not in ("*", "_") or (self.end is not None and self.end < chunk_end)


def has_emphasis(raw: str) -> bool:
    """Whether a mark of emphasis may stand in the text. Quick, and True when in doubt."""
    return _HINT.search(raw) is not None


class Emphasis:
    """Follows the marks of one utterance and tells each item which stretches it is in."""

    def __init__(self) -> None:
        self._open: list[Stretch] = []

    @property
    def is_open(self) -> bool:
        """Whether an opening mark waits for its closer."""
        return bool(self._open)

    def mark(self, item: Item, raw: str) -> None:
        """Note the marks in the item's text as sent, and what of the item they stress."""
        if item.before == BLOCK:
            self._close(item.start, None)
        inside = list(self._open)
        if has_emphasis(raw):
            for match in _TOKEN.finditer(raw):
                inside += self._take(match, raw, item.start)
        if item.visible and inside:
            item.stretches = tuple(inside)
        if item.after == BLOCK:
            self._close(item.end, None)

    def _take(self, match: re.Match[str], raw: str, base: int) -> Iterable[Stretch]:
        """What a mark opens."""
        start, end = match.span()
        if match["tag"] is not None:
            mark = match["tag"].lower()
            if match["end"]:
                self._close(base + start, mark)
            elif attributes_of(match["attributes"]).get("level", "").lower() not in _UNMARKED:
                return self._enter(mark, base + end)
        elif match["run"] is not None:
            before, after = raw[start - 1 : start] or " ", raw[end : end + 1] or " "
            mark = match["run"]
            inner = before.isalnum() and after.isalnum()
            if inner and mark[0] == "_":  # snake_case
                return ()
            if not before.isspace() and any(stretch.mark == mark for stretch in self._open):
                self._close(base + start, mark)
            elif not after.isspace() and not inner and not before.isalnum() and _speaks(raw, end):
                return self._enter(mark, base + end)
        return ()

    def _enter(self, mark: str, start: int) -> Iterable[Stretch]:
        stretch = Stretch(mark, start)
        self._open.append(stretch)
        return (stretch,)

    def _close(self, at: int, mark: str | None) -> None:
        """Close the innermost stretch of that mark and those inside it; all of them when None, unended."""
        while self._open:
            stretch = self._open.pop()
            if mark is None:
                continue
            stretch.end = at
            if stretch.mark == mark:
                return


def _speaks(raw: str, start: int) -> bool:
    return any(character.isalnum() for character in raw[start:])


def stressed_ranges(items: Sequence[Item], end: int, said: dict[int, int]) -> tuple[tuple[int, int], ...]:
    """Ranges of the text as sent that a chunk of these items, which ends at `end`, stresses.

    said: words of each stretch (by its start) in the chunks before; those of this chunk are added.
    """
    found: dict[int, list[tuple[int, int]]] = {}
    for item in items:
        for stretch in item.stretches:
            if stretch.counts(end):
                first = max(item.start, stretch.start)
                last = item.end if stretch.end is None else min(item.end, stretch.end)
                if first < last:
                    found.setdefault(stretch.start, []).append((first, last))
    ranges: list[tuple[int, int]] = []
    for start, places in found.items():
        said[start] = said.get(start, 0) + len(places)
        if said[start] <= LONGEST_WORDS:
            ranges += places
    for start in [start for start in said if start not in found]:
        del said[start]
    return tuple(sorted(set(ranges)))

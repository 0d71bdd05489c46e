"""The units between scanner and chunker: a word or a mark of the raw text, and what is visible of it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["BLOCK", "LINE", "NONE", "Item", "Piece"]

# How strongly an item is set off from its neighbours.
NONE, LINE, BLOCK = 0, 1, 2


class Piece(NamedTuple):
    """Visible text and the characters [start, end) of the utterance it came from.

    As long as its origin: character by character. Otherwise all of it came from all of that.
    phonemes: prescribed pronunciation, or "".
    """

    text: str
    start: int
    end: int
    phonemes: str = ""


class Item:
    """A stretch of raw text, with the white space that closed it, and what is visible of it.

    pieces: where `visible` came from; None when it is the beginning of `raw`.
    before, after: NONE, LINE (a line break) or BLOCK (a paragraph, list item, heading ends).
    marker: the number of a list item: its full stop ends nothing.
    comma: a table cell ends here.
    """

    __slots__ = (
        "after", "before", "comma", "marker", "pause_s", "pieces", "rate", "raw", "start", "visible", "warning",
    )  # fmt: skip

    def __init__(
        self,
        raw: str,
        start: int,
        visible: str = "",
        pieces: tuple[Piece, ...] | None = None,
        before: int = NONE,
        after: int = NONE,
    ) -> None:
        self.raw = raw
        self.start = start
        self.visible = visible
        self.pieces = pieces
        self.before = before
        self.after = after
        self.marker = False
        self.comma = False
        self.pause_s = 0.0
        self.rate = 0.0
        self.warning = ""

"""What a text's lines are: where one begins, its marks (heading, list, quote, rule), and whether it is of a table."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.markup.items import BLOCK, LINE, NONE, Item, Piece

__all__ = ["RULE", "LineState"]

RULE: Final = re.compile(
    r"([-*_=~])\1{2,}|:?-{2,}:?|\|?(?::?-{2,}:?\|)+(?::?-{2,}:?)?|[─-╿▀-▟]{2,}|[^\w\s\ud800-\udfff]{12,}"
)
_MOST_MARKS: Final = 12  # "> > - 1." may nest, but "1. 1. 1." without end is no list
_NUMBER: Final = re.compile(r"\d{1,3}[.)]")
_BULLETS: Final = frozenset("-*+•◦▪‣●○■□–—")


class LineState:
    """Where in its line the text is.

    Args:
        list_numbers: the number of a list item is spoken.
    """

    def __init__(self, *, list_numbers: bool) -> None:
        self.at_start = True
        """Nothing but marks has come of the line."""
        self.kind = ""
        """What the line is: "heading", "list", "table", or "" for text."""
        self.breaks = 2
        """Line breaks since the last word; two end a paragraph."""
        self._list_numbers = list_numbers
        self._marks = 0  # at the start of this line

    def go_on(self) -> None:
        """Something that is no mark stands in the line."""
        self.at_start, self.breaks = False, 0

    def end(self, item: Item) -> None:
        """The white space that closed `item` was a line break."""
        item.after = BLOCK if self.kind in ("heading", "table") else LINE
        self._begin()
        self.breaks = 1

    def end_blank(self, item: Item) -> None:
        """The white space that is `item` is a further line break."""
        self.breaks += 1
        item.after = BLOCK if self.breaks == 2 else LINE if self.breaks == 1 else NONE
        self._begin()

    def _begin(self) -> None:
        self.at_start, self.kind, self._marks = True, "", 0

    def marked(self, run: str, start: int, following: str) -> Item | None:
        """The item of a run that is a mark at the start of a line, or None: it is text.

        Args:
            run: characters up to the next white space.
            start: offset of the first.
            following: the character behind it, "" where none has come.
        """
        if self._marks >= _MOST_MARKS and run[-1] in ".)":
            return None
        item = Item("", start, start + len(run))
        followed = following not in ("", "\n")
        if RULE.fullmatch(run):
            item.after = BLOCK
            self.kind, self.at_start = ("table", False) if "|" in run else ("", followed)
        elif not run.strip("#") and len(run) <= 6:
            item.before, self.kind, self.at_start = BLOCK, "heading", False
        elif run in _BULLETS and followed:
            item.before, self.kind = BLOCK, "list"
        elif not run.strip(">") or (run in ("[x]", "[X]", "[ ]", "[-]") and self.kind == "list"):
            pass
        elif _NUMBER.fullmatch(run) and followed:
            item.before, self.kind, item.marker = BLOCK, "list", True
            if self._list_numbers:
                item.visible = run[:-1] + "."
                item.pieces = (Piece(item.visible, item.start, item.end),)
        else:
            if run.startswith("|"):
                self.kind, self.at_start = "table", False
            return None
        self.breaks = 0
        self._marks += 1
        return item

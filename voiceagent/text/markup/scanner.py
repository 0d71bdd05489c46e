"""Raw text, in pieces of any size, to items: the words and marks of it, as soon as each is certain.

An item is certain when no further text can change what it is: a word when white space follows, a link when it is closed, a
fence at once. What has no certain end (a stray backtick) is waited for over a bounded stretch, so that every call does an amount of
work in proportion to the text that came.
"""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.limits import SpeechPolicy
from voiceagent.text.markup.brackets import RUN_LIMIT, WHITE, hold_end
from voiceagent.text.markup.cues import CUE_BEGINS, CUE_HINT
from voiceagent.text.markup.emphasis import Emphasis, has_emphasis
from voiceagent.text.markup.inline import clean
from voiceagent.text.markup.items import BLOCK, LINE, NONE, Item, Piece
from voiceagent.text.markup.marks import MARK, Marks, tag_warning
from voiceagent.text.markup.regions import Region, find_region

__all__ = ["Scanner"]

_SPACES: Final = re.compile(r"\s+")
_SPACE: Final = re.compile(r"[^\S\n]+")
# A word that needs no second look, and the white space behind it; an empty match where something else stands.
_PLAIN: Final = re.compile(rf"((?!(?i:{CUE_BEGINS}))[A-Za-zÀ-ſ0-9'\"(][A-Za-zÀ-ſ0-9'\",.;:!?)%-]{{0,60}})([ \n\t])|")
# A word whose characters need a second look; nothing opens in it.
_WORD: Final = re.compile(r"([^\s`<\[{$\\|【◁]{1,61})([ \n\t])")
_RULE: Final = re.compile(
    r"([-*_=~])\1{2,}|:?-{2,}:?|\|?(?::?-{2,}:?\|)+(?::?-{2,}:?)?|[─-╿▀-▟]{2,}|[^\w\s\ud800-\udfff]{12,}"
)
_LONGEST_WORD: Final = 80
_LINKED: Final = re.compile(r"://|www\.|\]\(|[|@]|^data:")
_MOST_MARKS: Final = 12  # "> > - 1." may nest, but "1. 1. 1." without end is no list
_MARKED: Final = re.compile(r"[\[<(*_]")  # no mark begins otherwise
_NO_CELL: Final = re.compile(r"[`$]")  # a bar beside these is of code or of a formula
_BARS: Final = re.compile(r"\|+")
_NUMBER: Final = re.compile(r"\d{1,3}[.)]")
_BULLETS: Final = frozenset("-*+•◦▪‣●○■□–—")


class Scanner:
    """Feed it text, take items. Items cover everything that comes in, in order and without a gap."""

    def __init__(self, policy: SpeechPolicy) -> None:
        self._policy = policy
        self._buffer = ""
        self._base = 0  # offset of the buffer's first character
        self._line_start = True
        self._line = ""  # kind of the current line: "" text, "heading", "list", "table"
        self._blank = 2  # line breaks since the last word
        self._region: Region | None = None
        self._marks = 0  # list marks and the like at the start of this line
        self._mark_items = Marks(policy)
        self._emphasis = Emphasis()
        self._before = ""  # the last word that was seen, "" behind the end of a paragraph
        self._table_end = -2  # offset behind the last row of a table that was skipped
        self._overlong = False  # inside a run that is too long to be a word

    def scan(self, text: str) -> list[Item]:
        """Items that have become certain."""
        return self._scan(text, complete=False)

    def finish(self) -> list[Item]:
        """Take the rest as it is: what was open is closed, except code blocks and other regions that are skipped."""
        return self._scan("", complete=True)

    def waiting(self) -> str:
        """The text that is not yet certain."""
        return "" if self._region else self._buffer

    def _scan(self, text: str, *, complete: bool) -> list[Item]:
        buffer = self._buffer + text
        items: list[Item] = []
        position, size = 0, len(buffer)
        while position < size:
            if self._region is not None:
                end = self._region.skip(buffer, position, complete=complete)
                if end > position:
                    items.append(Item("", self._base + position, self._base + end))
                    items[-1].skipped = True
                    position = end
                if self._region.closed:
                    if self._region.kind == "table":
                        self._table_end = self._base + position
                    self._line_start = self._region.whole_line
                    self._blank = 1 if self._region.block else self._blank
                    self._region = None
                    continue
                break
            if not self._overlong:
                position = self._plain_words(buffer, position, items)
                if position == size:
                    break
            found = self._slow(buffer, position, complete=complete, items=items)
            if found == position and self._region is None:
                break
            position = found
        if self._policy.emphasis == "stress" and (self._emphasis.is_open or has_emphasis(buffer[:position])):
            for item in items:
                raw = "" if item.skipped else buffer[item.start - self._base : item.end - self._base]
                self._emphasis.mark(item, raw)
        self._before = self._last_word(items)
        self._buffer = buffer[position:]
        self._base += position
        return items

    def _last_word(self, items: list[Item]) -> str:
        """What is visible just before the next item, in its paragraph."""
        for item in reversed(items):
            if item.visible:
                return "" if item.after else item.visible
            if item.skipped:
                return ","
            if item.before or item.after:
                return ""
        return self._before

    def _plain_words(self, buffer: str, position: int, items: list[Item]) -> int:
        """Take words in which nothing opens as long as they come; returns where something else stands."""
        base = self._base
        while True:
            for match in _PLAIN.finditer(buffer, position):
                visible, space = match.groups()
                if visible is None or (self._line_start and visible[0].isdigit()):  # perhaps the number of a list
                    break
                end = match.end()
                items.append(Item(visible, base + position, base + end))
                position = end
                if space == "\n":
                    self._end_line(items[-1])
                else:
                    self._line_start, self._blank = False, 0
            if position == len(buffer) or (self._line_start and not buffer[position].isalpha()):
                return position
            word = _WORD.match(buffer, position)
            if word is None or CUE_HINT.search(buffer, position, word.end()):
                return position
            item = self._item(buffer, position, word.end(1))
            item.end += 1
            items.append(item)
            position = word.end()
            if word[2] == "\n":
                self._end_line(item)
            else:
                self._line_start, self._blank = False, 0

    def _end_line(self, item: Item) -> None:
        """The white space that closed `item` was a line break."""
        item.after = BLOCK if self._line in ("heading", "table") else LINE
        self._line_start, self._line, self._blank, self._marks = True, "", 1, 0

    def _slow(self, buffer: str, position: int, *, complete: bool, items: list[Item]) -> int:
        """Handle what is at `position`; returns where to go on, `position` itself when more text is needed."""
        if buffer[position].isspace():
            return self._spaces(buffer, position, items)
        white = WHITE.search(buffer, position, position + RUN_LIMIT + 1)
        end = white.start() if white else min(position + RUN_LIMIT, len(buffer))
        if white is None and len(buffer) - position <= RUN_LIMIT and not complete:
            return position
        seen = _data_end(buffer, end) if white and buffer[end - 1] in "{[" else end
        if seen > len(buffer):
            if not complete:
                return position
            seen = len(buffer)
        region = find_region(buffer, position, seen, line_start=self._line_start, policy=self._policy)
        if region is not None and region.start == position:
            return self._enter(region, buffer, items)
        overlong = self._overlong or (end - position > _LONGEST_WORD and not _LINKED.search(buffer, position, end))
        self._overlong = overlong and white is None and region is None and end < len(buffer)  # it goes on
        if region is not None:
            end = region.start
        elif overlong:
            item = Item("", self._base + position, self._base + end)
            item.warning = f"a run of more than {_LONGEST_WORD} characters without a space was skipped"
            items.append(item)
            self._line_start, self._blank = False, 0
        else:
            held = hold_end(buffer, position, end, complete=complete)
            if held is None:
                return position
            if held > end:
                region = find_region(buffer, position, held, line_start=False, policy=self._policy)
                if region is not None and region.start == position:  # <tool_call name="a b">
                    return self._enter(region, buffer, items)
                end = region.start if region is not None else held
        if not overlong or region is not None:
            self._run(buffer, position, end, items)
        if end < len(buffer) and region is None and buffer[end].isspace():
            items[-1].end += 1
            if buffer[end] == "\n":
                self._end_line(items[-1])
            end += 1
        return end

    def _spaces(self, buffer: str, position: int, items: list[Item]) -> int:
        """White space beyond the one character that closed a word. The second line break ends a paragraph."""
        match = _SPACE.match(buffer, position) if self._blank < 2 else _SPACES.match(buffer, position)
        end = match.end() if match else position + 1
        item = Item("", self._base + position, self._base + end)
        item.blank = True
        if self._blank >= 2:  # nothing more can come of it
            self._line_start = self._line_start or "\n" in buffer[position:end]
        elif match is None:
            self._blank += 1
            item.after = BLOCK if self._blank == 2 else LINE if self._blank == 1 else NONE
            self._line_start, self._line, self._marks = True, "", 0
        items.append(item)
        return end

    def _enter(self, region: Region, buffer: str, items: list[Item]) -> int:
        start, end = self._base + region.start, self._base + region.open_end
        if region.kind == "table" and start == self._table_end + 1:
            region.phrase = ""  # it has been said for the row above
        item = Item(region.phrase, start, end)
        item.before = BLOCK if region.phrase or region.block else NONE
        if region.phrase:
            item.pieces = (Piece(region.phrase, start, end),)
            item.after = BLOCK
        item.warning = region.warning
        items.append(item)
        if not region.silent_markers:
            self._region = region
        else:
            self._line_start = False
        return region.open_end

    def _run(self, buffer: str, position: int, end: int, items: list[Item]) -> None:
        """Items of a complete run (a word, or several inside brackets or backticks)."""
        if self._line_start and self._line_mark(buffer, position, end, items):
            return
        barred = buffer.find("|", position, end) >= 0 and _NO_CELL.search(buffer, position, end) is None
        if self._line == "table" or barred:
            self._cells(buffer, position, end, items)
            return
        self._line_start, self._blank = False, 0
        at = position
        marks = MARK.finditer(buffer, position, end) if _MARKED.search(buffer, position, end) else ()
        for mark in marks:
            before = buffer[at : mark.start()].strip() or self._last_word(items)
            item = self._mark_items.item(mark, self._base + mark.start(), before)
            if item is None:
                continue
            if mark.start() > at:
                items.append(self._item(buffer, at, mark.start()))
            items.append(item)
            at = mark.end()
        if at < end or at == position:
            items.append(self._item(buffer, at, end))

    def _line_mark(self, buffer: str, position: int, end: int, items: list[Item]) -> bool:
        """At the start of a line: headings, list marks, quotes, rules, tables. True when the run was one."""
        run = buffer[position:end]
        if self._marks >= _MOST_MARKS and run[-1] in ".)":
            return False
        item = Item("", self._base + position, self._base + end)
        followed = buffer[end : end + 1] not in ("", "\n")
        if _RULE.fullmatch(run):
            item.after = BLOCK
            self._line, self._line_start = ("table", False) if "|" in run else ("", followed)
        elif not run.strip("#") and len(run) <= 6:
            item.before, self._line, self._line_start = BLOCK, "heading", False
        elif run in _BULLETS and followed:
            item.before, self._line = BLOCK, "list"
        elif not run.strip(">") or (run in ("[x]", "[X]", "[ ]", "[-]") and self._line == "list"):
            pass
        elif _NUMBER.fullmatch(run) and followed:
            item.before, self._line, item.marker = BLOCK, "list", True
            if self._policy.list_numbers:
                item.visible = run[:-1] + "."
                item.pieces = (Piece(item.visible, item.start, item.end),)
        elif run.startswith("|"):
            self._line, self._line_start = "table", False
            return False
        else:
            return False
        self._blank = 0
        self._marks += 1
        items.append(item)
        return True

    def _cells(self, buffer: str, position: int, end: int, items: list[Item]) -> None:
        """A run with table bars in it: each bar ends a cell."""
        self._line_start, self._blank = False, 0
        if _RULE.fullmatch(buffer, position, end):
            items.append(Item("", self._base + position, self._base + end))
            return
        at = position
        for bar in _BARS.finditer(buffer, position, end):
            if bar.start() > at:
                items.append(self._item(buffer, at, bar.start()))
            item = Item("", self._base + bar.start(), self._base + bar.end())
            item.comma = True
            items.append(item)
            at = bar.end()
        if at < end:
            items.append(self._item(buffer, at, end))

    def _item(self, buffer: str, position: int, end: int) -> Item:
        """The visible text of a run without marks."""
        raw = buffer[position:end]
        start = self._base + position
        item = Item("", start, start + len(raw))
        if not raw[0].isalnum() and _RULE.fullmatch(raw):
            if raw in ("--", "---") and self._line != "table":
                item.visible, item.pieces = "—", (Piece("—", start, item.end),)
            return item
        item.pieces, item.warning = clean(raw, start, self._policy)
        item.visible = "".join([piece.text for piece in item.pieces])
        if "<" in raw and not item.warning:
            item.warning = tag_warning(raw)
        if item.visible == raw and not item.warning:
            item.pieces = None
        return item


def _data_end(buffer: str, end: int) -> int:
    """Behind the two characters after the white space at `end`: they tell whether "{ " begins data. Or no further than 8."""
    for at in range(end, min(end + 9, len(buffer))):
        if not buffer[at].isspace():
            return at + 2
    return end + 9

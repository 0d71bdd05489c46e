"""Raw text, in pieces of any size, to items: the words and marks of it, as soon as each is certain.

An item is certain when no further text can change what it is: a word when white space follows, a link when it is
closed, a fence at once. What has no certain end (a stray backtick) is waited for over a bounded stretch, so that every
call does an amount of work in proportion to the text that came.
"""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.limits import SpeechPolicy
from voiceagent.text.markup.brackets import RUN_LIMIT, WHITE, hold_end
from voiceagent.text.markup.cues import CUE_BEGINS, CUE_HINT
from voiceagent.text.markup.emphasis import Emphasis, has_emphasis
from voiceagent.text.markup.inline import clean
from voiceagent.text.markup.items import BLOCK, NONE, Item, Piece
from voiceagent.text.markup.line_marks import RULE, LineState
from voiceagent.text.markup.marks import MARK, Marks, tag_warning
from voiceagent.text.markup.regions import Region, find_region

__all__ = ["Scanner"]

_SPACES: Final = re.compile(r"\s+")
_SPACE: Final = re.compile(r"[^\S\n]+")
# A word that needs no second look, and the white space behind it; an empty match where something else stands.
_PLAIN: Final = re.compile(rf"((?!(?i:{CUE_BEGINS}))[A-Za-zÀ-ſ0-9'\"(][A-Za-zÀ-ſ0-9'\",.;:!?)%-]{{0,60}})([ \n\t])|")
# A word whose characters need a second look; nothing opens in it.
_WORD: Final = re.compile(r"([^\s`<\[{$\\|【◁]{1,61})([ \n\t])")
_LONGEST_WORD: Final = 80
_LINKED: Final = re.compile(r"://|www\.|\]\(|[|@]|^data:")
_MARKED: Final = re.compile(r"[\[<(*_]")  # no mark begins otherwise
_NO_CELL: Final = re.compile(r"[`$]")  # a bar beside these is of code or of a formula
_BARS: Final = re.compile(r"\|+")


class Scanner:
    """Feed it text, take items. Items cover everything that comes in, in order and without a gap."""

    def __init__(self, policy: SpeechPolicy) -> None:
        self._policy = policy
        self._buffer = ""
        self._base = 0  # offset of the buffer's first character
        self._line = LineState(list_numbers=policy.list_numbers)
        self._region: Region | None = None
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
            if (region := self._region) is not None:
                position = self._skip(region, buffer, position, complete=complete, items=items)
                if region.closed:
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
        self._follow_emphasis(buffer[:position], items)
        self._before = self._last_word(items)
        self._buffer = buffer[position:]
        self._base += position
        return items

    def _skip(self, region: Region, buffer: str, position: int, *, complete: bool, items: list[Item]) -> int:
        """Pass over what is not spoken, as far as it has come; returns where to go on."""
        end = max(position, region.skip(buffer, position, complete=complete))
        if end > position:
            items.append(Item("", self._base + position, self._base + end))
            items[-1].skipped = True
        if region.closed:
            if region.kind == "table":
                self._table_end = self._base + end
            self._line.at_start = region.whole_line
            self._line.breaks = 1 if region.block else self._line.breaks
            self._region = None
        return end

    def _follow_emphasis(self, text: str, items: list[Item]) -> None:
        """Tell the items of a text which stretches of emphasis they are in, where that is spoken."""
        if self._policy.emphasis != "stress" or not (self._emphasis.is_open or has_emphasis(text)):
            return
        for item in items:
            raw = "" if item.skipped else text[item.start - self._base : item.end - self._base]
            self._emphasis.mark(item, raw)

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
                if visible is None or (self._line.at_start and visible[0].isdigit()):  # perhaps the number of a list
                    break
                end = match.end()
                items.append(Item(visible, base + position, base + end))
                position = end
                if space == "\n":
                    self._line.end(items[-1])
                else:
                    self._line.go_on()
            if position == len(buffer) or (self._line.at_start and not buffer[position].isalpha()):
                return position
            word = _WORD.match(buffer, position)
            if word is None or CUE_HINT.search(buffer, position, word.end()):
                return position
            item = self._item(buffer, position, word.end(1))
            item.end += 1
            items.append(item)
            position = word.end()
            if word[2] == "\n":
                self._line.end(item)
            else:
                self._line.go_on()

    def _slow(self, buffer: str, position: int, *, complete: bool, items: list[Item]) -> int:
        """Handle what is at `position`; returns where to go on, `position` itself when more text is needed."""
        if buffer[position].isspace():
            return self._spaces(buffer, position, items)
        white = WHITE.search(buffer, position, position + RUN_LIMIT + 1)
        if white is None and len(buffer) - position <= RUN_LIMIT and not complete:
            return position
        end = white.start() if white else min(position + RUN_LIMIT, len(buffer))
        seen = _data_end(buffer, end) if white and buffer[end - 1] in "{[" else end
        if seen > len(buffer) and not complete:
            return position
        region = self._region_in(buffer, position, min(seen, len(buffer)))
        if region is not None and region.start == position:
            return self._enter(region, buffer, items)
        overlong = self._overlong or (end - position > _LONGEST_WORD and not _LINKED.search(buffer, position, end))
        self._overlong = overlong and white is None and region is None and end < len(buffer)  # it goes on
        if region is None and overlong:
            self._drop(buffer, position, end, items)
            return self._close_run(buffer, end, items)
        if region is None:
            held = hold_end(buffer, position, end, complete=complete)
            if held is None:
                return position
            if held > end:  # <tool_call name="a b">
                end, region = held, self._region_in(buffer, position, held, line_start=False)
        if region is None:
            self._run(buffer, position, end, items)
            return self._close_run(buffer, end, items)
        if region.start > position:
            self._run(buffer, position, region.start, items)
            return region.start
        return self._enter(region, buffer, items)

    def _region_in(self, buffer: str, position: int, end: int, *, line_start: bool | None = None) -> Region | None:
        """The first region that begins in this stretch."""
        at_start = self._line.at_start if line_start is None else line_start
        return find_region(buffer, position, end, line_start=at_start, policy=self._policy)

    def _drop(self, buffer: str, position: int, end: int, items: list[Item]) -> None:
        """A run that is too long to be a word, or the next part of it."""
        item = Item("", self._base + position, self._base + end)
        item.warning = f"a run of more than {_LONGEST_WORD} characters without a space was skipped"
        items.append(item)
        self._line.go_on()

    def _close_run(self, buffer: str, end: int, items: list[Item]) -> int:
        """Take the white space that closes a run, if it is there; returns where to go on."""
        if end == len(buffer) or not buffer[end].isspace():
            return end
        items[-1].end += 1
        if buffer[end] == "\n":
            self._line.end(items[-1])
        return end + 1

    def _spaces(self, buffer: str, position: int, items: list[Item]) -> int:
        """White space beyond the one character that closed a word. The second line break ends a paragraph."""
        line = self._line
        match = _SPACE.match(buffer, position) if line.breaks < 2 else _SPACES.match(buffer, position)
        end = match.end() if match else position + 1
        item = Item("", self._base + position, self._base + end)
        item.blank = True
        if line.breaks >= 2:  # nothing more can come of it
            line.at_start = line.at_start or "\n" in buffer[position:end]
        elif match is None:
            line.end_blank(item)
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
            self._line.at_start = False
        return region.open_end

    def _run(self, buffer: str, position: int, end: int, items: list[Item]) -> None:
        """Items of a complete run (a word, or several inside brackets or backticks)."""
        if self._line.at_start:
            line_mark = self._line.marked(buffer[position:end], self._base + position, buffer[end : end + 1])
            if line_mark is not None:
                items.append(line_mark)
                return
        barred = buffer.find("|", position, end) >= 0 and _NO_CELL.search(buffer, position, end) is None
        if self._line.kind == "table" or barred:
            self._cells(buffer, position, end, items)
            return
        self._line.go_on()
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

    def _cells(self, buffer: str, position: int, end: int, items: list[Item]) -> None:
        """A run with table bars in it: each bar ends a cell."""
        self._line.go_on()
        if RULE.fullmatch(buffer, position, end):
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
        if not raw[0].isalnum() and RULE.fullmatch(raw):
            if raw in ("--", "---") and self._line.kind != "table":
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
    """Behind the two characters after the white space at `end`: they tell whether "{ " begins data. Or no further than
    8.
    """
    for at in range(end, min(end + 9, len(buffer))):
        if not buffer[at].isspace():
            return at + 2
    return end + 9

"""Raw text, in pieces of any size, to items: the words and marks of it, as soon as each is certain.

An item is certain when no further text can change what it is: a word when white space follows, a link when it is closed, a
fence at once. What has no certain end (a stray backtick) is waited for over a bounded stretch, so that every call does an amount of
work in proportion to the text that came.
"""

from __future__ import annotations

import re
from typing import Final

from .items import BLOCK, LINE, NONE, Item, Piece
from .markup import clean
from .policy import SpeechPolicy
from .regions import Region, find_region
from .ssml import attributes_of, pause_seconds, rate_factor

__all__ = ["Scanner"]

_RUN_LIMIT: Final = 256  # a run without white space is cut here
_HOLD_LIMIT: Final = 256  # a bracket, backtick or tag that is not closed within this many characters is none
_MATH_LIMIT: Final = 80  # a formula inside a sentence is short; "$HOME" must not hold back much
_SPACE: Final = re.compile(r"[^\S\n]+")
_WHITE: Final = re.compile(r"\s")
# A word that needs no second look. It may stand anywhere in a line, its first letter says that it is no list mark.
_PLAIN: Final = re.compile(r"([A-Za-z'\"(][A-Za-z0-9'\",.;:!?()%-]{0,60})([ \n\t])")
_OPENER: Final = re.compile(r"`+|\[+|<+(?=[A-Za-z/!?|])|(?<!\$)\$(?=[A-Za-z\\({])|\\\(|【")
_CLOSERS: Final = {"[": "]", "<": ">", "$": "$", "\\": "\\)", "【": "】"}
_SAID_TAG: Final = re.compile(r"<(sub|phoneme|say-as)\b[^>]*>")
# Where a run is cut because something stands there that belongs to no word.
_MARK: Final = re.compile(
    r"\[pause(?:[ :=]\s*(?P<pause>[^\]]{0,20}))?\]|<break\b(?P<break>[^>]*)>|<(?P<end>/)?prosody\b(?P<prosody>[^>]*)>"
    r"|</?(?:br|p|div|li|ul|ol|tr|table|h[1-6]|hr|blockquote|speak|s)\b[^>]*>",
    re.I,
)
_RULE: Final = re.compile(r"([-*_=~])\1{2,}|:?-{2,}:?|\|?(?::?-{2,}:?\|)+(?::?-{2,}:?)?|[─-╿▀-▟]{2,}|[^\w\s]{12,}")
_BARS: Final = re.compile(r"\|+")
_NUMBER: Final = re.compile(r"\d{1,3}[.)]")
_BULLETS: Final = frozenset("-*+•◦▪‣●○■□–—")
_KNOWN_TAG: Final = re.compile(r"<[/!?]?([A-Za-z][\w-]{0,30})(?=[\s/>])")
_TAGS: Final = frozenset(
    "a abbr b big blockquote body br center cite code dd del details div dl dt em emphasis font h1 h2 h3 h4 h5 h6 head header "
    "hr html i img ins kbd li main mark ol p pre prosody q s samp section small span speak strike strong sub summary sup "
    "table tbody td th thead tr tt u ul var break say-as phoneme voice audio w sentence paragraph lang".split()
)


class Scanner:
    """Feed it text, take items. Everything that comes in goes out in some item's `raw`, in order."""

    def __init__(self, policy: SpeechPolicy) -> None:
        self._policy = policy
        self._buffer = ""
        self._base = 0  # offset of the buffer's first character
        self._line_start = True
        self._line = ""  # kind of the current line: "" text, "heading", "list", "table"
        self._blank = 2  # line breaks since the last word
        self._region: Region | None = None
        self._rates: list[float] = []

    def feed(self, text: str) -> list[Item]:
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
        plain = _PLAIN.match
        while position < size:
            if self._region is not None:
                end = self._region.skip(buffer, position, complete=complete)
                if end > position:
                    items.append(Item(buffer[position:end], self._base + position))
                    position = end
                if self._region.closed:
                    self._region, self._line_start, self._blank = None, self._region.whole_line, 1
                    continue
                break
            match = plain(buffer, position)
            if match is not None:
                items.append(self._plain_item(match))
                position = match.end()
                continue
            found = self._slow(buffer, position, complete=complete, items=items)
            if found == position and self._region is None:
                break
            position = found
        self._buffer = buffer[position:]
        self._base += position
        return items

    def _plain_item(self, match: re.Match[str]) -> Item:
        visible, space = match.groups()
        item = Item(match.group(), self._base + match.start(), visible)
        self._blank = 0
        if space == "\n":
            self._end_line(item)
        else:
            self._line_start = False
        return item

    def _end_line(self, item: Item) -> None:
        """The white space that closed `item` was a line break."""
        item.after = BLOCK if self._line in ("heading", "table") else LINE
        self._line_start, self._line, self._blank = True, "", 1

    def _slow(self, buffer: str, position: int, *, complete: bool, items: list[Item]) -> int:
        """Handle what is at `position`; returns where to go on, `position` itself when more text is needed."""
        if buffer[position].isspace():
            return self._spaces(buffer, position, items)
        white = _WHITE.search(buffer, position, position + _RUN_LIMIT)
        end = white.start() if white else min(position + _RUN_LIMIT, len(buffer))
        if white is None and end - position < _RUN_LIMIT and not complete:
            return position
        region = find_region(buffer, position, end, line_start=self._line_start, policy=self._policy)
        if region is not None and region.start == position:
            return self._enter(region, buffer, items)
        if region is not None:
            end = region.start
        else:
            held = _hold(buffer, position, end, complete=complete)
            if held is None:
                return position
            if held > end:
                region = find_region(buffer, end, held, line_start=False, policy=self._policy)
                end = region.start if region is not None else held
        self._run(buffer, position, end, items)
        if end < len(buffer) and region is None and buffer[end].isspace():
            last = items[-1]
            last.raw += buffer[end]
            if buffer[end] == "\n":
                self._end_line(last)
            end += 1
        return end

    def _spaces(self, buffer: str, position: int, items: list[Item]) -> int:
        """White space beyond the one character that closed a word. The second line break ends a paragraph."""
        match = _SPACE.match(buffer, position)
        end = match.end() if match else position + 1
        item = Item(buffer[position:end], self._base + position)
        if match is None:
            self._blank += 1
            item.after = BLOCK if self._blank == 2 else LINE if self._blank == 1 else NONE
            self._line_start, self._line = True, ""
        items.append(item)
        return end

    def _enter(self, region: Region, buffer: str, items: list[Item]) -> int:
        raw = buffer[region.start : region.open_end]
        start = self._base + region.start
        item = Item(raw, start, before=BLOCK if region.phrase or region.block else NONE)
        if region.phrase:
            item.visible, item.pieces = region.phrase, (Piece(region.phrase, start, start + len(raw)),)
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
        if self._line == "table" or "|" in buffer[position:end]:
            self._cells(buffer, position, end, items)
            return
        self._line_start, self._blank = False, 0
        at = position
        for mark in _MARK.finditer(buffer, position, end):
            if mark.start() > at:
                items.append(self._item(buffer, at, mark.start()))
            items.append(self._marked(mark))
            at = mark.end()
        if at < end or at == position:
            items.append(self._item(buffer, at, end))

    def _line_mark(self, buffer: str, position: int, end: int, items: list[Item]) -> bool:
        """At the start of a line: headings, list marks, quotes, rules, tables. True when the run was one."""
        run = buffer[position:end]
        item = Item(run, self._base + position)
        followed = buffer[end : end + 1] not in ("", "\n")
        if _RULE.fullmatch(run):
            item.after = BLOCK
            self._line, self._line_start = ("table", False) if "|" in run else ("", followed)
        elif not run.strip("#") and len(run) <= 6:
            item.before, self._line, self._line_start = BLOCK, "heading", False
        elif run in _BULLETS and followed:
            item.before, self._line = BLOCK, "list"
        elif not run.strip(">"):
            pass
        elif run in ("[x]", "[X]", "[ ]", "[-]") and self._line == "list":
            pass
        elif _NUMBER.fullmatch(run) and followed:
            item.before, self._line, item.marker = BLOCK, "list", True
            if self._policy.list_numbers:
                item.visible = run[:-1] + "."
                item.pieces = (Piece(item.visible, item.start, item.start + len(run)),)
        elif run.startswith("|"):
            self._line, self._line_start = "table", False
            return False
        else:
            return False
        self._blank = 0
        items.append(item)
        return True

    def _cells(self, buffer: str, position: int, end: int, items: list[Item]) -> None:
        """A run with table bars in it: each bar ends a cell."""
        self._line_start, self._blank = False, 0
        if _RULE.fullmatch(buffer, position, end):
            items.append(Item(buffer[position:end], self._base + position))
            return
        at = position
        for bar in _BARS.finditer(buffer, position, end):
            if bar.start() > at:
                items.append(self._item(buffer, at, bar.start()))
            item = Item(bar.group(), self._base + bar.start())
            item.comma = True
            items.append(item)
            at = bar.end()
        if at < end:
            items.append(self._item(buffer, at, end))

    def _item(self, buffer: str, position: int, end: int) -> Item:
        """The visible text of a run without marks."""
        raw = buffer[position:end]
        start = self._base + position
        item = Item(raw, start)
        if _RULE.fullmatch(raw):
            if raw in ("--", "---") and self._line != "table":
                item.visible, item.pieces = "—", (Piece("—", start, start + len(raw)),)
            return item
        item.pieces, item.warning = clean(raw, start, self._policy)
        item.visible = "".join(piece.text for piece in item.pieces)
        if item.visible == raw:
            item.pieces = None
        tag = _KNOWN_TAG.search(raw)
        if tag is not None and tag[1].lower() not in _TAGS and not item.warning:
            item.warning = f"unknown tag <{tag[1]}> was skipped"
        return item

    def _marked(self, mark: re.Match[str]) -> Item:
        """A pause, a change of rate, or the end of a block."""
        item = Item(mark.group(), self._base + mark.start())
        if mark["break"] is not None:
            given = attributes_of(mark["break"])
            item.pause_s = pause_seconds(given.get("time", ""), given.get("strength", ""))
        elif mark.group().startswith("["):
            item.pause_s = pause_seconds(mark["pause"] or "")
        elif mark["end"] is not None:
            if self._rates:
                self._rates.pop()
            item.rate = self._rates[-1] if self._rates else 1.0
        elif mark["prosody"] is not None:
            given = attributes_of(mark["prosody"])
            item.rate = rate_factor(given["rate"]) if "rate" in given else (self._rates[-1] if self._rates else 1.0)
            if len(self._rates) < 16 and not mark["prosody"].endswith("/"):
                self._rates.append(item.rate)
        else:
            item.before = BLOCK
        return item


def _hold(buffer: str, position: int, end: int, *, complete: bool) -> int | None:
    """Where the run [position, end) really ends: behind what is opened in it. None when that is not known yet."""
    at = position
    while True:
        opener = _OPENER.search(buffer, at, end)
        if opener is None:
            return end
        close = _close(buffer, opener, complete=complete)
        if close is None:
            return None
        if close == opener.end():  # not closed: an ordinary character
            at = close
            continue
        at = close
        if at > end:
            white = _WHITE.search(buffer, at, at + _RUN_LIMIT)
            if white is None and len(buffer) < at + _RUN_LIMIT and not complete:
                return None
            end = white.start() if white else min(at + _RUN_LIMIT, len(buffer))


def _close(buffer: str, opener: re.Match[str], *, complete: bool) -> int | None:
    """Behind the closer of `opener`; the end of the opener when it has none; None when that is not known yet."""
    mark = opener.group()
    start = opener.end()
    limit = start + (_MATH_LIMIT if mark == "$" else _HOLD_LIMIT)
    closer = mark if mark[0] == "`" else _CLOSERS[mark[0]]
    if mark[0] == "<":
        said = _SAID_TAG.match(buffer, start - 1)
        if said is not None:
            closer = f"</{said[1]}>"
    found = buffer.find(closer, start, limit)
    newline = buffer.find("\n" if mark[0] in "$<\\【" else "\n\n", start, limit if found < 0 else found)
    if newline >= 0:
        return start
    if found < 0:
        return start if complete or len(buffer) >= limit else None
    after = found + len(closer)
    if mark[0] == "[":
        if after == len(buffer) and not complete:
            return None
        if buffer[after : after + 1] == "(":
            target = buffer.find(")", after, limit + _HOLD_LIMIT)
            if target < 0 and len(buffer) < limit + _HOLD_LIMIT and not complete:
                return None
            after = target + 1 if target >= 0 else after
    return after

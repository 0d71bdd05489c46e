"""Where a run of text really ends when a bracket, a backtick or a tag is open in it."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.markup.cues import CUE_BEGINS, CUE_LIMIT, goes_on

__all__ = ["RUN_LIMIT", "WHITE", "hold_end"]

RUN_LIMIT: Final = 256  # a run without white space is cut here
_HOLD_LIMIT: Final = 256  # a bracket, backtick or tag that is not closed within this many characters is none
_HELD_LIMIT: Final = 1_024  # "[a b][a b]" without end is cut behind a bracket
_MATH_LIMIT: Final = 80  # a formula inside a sentence is short; "$HOME" must not hold back much
WHITE: Final = re.compile(r"\s")
_OPENER: Final = re.compile(
    r"`+|\[+|<+(?=[A-Za-z/!?|])|(?<![$\w])\$\$(?!\$)|(?<!\$)\$(?=[A-Za-z\\({|]|\d{1,6}[\^_=\\])|\\[(\[]|【"
    rf"|(?i:{CUE_BEGINS})"
)
_AMOUNT: Final = re.compile(r"(?<!\$)\$(?=\d[\d.,]{0,10}$)")
_CLOSERS: Final = {"[": "]", "<": ">", "$": "$", "【": "】", "(": ")", "*": "*", "_": "_"}
_CUES: Final = ("(", "*", "_")
_DISPLAYED: Final = {"$$": "$$", "\\[": "\\]", "\\(": "\\)"}
_SAID_TAG: Final = re.compile(r"<(sub|phoneme|say-as)\b[^>]*>")


def hold_end(buffer: str, position: int, end: int, *, complete: bool) -> int | None:
    """Where the run [position, end) really ends: behind what is opened in it. None when that is not known yet."""
    at = position
    while True:
        opener = _OPENER.search(buffer, at, end)
        if opener is None:
            amount = _AMOUNT.search(buffer, at, end) if buffer.find("$", at, end) >= 0 else None
            if amount is None or end == len(buffer):
                return end
            if len(buffer) < end + 2 and not complete:
                return None  # "$2 \times 3$" begins as an amount of money does
            if buffer[end : end + 2] != " \\":
                return end
            opener = amount
        close = _close(buffer, opener, complete=complete)
        if close is None:
            return None
        if close == opener.end():  # not closed: an ordinary character
            at = close
            continue
        at = close
        if at - position > _HELD_LIMIT:
            return at
        if at > end:
            white = WHITE.search(buffer, at, at + RUN_LIMIT + 1)
            if white is None and len(buffer) <= at + RUN_LIMIT and not complete:
                return None
            end = white.start() if white else min(at + RUN_LIMIT, len(buffer))


def _close(buffer: str, opener: re.Match[str], *, complete: bool) -> int | None:
    """Behind the closer of `opener`; the end of the opener when it has none; None when that is not known yet."""
    mark = opener.group()
    start = opener.end()
    limit = start + (_MATH_LIMIT if mark == "$" else CUE_LIMIT if mark in _CUES else _HOLD_LIMIT)
    closer = mark if mark[0] == "`" else _DISPLAYED.get(mark) or _CLOSERS[mark[0]]
    if mark[0] == "<":
        said = _SAID_TAG.match(buffer, start - 1)
        if said is not None:
            closer = f"</{said[1]}>"
    found = buffer.find(closer, start, limit)
    newline = buffer.find(
        "\n" if mark in ("$", "\\(", *_CUES) or mark[0] in "<【" else "\n\n", start, limit if found < 0 else found
    )
    if newline >= 0:
        return start
    if mark in _CUES and not goes_on(buffer[start : limit if found < 0 else found]):
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

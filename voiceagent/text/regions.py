"""Stretches of text that are not spoken word for word: code blocks, thoughts, comments, formulas, data.

They may be endless, so they are skipped as they come instead of being collected.
"""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.policy import SpeechPolicy

__all__ = ["Region", "find_region"]

_OPEN: Final = re.compile(
    r"(?P<fence>`{3,}|~{3,})|(?P<think>(?<!`)<(?P<thinker>think|thinking|thought|reasoning|reflection)>)"
    r"|(?P<call>(?<!`)<(?P<caller>tool_call|tool_calls|function_call|function_calls|invoke|tool_response)\b[^>]*>)"
    r"|(?P<comment><!--)|(?P<hidden><(?P<hider>script|style|svg)\b[^>]*>)|(?P<entity><!(?:DOCTYPE|ENTITY)\b|<!\[CDATA\[)"
    r"|(?P<display>(?<![$\w])\$\$(?!\$)|\\\[)|(?P<tools>\[TOOL_CALLS\])|(?P<definition>\[(?:\^[^\]\s]{1,40}|\d{1,3})\]:)",
    re.I,
)
_DATA: Final = re.compile(r"\{(?=[\"'\n ]|$)|\[(?=[{\"]|$)")
_BRACKETS: Final = re.compile(r"\\.|[\"{}\[\]]", re.S)
_DECLARED: Final = re.compile(r"[\[\]>]")
_DATA_LIMIT: Final = 20_000  # more is no tool call but an open bracket: go on reading


class Region:
    """An open region.

    start, open_end: where its opening mark stands in the scanner's buffer.
    phrase: what is said in its place. block: it ends the paragraph before it. whole_line: the next text begins a line.
    silent_markers: only the marks are silent, the content is read.
    closed: its end has been seen.
    """

    __slots__ = (
        "_closer", "_depth", "_quoted", "_seen", "block", "closed", "kind", "open_end", "phrase",
        "silent_markers", "start", "warning", "whole_line",
    )  # fmt: skip

    def __init__(self, kind: str, start: int, open_end: int, closer: str, phrase: str = "") -> None:
        self.kind = kind
        self.start = start
        self.open_end = open_end
        self.phrase = phrase
        self.block = kind in ("fence", "display", "data", "think", "call", "definition")
        self.whole_line = kind in ("fence", "definition", "data", "display", "think", "call", "comment")
        self.silent_markers = False
        self.warning = ""
        self.closed = False
        self._closer = closer
        self._depth = 0
        self._quoted = False
        self._seen = 0

    def skip(self, buffer: str, position: int, *, complete: bool) -> int:
        """How far [position, ...) belongs to the region. Sets `closed` at its end."""
        if self.kind == "entity":
            return self._skip_declaration(buffer, position)
        if self.kind == "data":
            return self._skip_data(buffer, position, complete=complete)
        found = buffer.find(self._closer, position)
        blank = buffer.find("\n\n", position) if self.kind == "display" else -1
        if self.kind == "display" and (found < 0 or 0 <= blank < found) and blank >= 0:
            self.closed = True
            return blank
        if found >= 0:
            self.closed = True
            end = found + len(self._closer)
            return end - 1 if self._closer == "\n" else end
        if complete:
            return len(buffer)
        # Keep what could be the beginning of the closer.
        return max(position, len(buffer) - len(self._closer) - (1 if self.kind == "display" else 0))

    def _skip_declaration(self, buffer: str, position: int) -> int:
        for match in _DECLARED.finditer(buffer, position):
            self._depth += {"[": 1, "]": -1}.get(match.group(), 0)
            if match.group() == ">" and self._depth <= 0:
                self.closed = True
                return match.end()
        return len(buffer)

    def _skip_data(self, buffer: str, position: int, *, complete: bool) -> int:
        last = position
        for match in _BRACKETS.finditer(buffer, position):
            mark, last = match.group(), match.end()
            if mark == '"':
                self._quoted = not self._quoted
            elif not self._quoted and mark in "{[":
                self._depth += 1
            elif not self._quoted and mark in "}]":
                self._depth -= 1
                if self._depth <= 0:
                    self.closed = True
                    return last
        end = len(buffer)
        if not complete and end > last and buffer.endswith("\\"):
            end -= 1  # what it escapes has not come yet
        self._seen += end - position
        self.closed = self._seen > _DATA_LIMIT
        return end


def find_region(buffer: str, position: int, end: int, *, line_start: bool, policy: SpeechPolicy) -> Region | None:
    """The first region that opens inside the run [position, end), or None."""
    if line_start and buffer[position] in "{[":
        data = _DATA.match(buffer, position, end)
        if data is not None:
            # The opening bracket is counted when the region is skipped: it starts before it.
            return Region("data", position, position, "", policy.data_phrase if policy.data == "phrase" else "")
    match = _OPEN.search(buffer, position, end)
    if match is None:
        return None
    kind = match.lastgroup or ""
    if match["definition"] is not None and not (line_start and match.start() == position):
        return None
    for name in ("fence", "think", "call", "comment", "hidden", "entity", "display", "tools", "definition"):
        if match[name] is not None:
            kind = name
    return _region(kind, match, policy)


def _region(kind: str, match: re.Match[str], policy: SpeechPolicy) -> Region | None:
    start, end = match.span()
    if kind == "fence":
        if policy.code_block == "speak":
            return Region(kind, start, end, "\n")  # the line of the fence alone is silent
        return Region(kind, start, end, match.group(), policy.code_phrase if policy.code_block == "phrase" else "")
    if kind == "think":
        region = Region(kind, start, end, f"</{match['thinker']}>")
        region.silent_markers = policy.think == "speak"
        return region
    if kind == "call":
        return Region(kind, start, end, f"</{match['caller']}>")
    if kind == "hidden":
        return Region(kind, start, end, f"</{match['hider']}>")
    if kind == "comment":
        return Region(kind, start, end, "-->")
    if kind == "entity":
        region = Region(kind, start, end, ">")
        if match.group().upper().startswith("<![CDATA"):
            region.silent_markers = True
        else:
            region.warning = "a document type or entity declaration was skipped"
        return region
    if kind == "display":
        closer = "$$" if match.group() == "$$" else "\\]"
        return Region(kind, start, end, closer, policy.math_phrase if policy.math_block == "phrase" else "")
    return Region(kind, start, end, "\n")

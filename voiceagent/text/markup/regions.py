"""Stretches of text that are not spoken word for word: code blocks, thoughts, comments, formulas, data.

They may be endless, so they are skipped as they come instead of being collected.
"""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.limits import SpeechPolicy

__all__ = ["Region", "find_region"]

# Tags that models put around their thoughts and their calls of tools.
_THINKERS: Final = (
    "think|thinking|thought|thoughts|reasoning|reason|reflection|scratchpad|analysis|antThinking|inner_monologue"
)
_CALLERS: Final = (
    r"(?:antml:)?(?:tool_calls?|function_calls?|invoke)|tool_response|tool_use|tool_results?|function_results?|tool_code|"
    "use_mcp_tool"
)
_OPEN: Final = re.compile(
    r"(?=[`~<\[{$\\◁])(?:(?P<fence>`{3,}|~{3,})"
    rf"|(?P<think>(?<!`)(?:<(?P<thinker>{_THINKERS})>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|channel\|>analysis\b))"
    rf"|(?P<call>(?<!`)(?:<(?P<caller>{_CALLERS})\b[^>]*>|<(?P<function>function)=[^>\s]*>))"
    r"|(?P<tools>\[TOOL_CALLS\]|<\|(?:python_tag|tool_calls?_begin)\|>|<｜tool▁(?:calls|outputs)▁begin｜>"
    r"|<\|channel\|>commentary\b)"
    r"|(?P<header><\|channel\|>|<\|start_header_id\|>|<\|im_start\|>)"
    rf"|(?P<stray>(?<!`)</(?:{_THINKERS}|{_CALLERS})>)"
    r"|(?P<role>\[/?INST\]|<\|start\|>[a-z]{0,20}|<\|\w{1,40}\|>|<｜[^｜<>]{0,40}｜>)"
    r"|(?P<inline>(?<!`)(?:\[\s{0,4})?\{\s{0,8}[\"'](?=[A-Za-z_$]))"
    r"|(?P<comment><!--)|(?P<hidden><(?P<hider>script|style|svg)\b[^>]*>)|(?P<entity><!(?:DOCTYPE|ENTITY)\b|<!\[CDATA\[)"
    r"|(?P<display>(?<![$\w])\$\$(?!\$)|\\\[)|(?P<definition>\[(?:\^[^\]\s]{1,40}|\d{1,3})\]:))",
    re.I,
)
_KINDS: Final = (
    "fence", "think", "call", "tools", "header", "stray", "role", "inline", "comment", "hidden", "entity", "display",
    "definition",
)  # fmt: skip
# What ends a region, by its opening mark in small letters: the first of these that comes.
_CLOSERS: Final = {
    "[think]": ("[/THINK]",), "◁think▷": ("◁/think▷",), "<|begin_of_thought|>": ("<|end_of_thought|>",),
    "<|channel|>analysis": ("<|end|>", "<|return|>", "<|channel|>final"),
    "<|channel|>commentary": ("<|call|>", "<|end|>", "<|return|>"), "<|channel|>": ("<|message|>",),
    "<|start_header_id|>": ("<|end_header_id|>",), "<|im_start|>": ("\n",), "[tool_calls]": ("\n", "</s>"),
    "<|python_tag|>": ("<|eom_id|>", "<|eot_id|>", "\n\n"), "<|tool_call_begin|>": ("<|tool_call_end|>",),
    "<|tool_calls_begin|>": ("<|tool_calls_end|>",), "<｜tool▁calls▁begin｜>": ("<｜tool▁calls▁end｜>",),
    "<｜tool▁outputs▁begin｜>": ("<｜tool▁outputs▁end｜>",),
}  # fmt: skip
_DATA: Final = re.compile(r"\{(?=[\"'\n ]|$)|\[(?=[{\"]|$)")
_HINT: Final = re.compile(r"[`~<\[{$\\◁]")  # no region opens without one of these
_CALLEE: Final = re.compile(r"\b[\w.]{1,80}\($")
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
        "_closers", "_depth", "_nested", "_quoted", "_seen", "block", "closed", "kind", "open_end", "phrase",
        "silent_markers", "start", "warning", "whole_line",
    )  # fmt: skip

    def __init__(self, kind: str, start: int, open_end: int, closers: tuple[str, ...], phrase: str = "") -> None:
        self.kind = kind
        self.start = start
        self.open_end = open_end
        self.phrase = phrase
        self.block = kind in (
            "fence",
            "display",
            "data",
            "think",
            "call",
            "tools",
            "header",
            "stray",
            "definition",
            "table",
        )
        self.whole_line = self.block or kind == "comment"
        self.silent_markers = False
        self.warning = ""
        self.closed = False
        self._closers = closers
        self._nested = ""  # an opening mark that needs a closer of its own
        self._depth = 0
        self._quoted = False
        self._seen = 0

    def skip(self, buffer: str, position: int, *, complete: bool) -> int:
        """How far [position, ...) belongs to the region. Sets `closed` at its end."""
        if self.kind == "entity":
            return self._skip_declaration(buffer, position)
        if self.kind == "data":
            return self._skip_data(buffer, position, complete=complete)
        if self.kind == "think" and self._nested:
            return self._skip_nested(buffer, position, complete=complete)
        found, closer = min(
            ((at, mark) for mark in self._closers if (at := buffer.find(mark, position)) >= 0), default=(-1, "")
        )
        blank = buffer.find("\n\n", position) if self.kind == "display" else -1
        if self.kind == "display" and (found < 0 or 0 <= blank < found) and blank >= 0:
            self.closed = True
            return blank
        if found >= 0:
            self.closed = True
            end = found + len(closer)
            return end - 1 if closer == "\n" else end
        if complete:
            return len(buffer)
        # Keep what could be the beginning of the closer.
        return max(position, len(buffer) - max(map(len, self._closers)) - (1 if self.kind == "display" else 0))

    def _skip_nested(self, buffer: str, position: int, *, complete: bool) -> int:
        """Thoughts inside thoughts: the closer of the inner ones ends nothing."""
        closer, at = self._closers[0], position
        while (end := buffer.find(closer, at)) >= 0:
            inner = buffer.find(self._nested, at, end)
            if inner >= 0:
                self._depth += 1
                at = inner + len(self._nested)
                continue
            at = end + len(closer)
            if self._depth == 0:
                self.closed = True
                return at
            self._depth -= 1
        while (inner := buffer.find(self._nested, at)) >= 0:
            self._depth += 1
            at = inner + len(self._nested)
        return len(buffer) if complete else max(at, len(buffer) - len(closer))

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
            return Region("data", position, position, (), policy.data_phrase if policy.data == "phrase" else "")
    if line_start and buffer[position] == "|" and policy.table != "speak":
        return Region("table", position, position, ("\n",), policy.table_phrase if policy.table == "phrase" else "")
    hint = _HINT.search(buffer, position, end)
    if hint is None:
        return None
    at = hint.start()
    while (match := _OPEN.search(buffer, at, end)) is not None:
        kind = next(name for name in _KINDS if match[name] is not None)
        needs_line = kind == "definition" or match.group().startswith("~")
        read = kind == "display" and policy.math_block == "speak"
        quoted = kind != "fence" and buffer.count("`", position, match.start()) % 2 == 1  # inside inline code
        if read or quoted or (needs_line and not (line_start and match.start() == position)):
            at = match.end()
        else:
            return _region(kind, match, position, policy)
    return None


def _region(kind: str, match: re.Match[str], run: int, policy: SpeechPolicy) -> Region | None:
    """The region that `match` opens, in the run that begins at `run`."""
    start, end = match.span()
    mark = match.group()
    if kind == "fence":
        if policy.code_block == "speak":
            return Region(kind, start, end, ("\n",))  # the line of the fence alone is silent
        return Region(kind, start, end, (mark,), policy.code_phrase if policy.code_block == "phrase" else "")
    if kind == "think":
        closers = (f"</{match['thinker']}>",) if match["thinker"] else _CLOSERS[mark.lower()]
        region = Region(kind, start, end, closers)
        region._nested = mark if match["thinker"] else ""
        region.silent_markers = policy.think == "speak"
        return region
    data_phrase = policy.data_phrase if policy.data == "phrase" else ""
    if kind == "call":
        return Region(kind, start, end, (f"</{match['caller'] or match['function']}>",), data_phrase)
    if kind == "tools":
        return Region(kind, start, end, _CLOSERS[mark.lower()], data_phrase)
    if kind == "header":
        return Region(kind, start, end, _CLOSERS[mark.lower()])
    if kind in ("role", "stray"):
        region = Region(kind, start, end, ())
        region.silent_markers = True
        return region
    if kind == "inline":
        callee = _CALLEE.search(match.string, max(run, start - 81), start)  # of "get_weather({...})"
        return Region("data", callee.start() if callee else start, start, (), data_phrase)
    if kind == "hidden":
        return Region(kind, start, end, (f"</{match['hider']}>",))
    if kind == "comment":
        return Region(kind, start, end, ("-->",))
    if kind == "entity":
        region = Region(kind, start, end, (">",))
        if mark.upper().startswith("<![CDATA"):
            region.silent_markers = True
        else:
            region.warning = "a document type or entity declaration was skipped"
        return region
    if kind == "display":
        closer = "$$" if mark == "$$" else "\\]"
        return Region(kind, start, end, (closer,), policy.math_phrase if policy.math_block == "phrase" else "")
    return Region(kind, start, end, ("\n",))

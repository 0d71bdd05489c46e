"""Marks in a text that are not words: pauses, changes of the speaking rate, ends of blocks."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.markup.items import BLOCK, Item
from voiceagent.text.markup.ssml import attributes_of, pause_seconds, rate_factor

__all__ = ["MARK", "Rates", "tag_warning"]

# Where a run is cut because something stands there that belongs to no word.
MARK: Final = re.compile(
    r"\[pause(?:[ :=]\s*(?P<pause>[^\]]{0,20}))?\]|<break\b(?P<break>[^>]*)>|<(?P<end>/)?prosody\b(?P<prosody>[^>]*)>"
    r"|</?(?:br|p|div|li|ul|ol|tr|table|h[1-6]|hr|blockquote|speak|s)\b[^>]*>",
    re.I,
)
_TAG: Final = re.compile(r"<[/!?]?([A-Za-z][\w-]{0,30})(?=[\s/>])")
_KNOWN_TAGS: Final = frozenset(
    "a abbr b big blockquote body br center cite code dd del details div dl dt em emphasis font h1 h2 h3 h4 h5 h6 head header "
    "hr html i img ins kbd li main mark ol p pre prosody q s samp section small span speak strike strong sub summary sup "
    "table tbody td th thead tr tt u ul var break say-as phoneme voice audio w sentence paragraph lang".split()
)


def tag_warning(raw: str) -> str:
    """What to say about the first tag in `raw`: "" when it is a known one of HTML or SSML, or none."""
    tag = _TAG.search(raw)
    return f"unknown tag <{tag[1]}> was skipped" if tag is not None and tag[1].lower() not in _KNOWN_TAGS else ""


class Rates:
    """Turns marks into items, and knows which <prosody> is open."""

    def __init__(self) -> None:
        self._open: list[float] = []

    def item(self, mark: re.Match[str], start: int) -> Item:
        """A pause, a change of rate, or the end of a block."""
        item = Item("", start, start + len(mark.group()))
        if mark["break"] is not None:
            given = attributes_of(mark["break"])
            item.pause_s = pause_seconds(given.get("time", ""), given.get("strength", ""))
        elif mark.group().startswith("["):
            item.pause_s = pause_seconds(mark["pause"] or "")
        elif mark["end"] is not None:
            if self._open:
                self._open.pop()
            item.rate = self._open[-1] if self._open else 1.0
        elif mark["prosody"] is not None:
            given = attributes_of(mark["prosody"])
            item.rate = rate_factor(given["rate"]) if "rate" in given else (self._open[-1] if self._open else 1.0)
            if len(self._open) < 16 and not mark["prosody"].endswith("/"):
                self._open.append(item.rate)
        else:
            item.before = BLOCK
        return item

"""Marks in a text that are not words: pauses, sounds that are not made, changes of prosody, ends of blocks."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.limits import SpeechPolicy
from voiceagent.text.markup.cues import CUE, is_cue, silence_of
from voiceagent.text.markup.items import BLOCK, Item
from voiceagent.text.markup.ssml import PLAIN, Prosody, attributes_of, pause_seconds, prosody_of

__all__ = ["MARK", "Marks", "tag_warning"]

SOUND_PAUSE_S: Final = 0.3

# Where a run is cut because something stands there that belongs to no word.
MARK: Final = re.compile(
    r"\[pause(?:[ :=]\s*(?P<pause>[^\]]{0,20}))?\]|<break\b(?P<break>[^>]*)>|<(?P<end>/)?prosody\b(?P<prosody>[^>]*)>"
    r"|(?P<block></?(?:br|p|div|li|ul|ol|tr|table|h[1-6]|hr|blockquote|speak|s)\b[^>]*>)"
    rf"|(?P<cue>{CUE})",
    re.I,
)
_TAG: Final = re.compile(r"<[/!?]?([A-Za-z][\w-]{0,30})(?=[\s/>])")
_KNOWN_TAGS: Final = frozenset(
    "a abbr b big blockquote body br center cite code dd del details div dl dt em emphasis font h1 h2 h3 h4 h5 h6 head "
    "header hr html i img ins kbd li main mark ol p pre prosody q s samp section small span speak strike strong sub "
    "summary sup table tbody td th thead tr tt u ul var break say-as phoneme voice audio w sentence paragraph "
    "lang".split()
)


def tag_warning(raw: str) -> str:
    """What to say about the first tag in `raw`: "" when it is a known one of HTML or SSML, or none."""
    tag = _TAG.search(raw)
    return f"unknown tag <{tag[1]}> was skipped" if tag is not None and tag[1].lower() not in _KNOWN_TAGS else ""


class Marks:
    """Turns marks into items, and knows which <prosody> is open."""

    def __init__(self, policy: SpeechPolicy) -> None:
        self._policy = policy
        self._open: list[Prosody] = []

    def item(self, mark: re.Match[str], start: int, before: str) -> Item | None:
        """A pause, a change of prosody, the end of a block; None: it is ordinary text.

        before: the visible text in front of it, a word at least; "" at the beginning of a paragraph.
        """
        item = Item("", start, start + len(mark.group()))
        if mark["cue"] is not None:
            return self._cue(item, mark["cue"], before)
        if mark["break"] is not None:
            given = attributes_of(mark["break"])
            item.pause_s = pause_seconds(given.get("time", ""), given.get("strength", ""))
        elif mark.group().startswith("["):
            item.pause_s = pause_seconds(mark["pause"] or "")
        elif mark["end"] is not None:
            if self._open:
                self._open.pop()
            item.prosody = self._around
        elif mark["prosody"] is not None:
            given = attributes_of(mark["prosody"])
            item.prosody, item.warning = prosody_of(given, self._around)
            if len(self._open) < 16 and not mark["prosody"].endswith("/"):
                self._open.append(item.prosody)
        else:
            item.before = BLOCK
        return item

    @property
    def _around(self) -> Prosody:
        return self._open[-1] if self._open else PLAIN

    def _cue(self, item: Item, cue: str, before: str) -> Item | None:
        """What is done for a sound that no voice makes is a choice of the policy."""
        if self._policy.sounds == "speak" or not is_cue(cue, before):
            return None
        item.skipped = True
        silence_s = silence_of(cue)
        item.pause_s = silence_s or (SOUND_PAUSE_S if self._policy.sounds == "pause" and before else 0.0)
        return item

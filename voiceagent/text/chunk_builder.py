"""Items that close together, and the text as sent that they came from, to a chunk.

Where chunks close is `voiceagent.text.chunker`; here is what belongs to one: its text, its warnings, what it says and
how.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from voiceagent.text.chunk import Chunk, Delivery
from voiceagent.text.markup.emphasis import stressed_ranges
from voiceagent.text.markup.items import Item
from voiceagent.text.markup.ssml import PLAIN
from voiceagent.text.phonemes.lexicon import Lexicon
from voiceagent.text.spoken import Saying

__all__ = ["ChunkBuilder"]

_SILENT_CHARS: Final = 4_096  # so much text that is not spoken leaves as a chunk of its own: a listing may be endless


class ChunkBuilder:
    """Keeps the text of one utterance until it has left, and makes its chunks, which follow each other without a gap.

    Args:
        lexicon: how words are to be said.
        stresses: emphasis is spoken.
    """

    def __init__(self, lexicon: Lexicon | None, *, stresses: bool) -> None:
        self.prosody = PLAIN  # of the text from here on
        self._lexicon = lexicon
        self._stresses = stresses
        self._text = ""  # as sent, from the offset `_base` on
        self._base = 0
        self._start = 0  # offset of the first character that is in no chunk yet
        self._previous: Saying | None = None  # what the last chunk said, while its sentence goes on
        self._stressed: dict[int, int] = {}  # words of each stretch of emphasis that have left, by its start
        self._marked = -1  # offset of the last character that is of anything but plain words
        self._warnings: list[tuple[int, str]] = []  # offset and text of those that wait
        self._made: list[Chunk] = []

    def add_text(self, text: str) -> None:
        """More of the utterance, as sent."""
        self._text += text

    def mark(self, item: Item) -> None:
        """An item that is anything but a plain word: its text does not say itself."""
        self._marked = max(item.end - 1, item.start)

    def warn(self, item: Item) -> None:
        """Keep the warning of an item for the chunk that it will be in."""
        self._warnings.append((item.start, item.warning))

    def close(
        self,
        items: list[Item],
        end: int,
        ahead: Sequence[Item],
        *,
        sound_s: float,
        block: bool,
        ends: bool,
        pausing: bool,
        pause_s: float,
    ) -> None:
        """Make a chunk of these items, and of the text up to the offset `end`.

        Args:
            items: what is seen of it.
            end: behind its last character.
            ahead: what is known beyond it and shapes how its end is said.
            sound_s: about how long its words will sound, in seconds.
            block: a paragraph, a heading or a list item ends here.
            ends: nothing that follows belongs to the same sentence.
            pausing: more of the sentence is to come, but is not known yet.
            pause_s: silence asked for after it, in seconds.
        """
        begin, text = self._start, self._sent(self._start, end)
        kept = items if self._marked >= begin else None
        saying = Saying(text, begin, kept, self._lexicon, self._previous, block=block, ends=ends, pausing=pausing)
        made = Chunk(
            text,
            begin,
            spoken="",
            lookahead=" ".join([item.visible for item in ahead]) if ahead else "",
            final=False,
            pause_s=pause_s,
            rate=self.prosody.rate,
            warnings=self._take_warnings(end),
            later=saying,
            sound_s=sound_s / self.prosody.rate + pause_s,
            delivery=self._delivery(items, end),
        )
        self._made.append(made)
        self._start = end
        self._previous = None if ends else saying

    def drop_silent(self, end: int) -> None:
        """Let go of text up to `end` that is not spoken, in lengths that do not depend on how it came."""
        while end - self._start >= _SILENT_CHARS:
            begin, self._start = self._start, self._start + _SILENT_CHARS
            warnings = self._take_warnings(end)
            self._made.append(Chunk(self._sent(begin, self._start), begin, "", "", False, warnings=warnings))

    def take(self) -> list[Chunk]:
        """The chunks made since the last call."""
        self._text, self._base = self._text[self._start - self._base :], self._start
        chunks, self._made = self._made, []
        return chunks

    def take_last(self) -> list[Chunk]:
        """The chunks made since the last call, with the rest of the text; the last one is final, an empty one if there
        is none.
        """
        chunks = self.take()
        warnings = self._take_warnings(len(self._text) + self._base)
        if chunks and not warnings:
            chunks[-1] = chunks[-1].ending(self._text)
        else:
            chunks.append(Chunk(self._text, self._start, "", "", True, warnings=warnings))
        return chunks

    def _sent(self, start: int, end: int) -> str:
        """The text as sent."""
        return self._text[start - self._base : end - self._base]

    def _take_warnings(self, end: int) -> tuple[str, ...]:
        """The warnings that wait from before the offset `end`, each once."""
        if not self._warnings:
            return ()
        taken = dict.fromkeys(warning for at, warning in self._warnings if at < end)
        self._warnings = [(at, warning) for at, warning in self._warnings if at >= end]
        return tuple(taken)

    def _delivery(self, items: list[Item], end: int) -> Delivery:
        """How the chunk of these items is spoken."""
        emphasised = self._stressed or any(item.stretches for item in items)
        stressed = stressed_ranges(items, end, self._stressed) if emphasised else ()
        return Delivery(self.prosody.pitch, self.prosody.volume_db, stressed, self._stresses)

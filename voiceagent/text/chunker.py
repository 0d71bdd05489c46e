"""Text as it comes to chunks that are spoken in one go.

A chunk closes at the first good place: at once where a sentence ends, at a clause once it is long enough, at a word when no
punctuation comes. Where chunks close depends on the text alone, never on how it was cut into calls; `poll` and `flush` aside.
"""

from __future__ import annotations

from voiceagent.text.boundaries import CLAUSE, NOWHERE, SENTENCE, UNSURE, boundary, breaks_well
from voiceagent.text.chunks import Chunk
from voiceagent.text.items import BLOCK, LINE, Item
from voiceagent.text.lexicon import Lexicon
from voiceagent.text.policy import ChunkLimits, SpeechPolicy
from voiceagent.text.saying import Saying, says_something
from voiceagent.text.scanner import Scanner

__all__ = ["Chunker"]

_SHORT_LINE = 50  # a line this short was broken by the writer, a longer one perhaps by a column limit
_SILENT_CHARS = 4_096  # so much text that is not spoken leaves as a chunk of its own: a listing may be endless
_ENDS = frozenset(".!?…:;,—")


class Chunker:
    """Feed it the text of one utterance in pieces of any size; take chunks. No input or output, no clock, linear time."""

    def __init__(
        self,
        policy: SpeechPolicy | None = None,
        limits: ChunkLimits | None = None,
        lexicon: Lexicon | None = None,
    ) -> None:
        self._limits = limits or ChunkLimits()
        self._lexicon = lexicon
        self._scanner = Scanner(policy or SpeechPolicy())
        self._pending: list[Item] = []
        self._visible: list[int] = []  # indices into _pending of the items that are seen
        self._words = 0  # spoken words that wait
        self._chars = 0
        self._line_chars = 0
        self._unsure = False  # whether something ends after the last word depends on the next
        self._begin(0)
        self._start = 0  # offset of the first character that is in no chunk yet
        self._silent = 0  # characters that wait while nothing of them is seen
        self._previous: Saying | None = None  # what the last chunk said, while its sentence goes on
        self._rate = 1.0
        self._marked = False  # whether anything but plain words waits
        self._ended = False
        self._out: list[Chunk] = []

    def feed(self, text: str) -> list[Chunk]:
        """Chunks that are complete. Raises ValueError after `end`."""
        if self._ended:
            raise ValueError("the utterance has ended")
        for item in self._scanner.feed(text):
            if item.visible and item.pieces is None:  # nearly all of them: words without marks
                self._take_word(item)
            else:
                self._take(item)
        return self._take_out()

    def flush(self) -> list[Chunk]:
        """Close everything that waits; the utterance goes on, and its next chunk is short again."""
        for item in self._scanner.finish():
            self._take(item)
        if self._visible:
            last = self._pending[self._visible[-1]]
            self._close(len(self._visible), block=last.after == LINE and self._line_chars < _SHORT_LINE)
        self._begin(0)
        return self._take_out()

    def end(self) -> list[Chunk]:
        """Close everything; the last chunk is final, an empty one if nothing was left to say."""
        chunks = self.flush()
        if self._ended:
            return chunks
        self._ended = True
        rest = "".join(item.raw for item in self._pending)
        warnings = tuple(dict.fromkeys(item.warning for item in self._pending if item.warning))
        self._pending.clear()
        if chunks and not warnings:
            chunks[-1] = chunks[-1].ending(rest)
        else:
            chunks.append(Chunk(rest, self._start, "", "", True, warnings=warnings))
        return chunks

    def poll(self, waited_s: float) -> list[Chunk]:
        """Close at the last word boundary what has waited `waited_s` seconds for more text, if that is too long."""
        if waited_s < self._limits.deadline_s:
            return []
        waiting = self._scanner.waiting().rstrip("\"')]}*_")
        if waiting[-1:] in _ENDS and not waiting[-2:-1].isdigit():
            return self.flush()
        if self._visible:
            self._close(len(self._visible))
            self._begin(0)
        return self._take_out()

    def _begin(self, index: int) -> None:
        """The next chunk is number `index` since speech began or paused."""
        limits = self._limits
        stage = min(index, len(limits.words) - 1)
        self._index = index
        self._enough = limits.words[stage] + limits.lookahead[stage]  # words that may close it without punctuation

    def _take_out(self) -> list[Chunk]:
        chunks, self._out = self._out, []
        return chunks

    def _take(self, item: Item) -> None:
        """Account for one item: close what it ends, keep it, close what it completes."""
        if item.before == BLOCK and self._visible:
            self._close(len(self._visible), block=True)
        if item.pause_s or item.rate:
            self._take_mark(item)
        elif not item.visible or item.visible.isspace():
            self._take_invisible(item)
        else:
            self._take_word(item)

    def _take_mark(self, item: Item) -> None:
        if item.rate:
            if self._visible:
                self._close(len(self._visible))
            self._rate = item.rate
        self._marked = True
        self._pending.append(item)
        if item.pause_s:
            self._close(len(self._visible), pause_s=item.pause_s, everything=True)

    def _take_invisible(self, item: Item) -> None:
        if item.warning or not item.raw.isspace():
            self._marked = True
        self._pending.append(item)
        if not self._visible:
            self._silent += len(item.raw)
            if self._silent >= _SILENT_CHARS:
                self._drop_silent()
            return
        last = self._pending[self._visible[-1]]
        if item.after == BLOCK:
            self._close(len(self._visible), block=True)
        elif item.after == LINE:
            last.after = max(last.after, LINE)
        last.comma = last.comma or item.comma

    def _drop_silent(self) -> None:
        """Let go of text that is not spoken, in lengths that do not depend on how it came."""
        raw = "".join([item.raw for item in self._pending])
        warnings = tuple(dict.fromkeys(item.warning for item in self._pending if item.warning))
        while len(raw) >= _SILENT_CHARS:
            text, raw = raw[:_SILENT_CHARS], raw[_SILENT_CHARS:]
            self._out.append(Chunk(text, self._start, "", "", False, warnings=warnings))
            self._start += len(text)
            warnings = ()
        self._silent = len(raw)
        self._pending = [Item(raw, self._start)] if raw else []
        self._marked = True

    def _take_word(self, item: Item) -> None:
        word, pending = item.visible, self._pending
        size = len(word)
        if self._visible:
            last = pending[self._visible[-1]]
            if self._unsure or last.after:
                self._settle(last, item)
                if last.after:
                    self._line_chars = 0
            if self._chars + size > self._limits.chars and self._visible:
                self._close(len(self._visible), lookahead=1, following=item)
            pending = self._pending
        else:
            self._line_chars = 0
        self._visible.append(len(pending))
        pending.append(item)
        size += 1
        self._chars += size
        self._line_chars += size
        self._words += 1 if word.isalpha() else _spoken_words(word)
        if item.pieces is not None or item.warning:
            self._marked = True
        self._unsure = False
        if item.after == BLOCK:
            self._close(len(self._visible), block=True)
        elif (word[-1].isalnum() or not self._ends(item, None)) and self._words >= self._enough:
            self._cut()

    def _settle(self, last: Item, item: Item) -> None:
        """Now that the next word is known: did something end after the last one?"""
        if self._unsure and self._ends(last, item.visible):
            return
        if last.after != LINE or self._line_chars >= _SHORT_LINE:
            return
        if not item.visible.lstrip("\"'(")[:1].islower():
            self._close(len(self._visible), block=True)

    def _ends(self, last: Item, following: str | None) -> bool:
        """Close after `last`, the last word that is kept, if a sentence or a long enough clause ends there."""
        kind = NOWHERE if last.marker else boundary(last.visible, following, alone=len(self._visible) == 1)
        if kind <= UNSURE:
            self._unsure = kind == UNSURE
            return False
        if kind == SENTENCE:
            if self._index == 0 or self._chars > self._limits.sentence_chars:
                self._close(len(self._visible), sentence=True)
                return True
            return False
        stage = min(self._index, len(self._limits.clause_words) - 1)
        if kind == CLAUSE and self._words >= self._limits.clause_words[stage]:
            self._close(len(self._visible))
            return True
        return False

    def _cut(self) -> None:
        """Close at a word when enough words have come and the look-ahead is there."""
        limits = self._limits
        stage = min(self._index, len(limits.words) - 1)
        most, ahead = limits.words[stage], limits.lookahead[stage]
        if len(self._visible) <= ahead:
            return
        words = [self._pending[index].visible for index in self._visible]
        last = len(words) - ahead
        if breaks_well(words[last - 1], words[last]):
            self._close(last, lookahead=ahead)
        elif self._words >= most + ahead + limits.slack:
            good = (n for n in range(last - 1, 1, -1) if breaks_well(words[n - 1], words[n]))
            self._close(next(good, last), lookahead=ahead)

    def _close(
        self,
        count: int,
        *,
        lookahead: int = 0,
        following: Item | None = None,
        block: bool = False,
        sentence: bool = False,
        pause_s: float = 0.0,
        everything: bool = False,
    ) -> None:
        """Make a chunk of the first `count` visible items, and of all that is pending if `everything`."""
        items = self._pending
        size = len(items) if everything else self._visible[count - 1] + 1
        rest: list[Item] = []
        if size < len(items):
            items, rest = items[:size], items[size:]
        ahead = [self._pending[index].visible for index in self._visible[count : count + lookahead]]
        if following is not None:
            ahead.append(following.visible)
        text = "".join([item.raw for item in items])
        ends = sentence or block
        kept = items if self._marked else None
        saying = Saying(text, self._start, kept, self._lexicon, self._previous, block=block, ends=ends)
        warnings = tuple(dict.fromkeys([item.warning for item in items if item.warning])) if self._marked else ()
        self._out.append(
            Chunk(
                text, self._start, "", " ".join(ahead), False, pause_s, rate=self._rate, warnings=warnings, later=saying
            )
        )
        self._start += len(text)
        self._previous = None if ends else saying
        if says_something(items):
            self._begin(self._index + 1)
        self._pending = rest
        self._marked = bool(rest) and not _is_plain(rest)
        if count == len(self._visible):
            self._visible = []
            self._words = self._chars = 0
            self._silent = sum([len(item.raw) for item in rest])
            return
        self._visible = [index - size for index in self._visible[count:]]
        self._words = sum(_spoken_words(rest[index].visible) for index in self._visible)
        self._chars = sum(len(rest[index].visible) + 1 for index in self._visible)


def _is_plain(items: list[Item]) -> bool:
    """Whether what is seen of the items is their raw text, white space aside."""
    return all(item.pieces is None and not item.warning if item.visible else item.raw.isspace() for item in items)


def _spoken_words(visible: str) -> int:
    """About how many words this is when spoken: figures and addresses are several."""
    if visible.isalpha() or visible[:-1].isalpha():
        return 1
    spaces = visible.count(" ")
    if len(visible) > 16 and not spaces:
        return len(visible) // 6
    return spaces + 1 + sum(character.isdigit() for character in visible) // 3

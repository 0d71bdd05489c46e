"""Text as it comes to chunks that are spoken in one go.

A chunk closes at the first good place: at once where a sentence ends, at a clause once it is long enough, at a word
when no punctuation comes. Where chunks close depends on the text alone, never on how it was cut into calls; `poll` and
`flush` aside.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from voiceagent.text.boundaries import CLAUSE, NOWHERE, SENTENCE, UNSURE, boundary
from voiceagent.text.chunk import Chunk
from voiceagent.text.chunk_builder import ChunkBuilder
from voiceagent.text.limits import ChunkLimits, SpeechPolicy
from voiceagent.text.markup.items import BLOCK, LINE, Item
from voiceagent.text.markup.scanner import Scanner
from voiceagent.text.phonemes.lexicon import Lexicon
from voiceagent.text.phrases import ASIDE, GOOD, NEVER, break_between, inside_brackets
from voiceagent.text.sound_length import sound_length_s
from voiceagent.text.spoken import says_something

__all__ = ["Chunker"]

_SHORT_LINE = 50  # a line this short was broken by the writer, a longer one perhaps by a column limit
_ENDS = frozenset(".!?…:;,—")


class Chunker:
    """Feed it the text of one utterance in pieces of any size; take chunks. No input or output, no clock, linear
    time.
    """

    def __init__(
        self,
        policy: SpeechPolicy | None = None,
        limits: ChunkLimits | None = None,
        lexicon: Lexicon | None = None,
    ) -> None:
        self._limits = limits or ChunkLimits()
        policy = policy or SpeechPolicy()
        self._scanner = Scanner(policy)
        self._builder = ChunkBuilder(lexicon, stresses=policy.emphasis == "stress")
        self._seen: list[Item] = []  # items that wait and are seen
        self._words = 0  # spoken words that wait
        self._chars = 0
        self._sound_s = 0.0
        self._line_chars = 0
        self._unsure = False  # whether something ends after the last word depends on the next
        self._begin(0)
        self._ended = False

    def feed(self, text: str) -> list[Chunk]:
        """Chunks that are complete. Raises ValueError after `end`."""
        if self._ended:
            raise ValueError("the utterance has ended")
        self._builder.add_text(text)
        for item in self._scanner.scan(text):
            if item.visible and item.pieces is None:  # nearly all of them: words without marks
                self._take_word(item)
            else:
                self._take(item)
        return self._builder.take()

    def flush(self) -> list[Chunk]:
        """Close everything that waits; the utterance goes on, and its next chunk is short again."""
        self._close_waiting()
        return self._builder.take()

    def end(self) -> list[Chunk]:
        """Close everything; the last chunk is final, an empty one if nothing was left to say."""
        self._close_waiting()
        if self._ended:
            return self._builder.take()
        self._ended = True
        return self._builder.take_last()

    def poll(self, waited_s: float) -> list[Chunk]:
        """Close at the last word boundary what has waited `waited_s` seconds for more text, if that is too long."""
        if waited_s < self._limits.deadline_s:
            return []
        if self._ends_waiting():
            return self.flush()
        if self._seen:
            self._close()
            self._begin(0)
        return self._builder.take()

    @property
    def waiting_s(self) -> float:
        """About how long the whole words that wait will sound."""
        return self._sound_s

    @property
    def waiting_words(self) -> int:
        """Whole words that wait, as written."""
        return len(self._seen)

    def cut(self, *, stalled: bool = False, least_s: float = 0.0) -> list[Chunk]:
        """Close before its time what is known, if it will sound for at least `least_s` seconds: the listener waits, or
        is about to.

        Where more is coming, all whole words but the last are closed, at a good place if there is one nearby. Where the
        text has `stalled`, they are closed at the last good place, as if before a comma, and what stands behind it
        waits: what is heard is a pause.
        """
        if self._ends_waiting():
            return self.flush()
        seen, last = self._seen, len(self._seen) - 1
        first = next(
            (n for n, s in enumerate(accumulate(sound_length_s(item.visible) for item in seen), 1) if s >= least_s),
            last + 1,
        )
        count, how_good = self._best_place(range(last, first - 1, -1))
        if how_good < GOOD and (stalled or least_s):
            count = 0  # nobody would hear nothing: a good place can be waited for
        if count:
            self._close(count, lookahead=2, pausing=stalled)
        return self._builder.take()

    def _best_place(self, places: Iterable[int]) -> tuple[int, int]:
        """The first of the best places to end a chunk, as a number of words that wait, and how good it is; 0: there is
        none.
        """
        seen, best, how_good = self._seen, 0, NEVER
        for count in places:
            good = break_between(seen[count - 1].visible, seen[count].visible)
            if good == GOOD and inside_brackets([item.visible for item in seen[:count]]):
                good = ASIDE
            if good > how_good:
                best, how_good = count, good
            if how_good == GOOD:
                break
        return best, how_good

    def _ends_waiting(self) -> bool:
        """Whether the text that is not certain yet looks like the end of a sentence or a clause."""
        waiting = self._scanner.waiting().rstrip("\"')]}*_")
        return waiting[-1:] in _ENDS and not waiting[-2:-1].isdigit()

    def _begin(self, index: int) -> None:
        """The next chunk is number `index` since speech began or paused."""
        limits = self._limits
        stage = min(index, len(limits.words) - 1)
        self._index = index
        self._enough = limits.words[stage] + limits.lookahead[stage]  # words that may close it without punctuation

    def _close_waiting(self) -> None:
        for item in self._scanner.finish():
            self._take(item)
        if self._seen:
            self._close(block=self._seen[-1].after == LINE and self._line_chars < _SHORT_LINE)
        self._begin(0)

    def _take(self, item: Item) -> None:
        """Account for one item: close what it ends, keep it, close what it completes."""
        if item.before == BLOCK and self._seen:
            self._close(block=True)
        if item.warning:
            self._builder.warn(item)
        if item.visible and not item.visible.isspace():
            if item.pieces is not None or item.warning:
                self._builder.mark(item)
            self._take_word(item)
        elif item.prosody is not None:
            if self._seen and item.prosody != self._builder.prosody:
                self._close()
            self._builder.prosody = item.prosody
            self._builder.mark(item)
        elif item.pause_s:
            self._builder.mark(item)
            self._close(end=item.end, pause_s=item.pause_s)
        else:
            self._take_invisible(item)

    def _take_invisible(self, item: Item) -> None:
        if not item.blank:
            self._builder.mark(item)
        if not self._seen:
            self._builder.drop_silent(item.end)
            return
        last = self._seen[-1]
        if item.after == BLOCK:
            self._close(block=True)
        elif item.after == LINE:
            last.after = max(last.after, LINE)
        last.comma = last.comma or item.comma

    def _take_word(self, item: Item) -> None:
        word, seen = item.visible, self._seen
        size = len(word)
        if not seen:
            self._line_chars = 0
        else:
            if self._unsure or seen[-1].after:
                last = seen[-1]
                self._settle(last, item)
                if last.after:
                    self._line_chars = 0
            if self._chars + size > self._limits.chars and self._seen:
                self._close(lookahead=1, following=item)
            seen = self._seen
        seen.append(item)
        size += 1
        self._chars += size
        self._sound_s += sound_length_s(word)
        self._line_chars += size
        self._words += 1 if word.isalpha() else _spoken_words(word)
        self._unsure = False
        if item.after == BLOCK:
            self._close(block=True)
        elif (word[-1].isalnum() or not self._ends(item, None)) and self._words >= self._enough:
            self._cut()

    def _settle(self, last: Item, item: Item) -> None:
        """Now that the next word is known: did something end after the last one?"""
        if self._unsure and self._ends(last, item.visible):
            return
        if last.after != LINE or self._line_chars >= _SHORT_LINE:
            return
        if not item.visible.lstrip("\"'(")[:1].islower():
            self._close(block=True)

    def _ends(self, last: Item, following: str | None) -> bool:
        """Close after `last`, the last word that is kept, if a sentence or a long enough clause ends there."""
        kind = NOWHERE if last.marker else boundary(last.visible, following, alone=len(self._seen) == 1)
        if kind <= UNSURE:
            self._unsure = kind == UNSURE
            return False
        if kind == SENTENCE:
            if self._words and (self._index == 0 or self._chars > self._limits.sentence_chars):
                self._close(sentence=True)
                return True
            return False
        stage = min(self._index, len(self._limits.clause_words) - 1)
        if kind == CLAUSE and self._words >= self._limits.clause_words[stage]:
            self._close()
            return True
        return False

    def _cut(self) -> None:
        """Close at a word when enough words have come and the look-ahead is there."""
        limits, seen = self._limits, self._seen
        stage = min(self._index, len(limits.words) - 1)
        most, ahead = limits.words[stage], limits.lookahead[stage]
        last = len(seen) - ahead
        if last <= 0:
            return
        if self._best_place((last,))[1] == GOOD:
            self._close(last, lookahead=ahead)
            return
        beyond = self._words - most - ahead
        if beyond >= limits.slack * (4 if _has_figure(seen[-ahead - 4 :]) else 1):
            count, how_good = self._best_place(range(last - 1, 1, -1))
            if how_good >= ASIDE or (count and beyond >= 2 * limits.slack):
                self._close(count, lookahead=ahead)
            elif beyond >= 4 * limits.slack:
                self._close(last, lookahead=ahead)

    def _close(
        self,
        count: int | None = None,
        *,
        end: int = 0,
        lookahead: int = 0,
        following: Item | None = None,
        block: bool = False,
        sentence: bool = False,
        pause_s: float = 0.0,
        pausing: bool = False,
    ) -> None:
        """Make a chunk of the first `count` items that wait (None: all), and of the text up to `end` if that is
        given.
        """
        seen = self._seen
        items, rest = (seen, []) if count is None or count == len(seen) else (seen[:count], seen[count:])
        ahead = rest[:lookahead] if following is None else [following]
        left_s = sum([sound_length_s(item.visible) for item in rest]) if rest else 0.0
        self._builder.close(
            items,
            end or items[-1].end,
            ahead,
            sound_s=max(0.0, self._sound_s - left_s),
            block=block,
            ends=sentence or block,
            pausing=pausing,
            pause_s=pause_s,
        )
        left = sum([_spoken_words(item.visible) for item in rest]) if rest else 0
        if self._words > left:
            self._begin(self._index + 1)
        self._seen, self._words, self._sound_s = rest, left, left_s
        self._chars = sum([len(item.visible) + 1 for item in rest]) if rest else 0


def _has_figure(items: list[Item]) -> bool:
    """Whether there are figures: what stands around them is a number, an address or a date, which must not be cut in
    two.
    """
    return any(character.isdigit() for item in items for character in item.visible)


def _spoken_words(visible: str) -> int:
    """About how many words this is when spoken: figures and addresses are several."""
    if visible.isalpha() or visible[:-1].isalpha():
        return 1
    if not says_something(visible):
        return 0
    spaces = visible.count(" ")
    if len(visible) > 16 and not spaces:
        return len(visible) // 6
    return spaces + 1 + sum(map(str.isdigit, visible)) // 3

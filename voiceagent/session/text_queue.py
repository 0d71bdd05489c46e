"""The text of one utterance on its way to the engine: taken at once, cut into chunks piece by piece.

Without I/O and without a clock. A long text is cut in pieces, so that no call holds up those who share the event loop;
what comes meanwhile (text, a flush, the end) keeps its place behind it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from voiceagent.protocol.text_pieces import pieces
from voiceagent.session.interface import Chunker

if TYPE_CHECKING:
    from voiceagent.protocol.commands import Start
    from voiceagent.text.chunk import Chunk


class TextQueue:
    """Text in, chunks out.

    Args:
        start: says what buffering is wanted.
        warn: is told what a chunk has left out, and why.
    """

    def __init__(self, chunker: Chunker, start: Start, warn: Callable[[str], None]) -> None:
        self.chars = 0
        """Characters taken."""
        self.chunks: deque[Chunk] = deque()
        """Chunks that the engine has not been given yet."""
        self.flushes: deque[int] = deque()
        """For each flush that is not answered the number of chunks before it."""
        self.waiting_since: float | None = None
        """Since when text waits for the rest of its sentence."""
        self._chunker = chunker
        self._start = start
        self._warn = warn
        self._steps: deque[Callable[[float], None]] = deque()  # what is to be done with text that came, in order
        self._parts: list[str] = []
        self._cut_chars = 0
        self._closed_chars = 0
        self._handed_chars = 0
        self._chunks_made = 0
        self._chunks_handed = 0
        self._chunks_asked_for = 0

    @property
    def asked_for(self) -> bool:
        """The next chunk has been flushed, or the text is over: it waits for nothing."""
        return self._chunks_handed < self._chunks_asked_for

    @property
    def known_s(self) -> float:
        """About how long what the engine has not been given will sound, as far as whole words have come."""
        return sum(chunk.sound_s for chunk in self.chunks) + self._chunker.waiting_s

    @property
    def text(self) -> str:
        """All that was taken."""
        return "".join(self._parts)

    @property
    def buffered_chars(self) -> int:
        """Characters taken that the engine has not been given yet."""
        return self.chars - self._handed_chars

    @property
    def busy(self) -> bool:
        """`work` has something to do."""
        return bool(self._steps)

    def push(self, text: str, now: float) -> None:
        """Takes more text, a character at least."""
        self._parts.append(text)
        self.chars += len(text)
        *before, last = pieces(text)
        self._obey(now, *(partial(self._cut, piece, False) for piece in before), partial(self._cut, last, True))

    def flush(self, now: float) -> None:
        """Closes what waits."""
        self._obey(now, self._flush)

    def end(self, now: float) -> None:
        """Closes what waits; no text may follow."""
        self._obey(now, self._end)

    def work(self, now: float) -> None:
        """Does one piece of what is left to do."""
        if self._steps:
            self._steps.popleft()(now)

    def cut(self, now: float, *, stalled: bool = False, least_s: float = 0.0) -> bool:
        """Closes what can be said already, although more of its sentence may come; whether there was any."""
        return self._close(self._chunker.cut(stalled=stalled, least_s=least_s), now)

    def close_late(self, now: float) -> bool:
        """Closes all whole words, whatever follows; whether there were any."""
        return self._close(self._chunker.poll(float("inf")), now)

    def next_chunk(self) -> Chunk:
        """The next of the chunks, for the engine."""
        chunk = self.chunks.popleft()
        self._chunks_handed += 1
        self._handed_chars = max(self._handed_chars, chunk.start + len(chunk.text))
        return chunk

    def drop(self) -> None:
        """Forgets what has not been cut or not been handed over."""
        self._steps.clear()
        self.chunks.clear()

    def _obey(self, now: float, *steps: Callable[[float], None]) -> None:
        idle = not self._steps
        self._steps.extend(steps)
        if idle:
            self.work(now)

    def _cut(self, piece: str, whole: bool, now: float) -> None:
        if self.waiting_since is None:
            self.waiting_since = now
        self._cut_chars += len(piece)
        self._close(self._chunker.feed(piece), now)
        if whole and self._start.buffering == "none":  # where a text ends may be spoken, not where it was cut
            self._close(self._chunker.flush(), now)
            self._chunks_asked_for = self._chunks_made

    def _flush(self, now: float) -> None:
        self._close(self._chunker.flush(), now)
        self.waiting_since = None
        self._chunks_asked_for = self._chunks_made
        self.flushes.append(self._chunks_made)

    def _end(self, now: float) -> None:
        self._close(self._chunker.end(), now)
        self._chunks_asked_for = self._chunks_made
        self.waiting_since = None

    def _close(self, chunks: list[Chunk], now: float) -> bool:
        if not chunks:
            return False
        for chunk in chunks:
            for warning in chunk.warnings:
                self._warn(warning)
        self.chunks.extend(chunks)
        self._chunks_made += len(chunks)
        self._closed_chars = max(self._closed_chars, chunks[-1].start + len(chunks[-1].text))
        self.waiting_since = now if self._closed_chars < self._cut_chars else None
        return True

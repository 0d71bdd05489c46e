"""When the text of an utterance goes to the engine: what is closed goes once speech may start, what waits is closed in
time.

Without I/O and without a clock. It knows text and how much of the speech is still to be heard, not samples or events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from voiceagent.session.buffering import Lead
from voiceagent.session.text_queue import TextQueue

if TYPE_CHECKING:
    from voiceagent.text.chunk import Chunk

MOST_TRIES = 2
LAST_HOLD = 3.0  # times as long words wait that lead on to others, as "to the": they say nothing by themselves


class Release:
    """Decides what the engine is given.

    Args:
        queue: the text.
        lead: how far speech is ahead of its listener.
        max_buffer_s: how long text may wait by its client's own word.
        crowded_chars: where more characters wait, speech starts whatever else it waits for.
    """

    def __init__(self, queue: TextQueue, lead: Lead, *, max_buffer_s: float | None, crowded_chars: int) -> None:
        self._queue = queue
        self._lead = lead
        self._max_buffer_s = max_buffer_s
        self._crowded_chars = crowded_chars
        self._going = False  # chunks go as they are closed
        self._since: float | None = None  # since when something waits
        self._tries = 0  # how often it was tried to close what waits, and something is left or text has stalled
        self._tried_at = 0.0  # when, the last time; nothing has come since
        self._told_at = 0.0

    @property
    def ready(self) -> bool:
        """A chunk may go."""
        return bool(self._queue.chunks) and (self._going or self._queue.asked_for)

    def came(self, chars: int, now: float) -> None:
        """Notes that text came."""
        self._lead.pace.came(chars, now)
        self._tries = 0
        if self._since is None:
            self._since = now

    def next_chunk(self, *, idle: bool) -> Chunk:
        """The next chunk, for an engine that may have nothing to do."""
        chunk = self._queue.next_chunk()
        self._since = self._told_at if self._queue.buffered_chars else None
        self._lead.handed(chunk.sound_s, self._told_at, idle=idle)
        return chunk

    def decide(self, now: float, played_s: float, *, sounds: bool) -> None:
        """Starts speech where there is reason to, and closes text that must not wait any longer.

        Args:
            played_s: seconds that the listener has heard.
            sounds: the listener has something to hear, or the engine something to say.
        """
        self._told_at = now
        queue, lead = self._queue, self._lead
        if not sounds:
            self._going = lead.suffices(queue.known_s, now) or queue.buffered_chars > self._crowded_chars
            if self._going and lead.buffering.cuts and not queue.chunks and not queue.busy:
                self._going = queue.cut(now, least_s=lead.first_s(now))
        if self.due_in_s(now, played_s, sounds=sounds) == 0.0:
            self._hurry(now)

    def due_in_s(self, now: float, played_s: float, *, sounds: bool) -> float | None:
        """Seconds until text that waits is closed although its sentence is not known; None: not by time alone."""
        if self._since is None or self._queue.busy or not self._lead.buffering.cuts:
            return None
        if self._going and self._queue.chunks:
            return None  # the engine has enough to do, and its next output wakes us
        buffering = self._lead.buffering
        cut_in_s = self._lead.cut_in_s(played_s) if sounds else 0.0
        if self._max_buffer_s is not None:
            return max(cut_in_s, self._since + self._max_buffer_s - now)
        if self._tries:
            hold_s = buffering.hold_s if self._tries == 1 else LAST_HOLD * buffering.hold_s
            return max(cut_in_s, self._tried_at + hold_s - now)
        if sounds:
            return cut_in_s
        last = self._since if self._lead.pace.last_at is None else self._lead.pace.last_at
        return max(0.0, min(last + buffering.stall_s, self._since + 3 * buffering.stall_s) - now)

    def _hurry(self, now: float) -> None:
        """Closes what must not wait for its sentence any longer.

        At first what can be said by itself; the next time as much as ends between phrases; in the end everything.
        """
        if self._max_buffer_s is not None or self._tries >= MOST_TRIES:
            self._queue.close_late(now)
            self._going, self._since = True, None
            return
        stalled = not self._tries and self._lead.stalled(now)
        closed = bool(self._queue.chunks) or self._queue.cut(now, stalled=stalled)
        self._going = self._going or closed
        if self._tries or stalled or not closed:
            self._tries += 1
            self._tried_at = now

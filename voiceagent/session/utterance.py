"""One turn of speech: text goes in, chunks come out for the engine; samples go in, frames come out for the client.

Without I/O and without a clock: the session that owns it says what time it is. It does not know the
engine, other utterances, or how a frame looks on the wire.
"""

from __future__ import annotations

import logging
import uuid
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.errors import NoCapacity, TextBufferFull
from voiceagent.protocol import commands, events, outputs
from voiceagent.session.buffering import BUFFERINGS, Latency, Lead
from voiceagent.session.framing import Framer
from voiceagent.session.interface import Chunker
from voiceagent.session.pacing import Pacer
from voiceagent.session.release import Release
from voiceagent.session.text_queue import TextQueue
from voiceagent.session.waiting_line import WaitingLine
from voiceagent.session.word_times import heard_chars
from voiceagent.settings.serve import Limits

if TYPE_CHECKING:
    from voiceagent.text.chunk import Chunk


# Flushes whose answers may be due at once: a full text buffer has about as many words.
FLUSHES_MAX = 4_096

log = logging.getLogger(__name__)


class Utterance:
    """State of one utterance.

    Args:
        start: the command that opened it.
        stream: its number on this connection.
        paced: hold frames back to `start.max_ahead_ms`; otherwise they leave as fast as they are taken.
        latency: of the engine, shared with other utterances.
    """

    def __init__(
        self,
        start: commands.Start,
        stream: int,
        chunker: Chunker,
        limits: Limits,
        *,
        paced: bool,
        latency: Latency | None = None,
    ) -> None:
        self.id = start.id
        self.start = start
        self.stream = stream
        self._framer = Framer(start, stream, limits.frame_ms)
        self.finished = False
        """The engine is done with it; frames may still wait to be taken."""
        self.ended = False
        """No more text will come."""
        self._limits = limits
        self._queue = TextQueue(chunker, start, lambda warning: self._warn("text", warning))
        self._pacer = Pacer(start.max_ahead_ms / 1000 if paced else None)
        self._lead = Lead(BUFFERINGS[start.buffering or limits.buffering], latency or Latency(), start.speed)
        self._release = Release(
            self._queue,
            self._lead,
            max_buffer_s=None if start.max_buffer_ms is None else start.max_buffer_ms / 1000,
            crowded_chars=limits.max_text_buffer // 2,
        )
        self._samples_noted = 0
        self._unheard_at: float | None = None  # since when there is sound to send while the listener hears nothing
        self._first_text_at: float | None = None
        self._chunks_handed = 0
        self._chunks_done = 0
        self._line = WaitingLine(limits.max_text_buffer)
        self._flushes_due = 0  # taken, and their answers not taken yet
        self._outbox: deque[events.Event] = deque()
        self._samples_taken = 0
        self._ttfa_ms: int | None = None

    # Text in.

    @property
    def received(self) -> events.Received:
        """What of it has arrived here."""
        return events.Received(self.id, self._queue.chars + self._line.chars, self.ended)

    def has_room(self, chars: int) -> bool:
        """Whether it can take this many characters more."""
        return not self._line and self._fits(chars)

    def _fits(self, chars: int) -> bool:
        return self._queue.buffered_chars + chars <= self._limits.max_text_buffer

    def add_text(self, text: str, now: float, wait_s: float = 0.0) -> None:
        """Takes more text, or lets it stand in line until there is room.

        Args:
            text: as sent.
            now: the time.
            wait_s: how long it may stand in line; `admit` says so when that was too long.

        Raises:
            TextBufferFull: there is no room for it, in line neither.
        """
        if not text:
            return
        if self.has_room(len(text)):
            self._push(text, now)
        elif wait_s > 0:
            self._line.add_text(commands.Text(self.id, text), now + wait_s)
        else:
            raise TextBufferFull.of(self._limits.max_text_buffer, len(text))

    def _push(self, text: str, now: float) -> None:
        if self._first_text_at is None:
            self._first_text_at = now
        self._release.came(len(text), now)
        self._queue.push(text, now)
        self._decide(now)

    def admit(self, now: float) -> list[TextBufferFull]:
        """Takes what stands in line and has room now; says what has stood there too long and is not taken."""
        refused = []
        for command in self._line.leave(now, self._fits):
            match command:
                case commands.Text(text=text):
                    self._push(text, now)
                case commands.Flush():
                    self._flush(now)
                case commands.End():
                    self._queue.end(now)
                case TextBufferFull():
                    refused.append(command)
        return refused

    def flush(self, now: float) -> None:
        """Closes what waits and promises a `Flushed` when all of it has been spoken.

        Raises:
            NoCapacity: too many promises have not been kept yet.
        """
        if self._flushes_due >= FLUSHES_MAX:
            raise NoCapacity(f"{FLUSHES_MAX} flushes are not answered yet; this one was not taken")
        self._flushes_due += 1
        if self._line:
            self._line.add(commands.Flush(self.id))
        else:
            self._flush(now)

    def _flush(self, now: float) -> None:
        self._queue.flush(now)
        self._answer_flushes()

    def end(self, now: float) -> None:
        """Closes what waits; no text may follow."""
        self.ended = True
        if self._line:
            self._line.add(commands.End(self.id))
        else:
            self._queue.end(now)

    def work(self, now: float) -> None:
        """Cuts one piece of a long text that is left to be cut, or text that has waited too long."""
        if self._queue.busy:
            self._queue.work(now)
            self._answer_flushes()
        self._decide(now)

    def _decide(self, now: float) -> None:
        """Lets text go to the engine where it is time."""
        if self._framer.samples_made > self._samples_noted and self._unheard_at is None:
            self._unheard_at = now
        self._lead.made((self._framer.samples_made - self._samples_noted) / SAMPLE_RATE_HZ, now)
        self._samples_noted = self._framer.samples_made
        self._release.decide(now, self._pacer.played_s(now), sounds=self._sounds(now))

    def _sounds(self, now: float) -> bool:
        """The listener has something to hear, or the engine something to say."""
        return self._chunks_handed > self._chunks_done or self._pacer.is_playing(now) or bool(self._outbox)

    @property
    def awaits_engine(self) -> bool:
        """The engine has something of it to say."""
        return self._chunks_handed > self._chunks_done and not self.finished

    def next_chunk(self) -> Chunk | None:
        """The next chunk for the engine, or None: nothing waits, or it has enough to do."""
        under_way = self._chunks_handed - self._chunks_done
        if not self._release.ready or under_way >= self._limits.chunks_ahead:
            return None
        backlog_samples = self._framer.samples_made - self._samples_taken
        if backlog_samples * 1000 > self._limits.backlog_ms * SAMPLE_RATE_HZ:
            return None
        self._chunks_handed += 1
        return self._release.next_chunk(idle=not under_way)

    # Speech in.

    def receive(self, output: outputs.Output) -> None:
        """Takes an output of the engine."""
        if self.finished:
            return
        if isinstance(output, outputs.Speech):
            self._outbox.extend(self._framer.add(output))
            if output.chunk_done:
                self._chunks_done += 1
                if self._chunks_done == self._chunks_handed:
                    self._lead.idle()
                self._answer_flushes()
        elif isinstance(output, outputs.Notice):
            self._warn(output.code, output.message)
        else:
            self._finish(output)

    def _answer_flushes(self, *, all_of_them: bool = False) -> None:
        flushes = self._queue.flushes
        while flushes and (all_of_them or flushes[0] <= self._chunks_done):
            flushes.popleft()
            self._outbox.append(events.Flushed(self.id, self._framer.last_seq))

    def _warn(self, code: str, message: str) -> None:
        self._outbox.append(events.Warning_(self.id, code, message))

    def _finish(self, output: outputs.Finished) -> None:
        self.finished = True
        self._line.clear()
        if output.error is not None or output.cancelled:
            self._queue.drop()
            self._outbox.append(events.Error(self.id, "synthesis_failed", self._reason(output), retryable=True))
            return
        self._answer_flushes(all_of_them=True)
        if not self._framer.samples_made:
            self._warn("nothing_to_say", "nothing in this text can be spoken")
        self._outbox.append(self._framer.last_frame())
        audio_ms = self._framer.samples_made * 1000 // SAMPLE_RATE_HZ
        self._outbox.append(events.Done(self.id, audio_ms, self._queue.chars, None, self._framer.last_seq))

    def _reason(self, output: outputs.Finished) -> str:
        """Why it failed, as a client may know it; the log has the rest under the same request."""
        reason = output.error or "the engine stopped"
        request = uuid.uuid4().hex[:12]
        log.error("request %s: utterance %r failed: %s", request, self.id, reason)
        return f"the speech could not be made; the log has request {request}" if output.internal else reason

    # Events out.

    @property
    def drained(self) -> bool:
        """Nothing more will come of it."""
        return self.finished and not self._outbox

    def take(self, now: float) -> events.Event | None:
        """The next event, or None: there is none, or sending is far enough ahead of playing."""
        if not self._outbox:
            return None
        event = self._outbox[0]
        if isinstance(event, events.Audio | events.Words) and self._send_in_s(now) > 0:
            return None
        self._outbox.popleft()
        if isinstance(event, events.Audio):
            self._unheard_at = None
            self._samples_taken += len(event.samples)
            self._pacer.sent(len(event.samples) / SAMPLE_RATE_HZ, now)
            if self._ttfa_ms is None and self._first_text_at is not None and len(event.samples):
                self._ttfa_ms = round((now - self._first_text_at) * 1000)
        elif isinstance(event, events.Flushed):
            self._flushes_due -= 1
        elif isinstance(event, events.Done):
            return replace(event, ttfa_ms=self._ttfa_ms)
        return event

    def wait_s(self, now: float) -> float | None:
        """Seconds until time alone brings something; None is never."""
        if self._queue.busy:
            return 0.0
        waits = []
        if self._line:
            waits.append(self._line.due_in_s(now))
        if not ((self.ended and not self._line) or self.finished):
            due_in_s = self._release.due_in_s(now, self._pacer.played_s(now), sounds=self._sounds(now))
            if due_in_s is not None:
                waits.append(due_in_s)
        if self._outbox:
            waits.append(self._send_in_s(now))
        return min(waits, default=None)

    def _send_in_s(self, now: float) -> float:
        """Seconds until sound may leave: sending is far enough ahead of playing, or the engine must get ahead first."""
        wait_s = self._pacer.wait_s(now)
        if self.finished or self._unheard_at is None or self._pacer.is_playing(now):
            return wait_s
        return max(wait_s, self._lead.hold_back_s(self._pacer.played_s(now), self._unheard_at, now))

    def is_playing(self, now: float) -> bool:
        """Whether the listener still has some of it to hear."""
        return self._pacer.is_playing(now)

    def acknowledge(self, played_ms: int) -> None:
        """Notes how much the listener says it has heard."""
        self._pacer.acknowledge(max(0, played_ms) / 1000)

    def cancel(self, now: float, played_ms: int | None) -> events.Cancelled:
        """Drops everything and says what was heard."""
        self.finished = True
        self._line.clear()
        self._queue.drop()
        self._outbox.clear()
        if played_ms is not None:
            self.acknowledge(played_ms)
        heard_s = self._pacer.heard_s(now)
        text = self._queue.text
        cut = heard_chars(text, self._framer.words, heard_s)
        return events.Cancelled(
            self.id,
            sent_ms=round(self._pacer.sent_s * 1000),
            played_ms=round(heard_s * 1000),
            text_spoken=text[:cut],
            text_remaining=text[cut:],
        )

"""One utterance as a client of the native protocol sees it: text out, frames in.

Knows the messages of its utterance; `voiceagent.client` has the connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from voiceagent.client.frame import Frame
from voiceagent.client.outbox import Outbox
from voiceagent.errors import (
    InputError,
    NoCapacity,
    ProtocolError,
    VoiceAgentError,
)
from voiceagent.protocol import commands, events, outputs, wire
from voiceagent.protocol.text_pieces import pieces
from voiceagent.protocol.writing import exception_of
from voiceagent.settings.serve import Limits

# Frames that may wait to be iterated over, some five minutes; then the connection is read no further.
UNREAD_FRAMES = 4_096
# Text that is not spoken, as a long listing, never comes back as words: after this much silence it counts as done with.
IDLE_S = 2.0


class Line(Protocol):
    """What an utterance needs of the connection."""

    async def send(self, outbox: Outbox) -> None:
        """Sends what waits in an outbox; over a line that is down, when it is up again.

        Raises:
            ConnectionFailed: the connection is gone for good.
        """
        ...


class Utterance:
    """One turn of speech; `Client.utterance` opens it.

    Send, flush, end and cancel from any task; one task iterates over the frames, meanwhile or later.
    """

    def __init__(self, line: Line, start: commands.Start, ready: events.Ready) -> None:
        self.id = start.id
        self.warnings: list[str] = []
        """What was worth knowing; speech went on."""
        self.done: events.Done | None = None
        """The figures of the utterance, once it is complete."""
        self.outbox = Outbox(start)
        """What is still to be sent; the connection takes from it."""
        self._line = line
        self._start = start
        self._voices = ready.voices
        self._max_text_buffer = ready.limits.get("max_text_buffer", Limits().max_text_buffer)
        self._format = start.format
        self._frames: deque[Frame] = deque()
        self._words: tuple[outputs.WordTime, ...] = ()
        self._next_seq = 0
        self._at_frame = (0, 0)
        self._spoken_chars = 0
        self._started = False
        self._flushes = 0
        self._flushed = 0
        self._iterated = False
        self._cancelling = False
        self._cancelled: events.Cancelled | None = None
        self._error: VoiceAgentError | None = None
        self._changed = asyncio.Event()

    @property
    def over(self) -> bool:
        """Nothing more comes from the server."""
        return self.settled or self._error is not None

    @property
    def settled(self) -> bool:
        """The server has said its last word about it; one that failed here may still be open there."""
        return self.done is not None or self._cancelled is not None

    # Text out.

    async def send(self, text: str) -> None:
        """Adds text; waits while as much as the server keeps waits to be spoken.

        Raises:
            InputError: the utterance has been ended.
            NoCapacity: nobody iterates, so that waiting would never end.
            VoiceAgentError: what ended the utterance early.
        """
        for piece in pieces(text, self._max_text_buffer):
            self._check_writable()
            await self._wait_for_room(len(piece))
            self._check_writable()
            self.outbox.write(piece)
            await self._line.send(self.outbox)

    async def flush(self, *, wait: bool = False) -> None:
        """Speaks what waits for the rest of its sentence; the utterance stays open.

        Args:
            wait: return when all of it has arrived, which takes about as long as it takes to speak.
        """
        self._check_writable()
        self._flushes += 1
        mine = self._flushes
        self.outbox.flush()
        await self._line.send(self.outbox)
        while wait and self._flushed < mine and not self.over:
            await self._next_change()
        if self._error is not None:
            raise self._error

    async def end(self) -> None:
        """No more text: the iteration ends after the last frame."""
        self._check_writable()
        self.outbox.end()
        await self._line.send(self.outbox)

    async def played(self, played_s: float, *, underruns: int = 0) -> None:
        """Tells how much of the utterance the listener has heard; where nobody tells, the server's clock does.

        Args:
            played_s: since its beginning.
            underruns: how often the player ran empty since the last time; an operator sees the sum.
        """
        if self._cancelled is None and self._error is None:
            self.outbox.played(round(played_s * 1000), underruns)
            await self._line.send(self.outbox)

    async def cancel(self, played_s: float | None = None) -> events.Cancelled:
        """Stops the utterance and returns what was heard of it; the iteration ends at once.

        Works on one that is done but still being played, too.

        Args:
            played_s: how much of it the listener has heard; left out, it is told by the clock.

        Raises:
            VoiceAgentError: what had ended the utterance before.
        """
        if not self._cancelling and self._error is None:
            self.stop()
            self.outbox.cancel(None if played_s is None else round(played_s * 1000))
            await self._line.send(self.outbox)
        while self._cancelled is None and self._error is None:
            await self._next_change()
        if self._cancelled is None:
            assert self._error is not None
            raise self._error
        return self._cancelled

    def _check_writable(self) -> None:
        if self._error is not None:
            raise self._error
        if self.outbox.ended:
            raise InputError("this utterance has been ended: open another one for more text")
        if self._cancelling or self.over:
            raise InputError("this utterance has been cancelled: open another one for more text")

    async def _wait_for_room(self, chars: int) -> None:
        """Keeps what waits at the server below its limit, so that it need not refuse text."""
        while self.outbox.chars + chars - self._spoken_chars > self._max_text_buffer and not self.over:
            if len(self._frames) >= UNREAD_FRAMES and not self._iterated:
                raise NoCapacity("five minutes of audio wait: iterate over the utterance while you send")
            try:
                async with asyncio.timeout(IDLE_S):
                    await self._next_change()
            except TimeoutError:
                return

    # Frames in.

    def __aiter__(self) -> Utterance:
        return self

    async def __anext__(self) -> Frame:
        self._iterated = True
        while not self._frames:
            if self._error is not None:
                raise self._error
            if self.over or self._cancelling:
                raise StopAsyncIteration
            await self._next_change()
        frame = self._frames.popleft()
        if len(self._frames) == UNREAD_FRAMES - 1:
            self._changed.set()
        return frame

    async def _next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    # For the connection.

    async def wait_for_reader(self) -> None:
        """Waits while very many frames wait to be iterated over."""
        while len(self._frames) >= UNREAD_FRAMES and not (self.over or self._cancelling):
            await self._next_change()

    @property
    def have(self) -> int | None:
        """Number of the last frame that has arrived, -1 is none, where the server has more to say; else None."""
        told = self.over and not (self._cancelling and self._cancelled is None and self._error is None)
        return None if told or not self._started else self._next_seq - 1

    def rewind(self, received: events.Received | None) -> Outbox:
        """Goes back to what arrived on both sides of a lost connection; returns what is to be said.

        What the server said after the last frame comes again, so it is forgotten here.
        """
        if self.have is not None:
            self._words = ()
            self._flushed, warned = self._at_frame
            del self.warnings[warned:]
        if self.have is not None or not self._started:
            self.outbox.rewind(received, started=self._started)
        return self.outbox

    def take_audio(self, header: wire.AudioHeader, payload: bytes) -> None:
        """Takes a frame; one that came before, as after a resume, is dropped."""
        flags, _, seq, pts_samples = header
        if seq < self._next_seq or self.over or self._cancelling:
            return
        if seq > self._next_seq:
            self.fail(ProtocolError(f"frames {self._next_seq} to {seq - 1} of utterance {self.id!r} are missing"))
            return
        self._next_seq = seq + 1
        self._at_frame = self._flushed, len(self.warnings)
        words, self._words = self._words, ()
        if payload or words:
            last = bool(flags & wire.FLAG_LAST)
            self._frames.append(Frame(payload, self._format, words, seq, pts_samples, last))
        self._changed.set()

    def take(self, event: events.Event) -> None:
        """Takes an event of this utterance."""
        match event:
            case events.Started():
                self._format = event.format
                self._started = True
            case events.Words():
                self._take_words(event.words)
            case events.Flushed():
                self._flushed = min(self._flushed + 1, self._flushes)
            case events.Warning_():
                self.warnings.append(event.message)
            case events.Done():
                self.done = event
            case events.Cancelled():
                self._cancelled = event
                self._drop_unread()
            case events.Error():
                self.fail(exception_of(event, self._start.voice, self._voices))
            case _:
                pass
        self._changed.set()

    def stop(self) -> None:
        """Ends the iteration; leaving the utterance tells the server."""
        self._cancelling = True
        self._drop_unread()

    def fail(self, error: VoiceAgentError) -> None:
        """Ends the utterance by an error, unless it is over; what came before can still be iterated over."""
        if self._cancelled is None and (self.done is None or self._cancelling):
            self._error = self._error or error
            self._changed.set()

    def _take_words(self, words: tuple[outputs.WordTime, ...]) -> None:
        self._words += words
        self._spoken_chars = max([self._spoken_chars, *(word.char_end for word in words)])

    def _drop_unread(self) -> None:
        self._frames.clear()
        self._changed.set()

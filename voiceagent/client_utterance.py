"""One utterance as a client of the native protocol sees it: text out, frames in.

Knows the messages of its utterance; `voiceagent.client` has the connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from voiceagent import events, wire
from voiceagent.config import Limits
from voiceagent.errors import (
    ConnectionFailed,
    InputError,
    NoCapacity,
    ProtocolError,
    SynthesisError,
    UnknownVoice,
    VoiceAgentError,
)

if TYPE_CHECKING:
    from voiceagent.events import Samples

# A long text goes out in pieces, so that room can be waited for.
PIECE_CHARS = 2_000
# Frames that may wait to be iterated over, some five minutes; then the connection is read no further.
UNREAD_FRAMES = 4_096
# Text that is not spoken, as a long listing, never comes back as words: after this much silence it counts as done with.
IDLE_S = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A piece of audio, and the words that begin in it."""

    payload: bytes
    """As the server sent it, in `format`."""
    format: events.AudioFormat
    words: tuple[events.WordTime, ...]
    """Words whose audio starts inside this frame; times from the start of the utterance."""
    seq: int
    """Number of the frame within its utterance, from 0, without gaps."""
    pts_samples: int
    """Where the frame begins, counted in samples of `format` from the start of the utterance."""
    last: bool = False

    @property
    def sample_rate(self) -> int:
        """Hertz."""
        return self.format.sample_rate

    @property
    def samples(self) -> Samples:
        """The payload as (n,) float32 in [-1, 1].

        Raises:
            InputError: the encoding is neither pcm_s16le nor pcm_f32le.
        """
        import numpy as np

        if self.format.encoding == "pcm_s16le":
            return np.frombuffer(self.payload, "<i2").astype(np.float32) / np.float32(32767)
        if self.format.encoding == "pcm_f32le":
            return np.frombuffer(self.payload, "<f4").astype(np.float32)
        raise InputError(f"frames of {self.format.encoding} have no samples: ask for pcm_s16le, or use the payload")

    @property
    def pcm(self) -> bytes:
        """The samples as 16-bit little-endian integers."""
        if self.format.encoding == "pcm_s16le":
            return self.payload
        from voiceagent.pcm import to_s16le

        return to_s16le(self.samples)


class Sender(Protocol):
    """What an utterance needs of the connection."""

    async def send(self, command: events.Command) -> None:
        """Sends a command, in order.

        Raises:
            ConnectionFailed: the connection is gone for good.
        """
        ...


class Utterance:
    """One turn of speech; `async with` opens it, and leaving it cancels what has not been spoken.

    Send, flush, end and cancel from any task; one task iterates over the frames, meanwhile or later.
    """

    def __init__(self, sender: Sender, start: events.Start, ready: events.Ready) -> None:
        self.id = start.id
        self.warnings: list[str] = []
        """What was worth knowing; speech went on."""
        self.done: events.Done | None = None
        """The figures of the utterance, once it is complete."""
        self._sender = sender
        self._start = start
        self._voices = ready.voices
        self._max_text_buffer = ready.limits.get("max_text_buffer", Limits().max_text_buffer)
        self._format = start.format
        self._frames: deque[Frame] = deque()
        self._words: tuple[events.WordTime, ...] = ()
        self._next_seq = 0
        self._sent_chars = 0
        self._spoken_chars = 0
        self._flushes = 0
        self._flushed = 0
        self._ended = False
        self._iterated = False
        self._cancelling = False
        self._cancelled: events.Cancelled | None = None
        self._error: VoiceAgentError | None = None
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Utterance:
        await self._sender.send(self._start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.over:
            try:
                await self._sender.send(events.Cancel(self.id))
            except ConnectionFailed:
                return  # nobody is left who could speak

    @property
    def over(self) -> bool:
        """Nothing more comes from the server."""
        return self.done is not None or self._cancelled is not None or self._error is not None

    # Text out.

    async def send(self, text: str) -> None:
        """Adds text; waits while as much as the server keeps waits to be spoken.

        Raises:
            InputError: the utterance has been ended.
            NoCapacity: nobody iterates, so that waiting would never end.
            VoiceAgentError: what ended the utterance early.
        """
        for begin in range(0, len(text), PIECE_CHARS):
            piece = text[begin : begin + PIECE_CHARS]
            self._check_writable()
            await self._wait_for_room(len(piece))
            self._check_writable()
            self._sent_chars += len(piece)
            await self._sender.send(events.Text(self.id, piece))

    async def flush(self, *, wait: bool = False) -> None:
        """Speaks what waits for the rest of its sentence; the utterance stays open.

        Args:
            wait: return when all of it has arrived, which takes about as long as it takes to speak.
        """
        self._check_writable()
        self._flushes += 1
        mine = self._flushes
        await self._sender.send(events.Flush(self.id))
        while wait and self._flushed < mine and not self.over:
            await self._next_change()
        if self._error is not None:
            raise self._error

    async def end(self) -> None:
        """No more text: the iteration ends after the last frame."""
        self._check_writable()
        self._ended = True
        await self._sender.send(events.End(self.id))

    async def played(self, played_s: float) -> None:
        """Tells how much of the utterance the listener has heard; where nobody tells, the server's clock does."""
        if self._cancelled is None and self._error is None:
            await self._sender.send(events.Played(self.id, round(played_s * 1000)))

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
            await self._sender.send(events.Cancel(self.id, None if played_s is None else round(played_s * 1000)))
        while self._cancelled is None and self._error is None:
            await self._next_change()
        if self._cancelled is None:
            assert self._error is not None
            raise self._error
        return self._cancelled

    def _check_writable(self) -> None:
        if self._error is not None:
            raise self._error
        if self._ended:
            raise InputError("this utterance has been ended: open another one for more text")
        if self._cancelling or self.over:
            raise InputError("this utterance has been cancelled: open another one for more text")

    async def _wait_for_room(self, chars: int) -> None:
        """Keeps what waits at the server below its limit, so that it need not refuse text."""
        while self._sent_chars + chars - self._spoken_chars > self._max_text_buffer and not self.over:
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

    @property
    def start(self) -> events.Start:
        """The command that opened it."""
        return self._start

    async def wait_for_reader(self) -> None:
        """Waits while very many frames wait to be iterated over."""
        while len(self._frames) >= UNREAD_FRAMES and not (self.over or self._cancelling):
            await self._next_change()

    def take_audio(self, header: wire.AudioHeader, payload: bytes) -> None:
        """Takes a frame; one that came before, as after a resume, is dropped."""
        flags, _, seq, pts_samples = header
        if seq < self._next_seq or self.over or self._cancelling:
            return
        if seq > self._next_seq:
            self.fail(ProtocolError(f"frames {self._next_seq} to {seq - 1} of utterance {self.id!r} are missing"))
            return
        self._next_seq = seq + 1
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
            case events.Words():
                self._take_words(event.words)
            case events.Flushed():
                self._flushed += 1
            case events.Warning_():
                self.warnings.append(event.message)
            case events.Done():
                self.done = event
            case events.Cancelled():
                self._cancelled = event
                self._drop_unread()
            case events.Error():
                self.fail(_raised(event, self._start.voice, self._voices))
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

    def _take_words(self, words: tuple[events.WordTime, ...]) -> None:
        self._words += words
        self._spoken_chars = max([self._spoken_chars, *(word.char_end for word in words)])

    def _drop_unread(self) -> None:
        self._frames.clear()
        self._changed.set()


def _raised(event: events.Error, voice: str, voices: tuple[str, ...]) -> VoiceAgentError:
    """The exception for an error that the server tells."""
    if event.code == UnknownVoice.code:
        return UnknownVoice(voice, voices)
    for kind in (InputError, NoCapacity, SynthesisError):
        if event.code == kind.code:
            return kind(event.message)
    if event.code == "text_buffer_full":
        return NoCapacity(event.message)
    return ProtocolError(event.message, utterance=event.id, code=event.code)

"""One context of an ElevenLabs connection: an utterance of the session, and what closing it means.

In this protocol the same message ends a turn and interrupts it: `close_context` behind a flush lets the flushed text
be spoken, without one it stops the speech, and a second one stops it in any case.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from voiceagent.adapters.elevenlabs.alignment import Alignment, CharacterTimes
from voiceagent.audio.encoders import StreamEncoder
from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.protocol import commands, events
from voiceagent.session.async_session import AsyncSession

if TYPE_CHECKING:
    from voiceagent.adapters.elevenlabs.messages import ClientMessage

_SENTENCE_END = re.compile(r"""[.!?…][)\]"'”’*_]*\s*\Z""")


class Context:
    """Text of one context on its way to the session, audio and characters on their way back.

    Args:
        name: what the client calls it; None on a connection that has no contexts.
        auto_mode: a message that ends a sentence is spoken at once.
        now: seconds of the loop's clock.
    """

    def __init__(
        self, live: AsyncSession, name: str | None, start: commands.Start, *, auto_mode: bool, now: float
    ) -> None:
        self.name = name
        self.utterance = start.id
        self.touched_at = now
        """When the client last spoke of it, or got audio of it."""
        self.closing = False
        """The client has closed it; what was flushed is still being spoken."""
        self.stopped = False
        """It has been interrupted; only its last message is due."""
        self.later: list[ClientMessage] = []
        """Messages for a new context of the same name, which waits for the end of this one."""
        self.notice = ""
        """What of the client's settings is not followed; it is told before the first audio."""
        self._live = live
        self._auto_mode = auto_mode
        self._encoder = StreamEncoder(start.format)
        self._times = CharacterTimes()
        self._any_text = False
        self._ends_in_space = True
        self._space_due = False
        self._unflushed = False
        self._flushes: deque[bool] = deque()
        """Flushes not answered yet: True where the client asked for it, False where auto mode did."""
        self._cut_after: int | None = None
        live.handle(start)

    @property
    def names(self) -> dict[str, str]:
        """The context in both spellings: Pipecat reads one, others the other."""
        return {} if self.name is None else {"contextId": self.name, "context_id": self.name}

    # Text in.

    def write(self, text: str) -> bool:
        """Takes text; False where so much waits already that there is no room for it.

        A single space may be a keep-alive, so it is kept until more text shows that it separates words.
        """
        if text == " ":
            self._space_due = self._any_text
            return True
        if self._space_due and not self._ends_in_space and not text[0].isspace():
            text = " " + text
        if not self._live.has_room(commands.Text(self.utterance, text)):
            return False
        self._space_due = False
        self._feed(text)
        self._any_text = self._unflushed = True
        if self._auto_mode and _SENTENCE_END.search(text):
            self._flush(asked=False)
        return True

    def flush(self) -> None:
        """The client wants what is waiting to be spoken."""
        if self._unflushed:
            self._flush(asked=True)
        elif self._flushes:
            self._flushes[-1] = True

    def end(self) -> None:
        """Speaks what is left; the context is over when that is done."""
        self.closing = True
        self._separate()
        self._live.handle(commands.End(self.utterance))

    def close(self) -> None:
        """The client closes it: see the head of this module."""
        asked = [number for number, by_client in enumerate(self._flushes) if by_client]
        if self.closing or (not asked and (self._flushes or self._unflushed)):
            self.closing = True
            self._stop()
        elif not self._unflushed and (not self._flushes or asked[-1] == len(self._flushes) - 1):
            self.end()
        else:
            # Text came after the last flush: it is dropped, the flushed text before it is not.
            self.closing = True
            self._cut_after = asked[-1] + 1

    def _stop(self) -> None:
        self.stopped = True
        self._live.handle(commands.Cancel(self.utterance))

    def _flush(self, *, asked: bool) -> None:
        self._separate()
        self._live.handle(commands.Flush(self.utterance))
        self._flushes.append(asked)
        self._unflushed = False

    def _separate(self) -> None:
        """Texts on both sides of a flush are never one word; and a space behind a word completes it for the client."""
        if not self._ends_in_space:
            self._feed(" ")
        self._space_due = False

    def _feed(self, text: str) -> None:
        self._times.add_text(text)
        self._ends_in_space = text[-1].isspace()
        self._live.handle(commands.Text(self.utterance, text))

    # Speech out.

    def hear(self, words: events.Words) -> None:
        """Notes words whose audio is about to come."""
        self._times.add_words(words.words)

    def encode(self, frame: events.Audio) -> tuple[bytes, Alignment | None] | None:
        """Bytes and characters of a frame; None where a codec has nothing ready, the next call has them then."""
        payload = self._encoder.encode(frame.samples, last=frame.last)
        if not payload and not frame.last:
            return None
        until_s = (frame.pts_samples + len(frame.samples)) / SAMPLE_RATE_HZ
        alignment = self._times.take(until_s, last=frame.last)
        return (payload, alignment) if payload or alignment else None

    def flushed(self) -> bytes | None:
        """A flush is answered; the bytes that a codec still holds if the client closed the context at this one."""
        self._flushes.popleft()
        if self._cut_after is None:
            return None
        self._cut_after -= 1
        if self._cut_after > 0:
            return None
        self._stop()
        return self._encoder.encode(np.zeros(0, np.float32), last=True)

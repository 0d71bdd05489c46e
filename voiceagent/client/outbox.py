"""What a client has to say about one utterance, in order, and how to say it again.

Without I/O. A connection that is lost may swallow what was sent; once the server has told what arrived there,
`rewind` goes back to that point, so that the rest is sent again and nothing twice.
"""

from __future__ import annotations

from collections import deque

from voiceagent.protocol import commands, events
from voiceagent.protocol.text_pieces import pieces


class Outbox:
    """The commands of one utterance."""

    def __init__(self, start: commands.Start) -> None:
        self.chars = 0
        """Characters written so far."""
        self.ended = False
        self._start = start
        self._parts: list[str] = []
        self._flushes_at: list[int] = []
        self._cancel: commands.Cancel | None = None
        self._waiting: deque[commands.Command] = deque([start])

    def write(self, text: str) -> None:
        """Adds text."""
        self._parts.append(text)
        self.chars += len(text)
        self._waiting.append(commands.Text(self._start.id, text))

    def flush(self) -> None:
        """Asks for what has been written so far."""
        self._flushes_at.append(self.chars)
        self._waiting.append(commands.Flush(self._start.id))

    def end(self) -> None:
        """No more text."""
        self.ended = True
        self._waiting.append(commands.End(self._start.id))

    def cancel(self, played_ms: int | None = None) -> None:
        """Nothing that still waits matters any more."""
        self._cancel = commands.Cancel(self._start.id, played_ms)
        unsent = [command for command in self._waiting if isinstance(command, commands.Start)]
        self._waiting = deque([*unsent, self._cancel])

    def played(self, ms: int, underruns: int = 0) -> None:
        """Tells how much has been heard, and how often the player ran empty since the last time."""
        self._waiting.append(commands.Played(self._start.id, ms, underruns))

    def next(self) -> commands.Command | None:
        """The next command to send, if there is one."""
        return self._waiting.popleft() if self._waiting else None

    def rewind(self, received: events.Received | None, *, started: bool) -> None:
        """Goes back to what has arrived at the server.

        Args:
            received: what it has, if it has the utterance open.
            started: it once said that it had it.
        """
        self._waiting.clear()
        lost = received is None and not started
        if lost:
            self._waiting.append(self._start)
        if self._cancel is not None:
            self._waiting.append(self._cancel)
        elif lost or received is not None:
            self._write_from(received.chars if received is not None else 0)
            if self.ended and not (received is not None and received.ended):
                self._waiting.append(commands.End(self._start.id))

    def _write_from(self, begin: int) -> None:
        text = "".join(self._parts)
        # A flush that asked for nothing more than what arrived may be on its way: asking twice does no harm.
        for at in [*(at for at in self._flushes_at if at >= begin), None]:
            stop = len(text) if at is None else at
            self._waiting.extend(commands.Text(self._start.id, piece) for piece in pieces(text[begin:stop]))
            if at is not None:
                self._waiting.append(commands.Flush(self._start.id))
            begin = max(begin, stop)

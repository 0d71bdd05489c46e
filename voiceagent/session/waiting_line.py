"""Commands of an utterance that cannot be obeyed yet, because there is no room for the text at their head."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from voiceagent.errors import TextBufferFull
from voiceagent.protocol import commands

# Commands that may stand in line for room.
LINE_MAX = 4_096

Command: TypeAlias = commands.Text | commands.Flush | commands.End


@dataclass(frozen=True, slots=True)
class _Waiting:
    command: Command
    until_s: float = float("inf")
    """When it is refused, if there was no room until then."""


class WaitingLine:
    """Text that waits for room, and what came behind it, in order.

    Args:
        max_chars: how many characters may stand in it.
    """

    def __init__(self, max_chars: int) -> None:
        self._max_chars = max_chars
        self._line: deque[_Waiting] = deque()

    def __bool__(self) -> bool:
        return bool(self._line)

    @property
    def chars(self) -> int:
        """Characters of all text in it."""
        return sum(len(one.command.text) for one in self._line if isinstance(one.command, commands.Text))

    def add_text(self, text: commands.Text, until_s: float) -> None:
        """Lets text stand here until the time `until_s`.

        Raises:
            TextBufferFull: there is no room here either.
        """
        if self.chars + len(text.text) > self._max_chars or len(self._line) >= LINE_MAX:
            raise TextBufferFull.of(self._max_chars, len(text.text))
        self._line.append(_Waiting(text, until_s))

    def add(self, command: commands.Flush | commands.End) -> None:
        """A command keeps its place behind the text before it."""
        self._line.append(_Waiting(command))

    def leave(self, now: float, fits: Callable[[int], bool]) -> Iterator[Command | TextBufferFull]:
        """The commands that can be obeyed now, and a refusal for each text that waited too long.

        Each is to be obeyed before the next is taken: it may fill the room.

        Args:
            now: the time, in seconds.
            fits: whether there is room for so many characters.
        """
        while self._line:
            command, until_s = self._line[0].command, self._line[0].until_s
            if not isinstance(command, commands.Text) or fits(len(command.text)):
                yield command
            elif now >= until_s:
                yield TextBufferFull.of(self._max_chars, len(command.text))
            else:
                return
            self._line.popleft()

    def due_in_s(self, now: float) -> float:
        """Seconds until what is first in it is refused."""
        return max(0.0, self._line[0].until_s - now)

    def clear(self) -> None:
        """Forgets what stands in it."""
        self._line.clear()

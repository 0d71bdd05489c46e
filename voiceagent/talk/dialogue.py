"""What was said between a person and a language model, as the model is told it.

Without I/O. Of an answer that was interrupted only what was heard is kept: the model must not refer to what nobody
heard.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

# About 6,000 tokens: small models forget their instructions beyond that.
MAX_CHARS = 24_000


@dataclass(frozen=True, slots=True)
class Message:
    """One turn."""

    role: Literal["system", "user", "assistant"]
    content: str


class LanguageModel(Protocol):
    """Writes answers token by token."""

    def answer(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """The answer to the last message, piece by piece. Closing the generator aborts the request.

        Raises:
            LanguageModelError: it cannot be had, or broke off; what came before is good.
        """
        ...


@dataclass(slots=True)
class Dialogue:
    """A growing list of messages, which forgets its oldest turns.

    Args:
        system: instructions, never forgotten.
        max_chars: how much is remembered.
    """

    system: str = ""
    max_chars: int = MAX_CHARS
    turns: list[Message] = field(default_factory=list)

    @property
    def messages(self) -> list[Message]:
        """What the model is asked with."""
        instructions = [Message("system", self.system)] if self.system else []
        return [*instructions, *self.turns]

    def asked(self, text: str) -> None:
        """Notes what the user said; said again before an answer was heard, it belongs to the same turn."""
        self._add("user", text)

    def answered(self, heard: str) -> None:
        """Notes what was heard of the answer."""
        self._add("assistant", heard)

    def forget(self) -> None:
        """Takes back the last turn, so that it is not asked twice after the model has failed."""
        if self.turns:
            self.turns.pop()

    def _add(self, role: Literal["user", "assistant"], text: str) -> None:
        text = text.strip()
        if not text:
            return
        if self.turns and self.turns[-1].role == role:
            text = f"{self.turns.pop().content} {text}"
        self.turns.append(Message(role, text))
        while len(self.turns) > 1 and sum(len(turn.content) for turn in self.turns) > self.max_chars:
            self.turns.pop(0)
        while len(self.turns) > 1 and self.turns[0].role == "assistant":
            self.turns.pop(0)  # some models refuse a dialogue that they begin

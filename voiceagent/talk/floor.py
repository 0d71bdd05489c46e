"""A spoken conversation as a state machine: who has the floor, and what is to be done next.

Without I/O: windows of the microphone and the results of what was asked for go in, actions come out;
`voiceagent.talk.talk` carries them out.

    hear(window)        -> StopAnswer, Recognise
    recognised(text)    -> Ask
    answered(heard)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from voiceagent.talk.turns import WINDOW_MS, Begun, Over

if TYPE_CHECKING:
    from voiceagent.audio.formats import Samples
    from voiceagent.talk.dialogue import Dialogue, Message
    from voiceagent.talk.turns import TurnDetector

# A room goes on sounding after the loudspeaker has stopped.
DEAF_AFTER_MS = 320


@dataclass(frozen=True, slots=True)
class StopAnswer:
    """Somebody speaks: fall silent now, and say by `answered` what was heard."""


@dataclass(frozen=True, slots=True, eq=False)
class Recognise:
    """Turn this into text, and say it by `recognised`."""

    samples: Samples  # (n,) float32, 16 kHz


@dataclass(frozen=True, slots=True)
class Ask:
    """Speak the answer to this, and say by `answered` or `failed` how it went."""

    messages: list[Message]


Action: TypeAlias = StopAnswer | Recognise | Ask


class Floor:
    """State of one conversation.

    Args:
        duplex: listen while an answer sounds. Without it the microphone is deaf meanwhile, so that the
            loudspeaker does not interrupt itself.
    """

    def __init__(self, dialogue: Dialogue, detector: TurnDetector, *, duplex: bool = False) -> None:
        self.dialogue = dialogue
        self.answering = False
        """An answer has been asked for and is not over."""
        self._detector = detector
        self._duplex = duplex
        self._deaf_ms = 0
        self._recognising = 0
        self._said: list[str] = []

    def hear(self, window: Samples, *, sounding: bool) -> list[Action]:
        """Takes 32 ms of the microphone.

        Args:
            window: (512,) float32 at 16 kHz.
            sounding: the loudspeaker plays.
        """
        if not self._duplex and self._deaf(sounding):
            return []
        settings = self._detector.settings
        match self._detector.hear(window, settings.barge_in_ms if sounding else settings.start_ms):
            case Begun() if self.answering:
                return [StopAnswer()]
            case Over(samples=samples):
                self._recognising += 1
                return [Recognise(samples)]
            case _:
                return []

    def _deaf(self, sounding: bool) -> bool:
        if sounding:
            self._detector.reset()
            self._deaf_ms = DEAF_AFTER_MS
            return True
        self._deaf_ms = max(0, self._deaf_ms - WINDOW_MS)
        return self._deaf_ms > 0

    def recognised(self, text: str) -> list[Action]:
        """What a turn was; empty where there were no words in it."""
        self._recognising -= 1
        if text.strip():
            self._said.append(text.strip())
        if self._recognising or self._detector.in_turn:
            return []  # who speaks on has not finished
        turns = self.dialogue.turns
        unanswered = bool(turns) and turns[-1].role == "user" and not self.answering
        if not self._said and not unanswered:
            return []
        self.dialogue.asked(" ".join(self._said))
        self._said.clear()
        self.answering = True
        return [Ask(self.dialogue.messages)]

    def answered(self, heard: str) -> None:
        """The answer is over: complete, or stopped after this much."""
        self.answering = False
        self.dialogue.answered(heard)

    def failed(self, heard: str) -> None:
        """The answer ended in an error after this much; a question that got none is forgotten."""
        self.answering = False
        if heard.strip():
            self.dialogue.answered(heard)
        else:
            self.dialogue.forget()

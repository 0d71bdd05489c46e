"""Who has the floor, without a microphone, a model or a voice."""

from __future__ import annotations

from typing import Any

import numpy as np

from voiceagent.talk.dialogue import Dialogue, Message
from voiceagent.talk.floor import DEAF_AFTER_MS, Action, Ask, Floor, Recognise, StopAnswer
from voiceagent.talk.turns import WINDOW, WINDOW_MS, HearingSettings, TurnDetector

SETTINGS = HearingSettings(start_ms=64, barge_in_ms=160, end_ms=64)


class Room:
    """A conversation that hears what a test writes: # speech, . silence."""

    def __init__(self, **settings: Any) -> None:
        self.loud = False
        detector = TurnDetector(lambda _: 0.9 if self.loud else 0.1, SETTINGS)
        self.conversation = Floor(Dialogue("Be brief."), detector, **settings)
        self.sounding = False

    def hear(self, script: str) -> list[Action]:
        actions = []
        for character in script:
            self.loud = character == "#"
            actions += self.conversation.hear(np.zeros(WINDOW, np.float32), sounding=self.sounding)
        return actions

    def ask(self, text: str) -> list[Action]:
        (recognise,) = self.hear("##..")
        assert isinstance(recognise, Recognise)
        return self.conversation.recognised(text)

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(turn.role, turn.content) for turn in self.conversation.dialogue.turns]


def test_a_question_is_asked_and_its_answer_remembered() -> None:
    room = Room()
    assert room.ask("who are you") == [Ask([Message("system", "Be brief."), Message("user", "who are you")])]
    assert room.conversation.answering
    room.conversation.answered("A voice. ")
    assert room.said == [("user", "who are you"), ("assistant", "A voice.")]
    (asked,) = room.ask("whose")
    assert isinstance(asked, Ask)
    assert [message.content for message in asked.messages] == ["Be brief.", "who are you", "A voice.", "whose"]


def test_speech_over_an_answer_stops_it_and_only_what_was_heard_is_kept() -> None:
    room = Room(duplex=True)
    room.ask("tell me a story")
    room.sounding = True
    assert room.hear("####....") == [], "too short to be an interruption"
    assert room.hear("#####") == [StopAnswer()]
    room.conversation.answered("Once upon")
    room.sounding = False
    (recognise,) = room.hear("..")
    assert isinstance(recognise, Recognise)
    room.conversation.recognised("a shorter one")
    assert room.said == [("user", "tell me a story"), ("assistant", "Once upon"), ("user", "a shorter one")]


def test_who_goes_on_before_the_answer_sounds_says_one_turn() -> None:
    room = Room()
    room.ask("what is the weather")
    assert room.hear("##") == [StopAnswer()]
    room.conversation.answered("")
    room.hear("..")
    (asked,) = room.conversation.recognised("in Paris")
    assert isinstance(asked, Ask)
    assert asked.messages[-1] == Message("user", "what is the weather in Paris")


def test_who_goes_on_while_the_first_half_is_being_recognised_says_one_turn() -> None:
    room = Room()
    room.hear("##..##")
    assert room.conversation.recognised("what is the weather") == []
    room.hear("..")
    (asked,) = room.conversation.recognised("in Paris")
    assert isinstance(asked, Ask)
    assert asked.messages[-1] == Message("user", "what is the weather in Paris")


def test_a_noise_is_no_question_but_one_that_it_stopped_is_asked_again() -> None:
    room = Room()
    assert room.ask("") == []
    room.ask("who are you")
    assert room.hear("##") == [StopAnswer()]
    room.conversation.answered("")
    room.hear("..")
    assert room.conversation.recognised(" ") == [Ask([Message("system", "Be brief."), Message("user", "who are you")])]


def test_half_duplex_is_deaf_while_it_speaks_and_a_little_longer() -> None:
    room = Room()
    room.ask("tell me a story")
    room.sounding = True
    assert room.hear("#" * 50) == []
    room.sounding = False
    room.conversation.answered("Once upon a time.")
    assert room.hear("#" * (DEAF_AFTER_MS // WINDOW_MS - 1)) == []
    (recognise,) = room.hear("....##..")
    assert isinstance(recognise, Recognise)


def test_a_question_that_the_model_failed_on_is_not_asked_twice() -> None:
    room = Room()
    room.ask("who are you")
    room.conversation.failed("")
    assert room.said == []
    room.ask("hello")
    room.conversation.failed("Hel")
    assert room.said == [("user", "hello"), ("assistant", "Hel")]


def test_a_dialogue_forgets_its_oldest_turns_and_never_its_instructions() -> None:
    dialogue = Dialogue("Be brief.", max_chars=30)
    for i in range(5):
        dialogue.asked(f"question {i}")
        dialogue.answered(f"answer {i}")
    assert [message.content for message in dialogue.messages] == ["Be brief.", "question 4", "answer 4"]
    dialogue.asked("x" * 100)
    assert dialogue.messages[-1].content == "x" * 100
    assert Dialogue().messages == []

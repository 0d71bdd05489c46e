"""Somebody asks, the answer is spoken, somebody interrupts: real ears, a fake model behind HTTP, a card that is a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cards import Paced, Samples, alsa, played, record, require_portaudio
from support.fake_llm import FakeLlm, llm_server
from support.fakes import FakeChunker, FakeEngine
from support.spoken import BARGE_IN, QUESTION, silence, spoken

from voiceagent import AudioDeviceError, LanguageModelError, VoiceAgent, VoiceAgentError
from voiceagent.adapters.llm.chat_completions import ChatServer
from voiceagent.adapters.sound.local_audio import Loudspeaker, Microphone
from voiceagent.talk.dialogue import Dialogue
from voiceagent.talk.floor import Floor
from voiceagent.talk.recognition import Recogniser, make_recogniser
from voiceagent.talk.talk import Parts, Talk
from voiceagent.talk.turns import WINDOW, TurnDetector, silero

require_portaudio()
pytestmark = pytest.mark.weights

WORD_S = 0.2


@dataclass
class Seen:
    """What a person would read."""

    heard: list[str] = field(default_factory=list)
    answers: list[tuple[str, bool]] = field(default_factory=list)
    errors: list[VoiceAgentError] = field(default_factory=list)

    def said(self, text: str) -> None:
        self.heard.append(text)

    def answered(self, heard: str, *, interrupted: bool) -> None:
        self.answers.append((heard, interrupted))

    def failed(self, error: VoiceAgentError) -> None:
        self.errors.append(error)


class Listened(Loudspeaker):
    """Notes where the card was when it was told to stop."""

    def __init__(self, card: Paced) -> None:
        super().__init__(card, device="speaker")
        self.card = card
        self.stopped_at: int | None = None

    async def __aenter__(self) -> Listened:
        await super().__aenter__()
        return self

    def stop(self) -> None:
        super().stop()
        if self.stopped_at is None:
            self.stopped_at = self.card.frames


@pytest.fixture(scope="module")
def lines() -> dict[str, Samples]:
    return spoken()


@pytest.fixture(scope="module")
def sphinx() -> Recogniser:
    return make_recogniser()


@pytest.fixture
def sounddevice(tmp_path: Path) -> Iterator[Any]:
    record(tmp_path, np.zeros(0, np.float32))
    with alsa(tmp_path) as module:
        yield module


@dataclass
class Place:
    """A talk that can be run, and what is around it."""

    talk: Talk
    speaker: Listened
    llm: FakeLlm
    seen: Seen
    dialogue: Dialogue
    card: Paced


@asynccontextmanager
async def place(sounddevice: Any, llm: FakeLlm, recogniser: Recogniser, *, duplex: bool = True) -> AsyncIterator[Place]:
    card, seen, dialogue = Paced(sounddevice), Seen(), Dialogue("Be brief.")
    conversation = Floor(dialogue, TurnDetector(silero()), duplex=duplex)
    engine = FakeEngine(word_s=WORD_S, threaded=True)
    async with (
        llm_server(llm),
        ChatServer(llm.url, "m") as model,
        VoiceAgent(engine, make_chunker=FakeChunker) as agent,
        agent.session() as session,
        Listened(card) as speaker,
    ):
        talk = Talk(Parts(conversation, recogniser, model, session, speaker, seen))
        yield Place(talk, speaker, llm, seen, dialogue, card)


async def blocks(samples: Samples) -> AsyncIterator[Samples]:
    """As a microphone gives them, but as fast as they are taken."""
    for begin in range(0, len(samples), 160):
        yield samples[begin : begin + 160]
        await asyncio.sleep(0)


async def blocks_until(condition: Callable[[], bool]) -> AsyncIterator[Samples]:
    """A quiet room until something has come to pass."""
    while not condition():
        yield silence(WINDOW / 16_000)
        await asyncio.sleep(0.01)


async def test_a_question_its_answer_and_an_interruption(
    sounddevice: Any, tmp_path: Path, lines: dict[str, Samples], sphinx: Recogniser
) -> None:
    llm = FakeLlm(tokens=["One two ", "three four. "] * 500, token_s=0.005)
    async with place(sounddevice, llm, sphinx) as here:

        async def microphone() -> AsyncIterator[Samples]:
            async for block in blocks(np.concatenate([silence(0.5), lines[QUESTION], silence(1)])):
                yield block
            async for block in blocks_until(lambda: here.speaker.played_s >= 1.0):
                yield block
            here.llm.tokens = ["Yes."]
            async for block in blocks(np.concatenate([lines[BARGE_IN], silence(1)])):
                yield block

        await asyncio.wait_for(here.talk.run(microphone()), 120)
        assert here.seen.heard == ["what time is it", "please stop now"]
        assert here.llm.cut_off == 1, "the model must not go on writing"
        assert here.llm.sent < 900

        assert here.speaker.stopped_at is not None
        out = played(tmp_path)
        stopped = here.speaker.stopped_at
        after = np.flatnonzero(out[stopped:] == 0)
        assert after[0] / 24_000 + float(here.speaker._stream.latency) < 0.05

        (heard, interrupted), last = here.seen.answers
        assert interrupted
        words = len(heard.split())
        assert 0 <= np.count_nonzero(out[:stopped]) / 24_000 - words * WORD_S < WORD_S + 0.05
        assert ("One two three four. " * 500).startswith(heard)
        assert last == ("Yes.", False)
        assert [(turn.role, turn.content) for turn in here.dialogue.turns] == [
            ("user", "what time is it"),
            ("assistant", heard.strip()),
            ("user", "please stop now"),
            ("assistant", "Yes."),
        ]
        assert [message["content"] for message in here.llm.requests[1]["messages"]] == [
            "Be brief.", "what time is it", heard.strip(), "please stop now",
        ]  # fmt: skip


async def test_a_question_through_the_microphone_of_this_machine(
    sounddevice: Any, tmp_path: Path, lines: dict[str, Samples]
) -> None:
    record(tmp_path, np.concatenate([silence(0.3), lines[QUESTION], silence(3)]))
    lengths: list[float] = []

    def recogniser(samples: Samples) -> str:
        lengths.append(len(samples) / 16_000)
        return "what time is it"

    async with (
        place(sounddevice, FakeLlm(tokens=["Nine."]), recogniser, duplex=False) as here,
        Microphone(Paced(sounddevice), device="microphone") as microphone,
    ):
        talking = asyncio.create_task(here.talk.run(microphone.__aiter__()))
        async with asyncio.timeout(60):
            while not here.seen.answers:
                await asyncio.sleep(0.02)
                assert not talking.done()
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
    assert here.seen.answers == [("Nine.", False)]
    (length_s,) = lengths
    assert 0.9 < length_s < 3.0
    assert np.count_nonzero(played(tmp_path)) == round(WORD_S * 24_000)


async def test_a_model_that_fails_is_told_and_the_talk_goes_on(sounddevice: Any, lines: dict[str, Samples]) -> None:
    said = iter(["one", "two"])
    llm = FakeLlm(status=500, body="oops")
    async with place(sounddevice, llm, lambda _: next(said)) as here:

        async def microphone() -> AsyncIterator[Samples]:
            question = np.concatenate([silence(0.3), lines[QUESTION], silence(1)])
            async for block in blocks(question):
                yield block
            async for block in blocks_until(lambda: bool(here.seen.errors)):
                yield block
            here.llm.status = 200
            async for block in blocks(question):
                yield block

        await asyncio.wait_for(here.talk.run(microphone()), 60)
        assert isinstance(here.seen.errors[0], LanguageModelError)
        assert here.seen.answers == [("Hello there.", False)]
        assert [message["content"] for message in here.llm.requests[1]["messages"]] == ["Be brief.", "two"]


async def test_a_microphone_that_goes_ends_the_talk_with_one_error(sounddevice: Any) -> None:
    async def microphone() -> AsyncIterator[Samples]:
        yield silence(0.1)
        raise AudioDeviceError("unplugged")

    async with place(sounddevice, FakeLlm(), lambda _: "") as here:
        with pytest.raises(AudioDeviceError, match="unplugged"):
            await here.talk.run(microphone())


async def test_a_loudspeaker_that_goes_ends_the_talk_with_one_error(
    sounddevice: Any, lines: dict[str, Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(samples: Samples) -> None:
        raise AudioDeviceError("unplugged")

    async with place(sounddevice, FakeLlm(), lambda _: "hello") as here:
        monkeypatch.setattr(here.speaker, "play", gone)
        with pytest.raises(AudioDeviceError, match="unplugged"):
            await here.talk.run(blocks(np.concatenate([silence(0.3), lines[QUESTION], silence(1)])))

"""Typed questions and spoken answers, with a fake model behind HTTP and a card that plays nothing, in real time or not."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support.cards import Paced, alsa, require_portaudio
from support.fake_llm import FakeLlm, llm_server
from support.fakes import FakeChunker, FakeEngine

from voiceagent import VoiceAgent, VoiceAgentError
from voiceagent.adapters.llm.chat_completions import ChatServer
from voiceagent.adapters.sound.local_audio import Loudspeaker
from voiceagent.talk.chat import Chat, lines
from voiceagent.talk.dialogue import Dialogue
from voiceagent.talk.screens import TerminalScreen, printable

require_portaudio()
DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


class Seen:
    def __init__(self) -> None:
        self.prompts = 0
        self.updates: list[tuple[str, str]] = []
        self.ends: list[tuple[str, str, VoiceAgentError | None]] = []

    def ask(self) -> None:
        self.prompts += 1

    def update(self, text: str, heard: str) -> None:
        self.updates.append((text, heard))

    def end(self, text: str, heard: str, error: VoiceAgentError | None) -> None:
        self.ends.append((text, heard, error))


@asynccontextmanager
async def chat_with(llm: FakeLlm, folder: Path) -> AsyncIterator[tuple[Chat, Seen, Dialogue]]:
    seen, dialogue = Seen(), Dialogue("Be brief.")
    with alsa(folder) as sounddevice:
        async with (
            llm_server(llm),
            ChatServer(llm.url, "m") as model,
            VoiceAgent(FakeEngine(threaded=True), make_chunker=FakeChunker) as agent,
            agent.session() as session,
            Loudspeaker(Paced(sounddevice), device="nowhere") as speaker,
        ):
            yield Chat(dialogue, model, session, speaker, seen), seen, dialogue


async def typed(*questions: str) -> AsyncIterator[str]:
    for question in questions:
        yield question


async def test_questions_are_answered_in_turn(tmp_path: Path) -> None:
    async with chat_with(FakeLlm(), tmp_path) as (chat, seen, dialogue):
        await chat.run(typed("Hi.", "  ", "Bye."))
    assert [turn.content for turn in dialogue.turns] == ["Hi.", "Hello there.", "Bye.", "Hello there."]
    assert seen.ends == [("Hello there.", "Hello there.", None)] * 2
    assert seen.prompts == 4
    assert ("Hello there.", "Hello") in seen.updates, "words are marked as they are heard"


async def test_ctrl_c_stops_an_answer_and_keeps_what_was_heard_and_a_second_one_leaves(tmp_path: Path) -> None:
    llm = FakeLlm(tokens=["One two three four. "] * 500, token_s=0.01)
    async with chat_with(llm, tmp_path) as (chat, seen, dialogue):

        async def press() -> None:
            async with asyncio.timeout(30):
                while not any("One two" in heard for _, heard in seen.updates):
                    await asyncio.sleep(0.01)
                    assert not chat._left.is_set()
                chat.interrupt()
                while not seen.ends:
                    await asyncio.sleep(0.01)
                    assert not chat._left.is_set()
                chat.interrupt()

        async def patient() -> AsyncIterator[str]:
            yield "Count!"
            await asyncio.Event().wait()

        pressing = asyncio.create_task(press())
        await asyncio.wait_for(chat.run(patient()), 30)
        await pressing
        assert llm.cut_off == 1
    ((text, heard, error),) = seen.ends
    assert error is None
    assert heard.startswith("One two")
    assert len(heard) < len(text) < 500 * 20
    assert dialogue.turns[-1].content == heard.strip()


async def test_a_model_that_breaks_off_is_spoken_so_far_and_told(tmp_path: Path) -> None:
    from support.fake_llm import event

    llm = FakeLlm(raw=[event("Hello there. ")])
    async with chat_with(llm, tmp_path) as (chat, seen, dialogue):
        await chat.run(typed("Hi."))
        llm.status = 500
        await chat.run(typed("Again?"))
    assert seen.ends[0][:2] == ("Hello there. ", "Hello there. ")
    assert "broke off" in str(seen.ends[0][2])
    assert "500" in str(seen.ends[1][2])
    assert [turn.content for turn in dialogue.turns] == ["Hi.", "Hello there."]


async def test_lines_of_a_text_in_pieces() -> None:
    async def pieces(parts: Iterable[str]) -> AsyncIterator[str]:
        for part in parts:
            yield part

    assert [line async for line in lines(pieces(["a", "b\nc\n", "\n", "d"]))] == ["ab", "c", "", "d"]


def test_a_terminal_shows_what_was_heard_and_a_file_the_text() -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=40, height=10)
    screen = TerminalScreen(terminal)
    screen.ask()
    text = "One two three. " * 40
    screen.update(text, "One")
    screen.end(text, text[:14], None)
    assert isinstance(terminal.file, io.StringIO)
    shown = terminal.file.getvalue()
    assert shown.rstrip().endswith("\x1b[0m")
    assert "\x1b[2;9m" in shown, "what nobody heard is struck out"
    file = Console(file=io.StringIO(), width=40)
    screen = TerminalScreen(file)
    screen.ask()
    screen.update("One [b]two", "")
    screen.update("One [b]two\x1b[2J three.", "One")
    screen.end("One [b]two\x1b[2J three.", "One", VoiceAgentError("it [broke]"))
    assert isinstance(file.file, io.StringIO)
    assert file.file.getvalue() == "One [b]two[2J three.\nvoiceagent: it [broke]\n"
    assert printable("a\x1b]0;x\x07\u202eb\n") == "a]0;xb\n"


PAGES = {name: (DOCS / name).read_text(encoding="utf-8") for name in ("llm.md", "talk.md")}


@pytest.mark.parametrize("page", PAGES)
async def test_programs_in_the_documentation_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)
    monkeypatch.setattr("voiceagent.agent.load_engine", lambda *_: FakeEngine(threaded=True))
    with alsa(tmp_path):
        async with llm_server(FakeLlm()) as llm:
            names: dict[str, Any] = {}
            exec(compile(program.replace("http://127.0.0.1:8000/v1", llm.url), page, "exec"), names)
            await (names["main"]() if "main" in names else names["answer"]("Why?"))
    assert llm.requests[0]["messages"][-1]["role"] == "user"
    assert llm.cut_off == 0

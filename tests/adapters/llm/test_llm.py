"""Text from a chat server over a real socket on loopback."""

from __future__ import annotations

import asyncio
import socket
from contextlib import aclosing

import pytest
from support.fake_llm import DONE, STOP, FakeLlm, event, llm_server
from support.fakes import FakeChunker, FakeEngine

from voiceagent import VoiceAgent
from voiceagent.adapters.llm.chat_completions import ChatServer
from voiceagent.agent import speak
from voiceagent.errors import InputError, LanguageModelError
from voiceagent.talk.dialogue import Message

QUESTION = [Message("system", "Be brief."), Message("user", "Who are you?")]


async def answer(llm: FakeLlm, **settings: str) -> list[str]:
    async with llm_server(llm), ChatServer(llm.url, "m", **settings) as model:  # type: ignore[arg-type]
        return [piece async for piece in model.answer(QUESTION)]


async def broken(llm: FakeLlm) -> tuple[str, list[str]]:
    """The error that an answer ends in, and what came before."""
    pieces: list[str] = []

    async def listen(model: ChatServer) -> None:
        async for piece in model.answer(QUESTION):
            pieces.append(piece)

    async with llm_server(llm), ChatServer(llm.url, "m") as model:
        with pytest.raises(LanguageModelError) as caught:
            await listen(model)
    return str(caught.value), pieces


async def test_tokens_come_one_by_one_as_the_server_writes_them() -> None:
    llm = FakeLlm(tokens=["Hé", "", "llo\u2028", " 😀", "."], api_key="secret")
    assert await answer(llm, api_key="secret") == ["Hé", "llo\u2028", " 😀", "."]
    assert llm.requests == [
        {
            "model": "m",
            "stream": True,
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who are you?"}],
        }
    ]


async def test_a_request_carries_the_options_and_the_servers_first_model() -> None:
    async with llm_server(FakeLlm()) as llm, ChatServer(llm.url, options={"temperature": 0.2}) as model:
        assert [piece async for piece in model.answer(QUESTION)] == ["Hello", " there", "."]
    assert (llm.requests[0]["model"], llm.requests[0]["temperature"]) == ("first", 0.2)


@pytest.mark.parametrize(
    "raw",
    [
        [b": keep-alive\n\n", event("Hi."), DONE],
        [event("Hi."), STOP],  # without [DONE]
        [event(None, delta={"role": "assistant", "content": ""}), event("Hi."), STOP, b'data: {"choices": []}\n\n', DONE],
        [event("Hi.").replace(b"\n", b"\r\n"), STOP, DONE],
        [event("Hi.")[:20], event("Hi.")[20:], DONE],
        [event(None, delta={"content": None, "refusal": "Hi."}), DONE],
    ],
    ids=["comments", "no DONE", "usage", "CRLF", "cut anywhere", "refusal"],
)  # fmt: skip
async def test_every_way_that_servers_stream(raw: list[bytes]) -> None:
    assert await answer(FakeLlm(raw=raw)) == ["Hi."]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([event("Hi."), b"data: {broken\n\n"], ["no chat completion", "{broken"]),
        ([event("Hi."), b'data: {"choices": [{"delta": {"content": 7}}]}\n\n'], ["no chat completion"]),
        ([event("Hi."), b'data: {"error": {"message": "out of memory"}}\n\n'], ["failed: out of memory"]),
        ([event("Hi.")], ["broke off in the middle"]),
    ],
)
async def test_a_stream_that_goes_wrong_keeps_what_came(raw: list[bytes], words: list[str]) -> None:
    message, pieces = await broken(FakeLlm(raw=raw))
    assert all(word in message for word in words), message
    assert pieces == ["Hi."]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, '{"error": {"message": "bad key"}}', "401: bad key; give the right key: --api-key"),
        (404, '{"error": "no model m"}', "404: no model m; does the URL end in /v1"),
        (429, '{"message": "slow down"}', '429: {"message": "slow down"}'),
        (500, "<html>oops</html>", "500: <html>oops"),
        (503, "", "503: no reason"),
    ],
)
async def test_a_refusal_says_what_the_server_said(status: int, body: str, words: str) -> None:
    assert words in (await broken(FakeLlm(status=status, body=body)))[0]


async def test_a_server_that_does_not_stream_is_told() -> None:
    llm = FakeLlm(raw=[b'{"choices": [{"message": {"content": "Hi."}}]}'], media_type="application/json")
    assert "does not stream" in (await broken(llm))[0]


async def test_a_server_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with ChatServer(f"http://127.0.0.1:{port}/v1") as model:
        for asked in (model.models(), anext(model.answer(QUESTION))):
            with pytest.raises(LanguageModelError, match=r"no language model at .*--llm-url"):
                await asked
    with pytest.raises(InputError, match="looks like"):
        ChatServer("localhost:8000")


async def eventually_cut_off(llm: FakeLlm) -> None:
    for _ in range(200):
        if llm.cut_off:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the server never saw the client go")


async def test_closing_the_answer_hangs_up_on_the_server() -> None:
    async with (
        llm_server(FakeLlm(tokens=["word "] * 1000, token_s=0.01)) as llm,
        ChatServer(llm.url, "m") as model,
        aclosing(model.answer(QUESTION)) as pieces,
    ):
        assert await anext(pieces) == "word "
        await pieces.aclose()
        await eventually_cut_off(llm)
        assert llm.sent < 500


async def test_an_interruption_of_the_speech_hangs_up_on_the_server() -> None:
    llm = FakeLlm(tokens=["One two three. "] * 1000, token_s=0.01)
    async with (
        llm_server(llm),
        ChatServer(llm.url, "m") as model,
        VoiceAgent(FakeEngine(threaded=True), make_chunker=FakeChunker) as agent,
        agent.session() as session,
        aclosing(speak(session, model.answer(QUESTION))) as frames,
    ):
        assert len((await anext(frames)).samples)
        await frames.aclose()
        await eventually_cut_off(llm)
        assert llm.sent < 500

"""ElevenLabs' `multi-stream-input` over a real socket: the turns of an agent, their ends and their interruptions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from support.elevenlabs_client import Client, multi
from support.fakes import FakeEngine
from support.loopback import Server, running
from support.native import server_of

from voiceagent.settings.serve import ServeConfig

LONG = "many words " * 100 + "."


@pytest.fixture
def slow() -> Iterator[Server]:
    with running(FakeEngine(threaded=True, latency_s=0.02)) as server:
        yield server


def open_context(name: str) -> dict[str, object]:
    return {"text": " ", "context_id": name, "voice_settings": {}}


async def silent_for(client: Client, seconds: float) -> bool:
    """Whether the server says nothing for a while."""
    try:
        async with asyncio.timeout(seconds):
            await client.ws.recv()
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize(
    "flush",
    [
        {"context_id": "a", "flush": True},  # Pipecat
        {"text": "", "context_id": "a", "flush": True},  # LiveKit
        {"text": "", "contextId": "a", "flush": True},
    ],
)
async def test_a_turn_that_ends_by_flush_and_close_is_spoken_to_its_end(slow: Server, flush: dict[str, object]) -> None:
    async with multi(slow) as client:
        await client.send(open_context("a"), {"text": "Hello there. ", "context_id": "a"})
        await client.send({"text": "And goodbye", "context_id": "a"}, flush, {"context_id": "a", "close_context": True})
        said = await client.until_final("a")
        assert await silent_for(client, 0.2)
    assert said.seconds() == 0.8
    assert said.span_ms == 800
    assert said.chars == "Hello there. And goodbye "


async def test_text_flushed_with_it_is_spoken_although_the_context_closes_behind_it(slow: Server) -> None:
    async with multi(slow) as client:
        await client.send(
            {"text": "Hello there. ", "context_id": "a", "flush": True}, {"context_id": "a", "close_context": True}
        )
        assert (await client.until_final("a")).seconds() == 0.4


async def test_close_without_flush_is_an_interruption(slow: Server) -> None:
    async with multi(slow) as client:
        await client.send(open_context("a"), {"text": LONG, "context_id": "a"})
        await client.until_audio("a")
        await client.send({"context_id": "a", "close_context": True})
        said = await client.until_final("a")
        assert said.seconds() < 10
        assert await silent_for(client, 0.3), "audio of a closed context"
        assert slow.fake.cancelled == [1]
        await client.send(open_context("b"), {"text": "Next.", "context_id": "b", "flush": True})
        await client.until_audio("b")


async def test_sentences_in_auto_mode_are_spoken_at_once_and_can_be_interrupted(slow: Server) -> None:
    async with multi(slow, "auto_mode=true") as client:
        await client.send(open_context("a"), {"text": "No space behind me.", "context_id": "a"})
        await client.until_audio("a")
        await client.send({"text": LONG, "context_id": "a"}, {"context_id": "a", "close_context": True})
        assert (await client.until_final("a")).seconds() < 10
    assert slow.fake.cancelled == [1]


async def test_a_second_close_interrupts_what_the_first_let_finish(slow: Server) -> None:
    """Pipecat closes a context at the end of the turn, and once more when it is interrupted after that."""
    async with multi(slow) as client:
        await client.send(open_context("a"), {"text": LONG, "context_id": "a"}, {"context_id": "a", "flush": True})
        await client.send({"context_id": "a", "close_context": True})
        await client.until_audio("a")
        await client.send({"context_id": "a", "close_context": True})
        assert (await client.until_final("a")).seconds() < 10
        assert await silent_for(client, 0.3), "audio of a closed context"
    assert slow.fake.cancelled == [1]


async def test_text_behind_the_last_flush_is_dropped_with_its_context(slow: Server) -> None:
    async with multi(slow) as client:
        await client.send(
            {"text": "First. ", "context_id": "a", "flush": True}, {"text": "Second. ", "context_id": "a"}
        )
        await client.send({"context_id": "a", "close_context": True})
        said = await client.until_final("a")
    assert said.seconds() == 0.2


async def test_closing_what_has_been_spoken_loses_nothing(server: Server) -> None:
    async with multi(server, "output_format=mp3_44100_128") as client:
        await client.send({"text": "Hello there.", "context_id": "a", "flush": True})
        await client.until_audio("a")
        await asyncio.sleep(0.2)
        await client.send({"context_id": "a", "close_context": True})
        said = await client.until_final("a")
    assert 6_000 < len(said.audio) < 8_500  # 0.4 s at 16,000 bytes a second, and what the codec adds
    assert said.span_ms == 400


async def test_contexts_speak_side_by_side_and_are_never_mixed(server: Server) -> None:
    async with multi(server) as client:
        names = ["a", "b", "c", "d", "e"]
        for name in names:
            await client.send(open_context(name))
        for name in names:
            await client.send({"text": f"{name * 3} said this.", "context_id": name})
            await client.send({"context_id": name, "flush": True}, {"context_id": name, "close_context": True})
        for name in names:
            said = await client.until_final(name)
            assert said.chars == f"{name * 3} said this. "
            assert len({said.audio[i : i + 2] for i in range(0, len(said.audio), 2)}) == 1


async def test_a_sixth_context_is_refused_and_the_others_go_on(slow: Server) -> None:
    async with multi(slow) as client:
        for name in "abcdef":
            await client.send({"text": "Hello there. ", "context_id": name, "flush": True})
        refused = await client.until_final("f")
        assert refused.errors == [
            {
                "message": "Maximum simultaneous contexts per WebSocket connection exceeded (5). "
                "Please close an existing context before opening a new one.",
                "error": "max_active_conversations",
                "code": 1008,
                "contextId": "f",
                "context_id": "f",
            }
        ]
        for name in "abcde":
            await client.send({"context_id": name, "close_context": True})
            assert (await client.until_final(name)).seconds() == 0.4
        await client.send({"text": "Now. ", "context_id": "f", "flush": True})
        await client.until_audio("f")


async def test_a_closed_context_leaves_its_place_at_once(slow: Server) -> None:
    """Many interruptions in a row: each turn is cut off by the next."""
    async with multi(slow) as client:
        for turn in range(12):
            await client.send(open_context(f"t{turn}"), {"text": LONG, "context_id": f"t{turn}"})
            await client.send({"context_id": f"t{turn}", "close_context": True})
        for turn in range(12):
            assert not (await client.until_final(f"t{turn}")).errors


async def test_keep_alives_open_nothing_and_say_nothing(server: Server) -> None:
    async with multi(server) as client:
        await client.send({"text": ""}, {"text": "", "context_id": "a"}, {"context_id": "a", "flush": True})
        await client.send({"context_id": "a", "close_context": True}, {"close_context": True})
        assert await silent_for(client, 0.2)
        assert not server.fake.options


async def test_a_context_without_text_still_gets_its_end(server: Server) -> None:
    async with multi(server) as client:
        await client.send(open_context("a"), {"context_id": "a", "flush": True})
        await client.send({"context_id": "a", "close_context": True})
        assert (await client.until_final("a")).audio == b""


async def test_the_default_context_has_no_name(server: Server) -> None:
    async with multi(server) as client:
        await client.send({"text": "Hello.", "flush": True}, {"close_context": True})
        assert (await client.until_final(None)).seconds() == 0.2


async def test_a_name_can_be_used_again_while_its_last_text_is_spoken(slow: Server) -> None:
    async with multi(slow) as client:
        await client.send({"text": "One two three.", "context_id": "a", "flush": True})
        await client.send({"context_id": "a", "close_context": True})
        await client.send(
            {"text": "Four. ", "context_id": "a", "flush": True}, {"context_id": "a", "close_context": True}
        )
        first, second = await client.until_final("a"), await client.until_final("a")
    assert (first.chars, second.chars) == ("One two three. ", "Four. ")
    assert (first.span_ms, second.span_ms) == (600, 200)


async def test_close_socket_lets_flushed_text_be_spoken_and_then_closes(slow: Server) -> None:
    async with multi(slow) as client:
        await client.send({"text": "Flushed text. ", "context_id": "a", "flush": True})
        await client.send({"text": LONG, "context_id": "b"})
        await client.send({"close_socket": True}, {"text": "Too late.", "context_id": "c"})
        assert await client.until_closed() == (1000, "")
    assert client.said["a"].seconds() == 0.4
    assert client.said["a"].final
    assert client.said["b"].final
    assert "c" not in client.said


async def test_close_socket_with_nothing_open_closes_at_once(server: Server) -> None:
    async with multi(server) as client:
        began = time.monotonic()
        await client.send({"close_socket": True})
        assert await client.until_closed() == (1000, "")
    assert time.monotonic() - began < 1.5


async def test_a_forgotten_context_ends_and_an_idle_connection_closes(server: Server) -> None:
    async with multi(server, "inactivity_timeout=1") as client:
        await client.send({"text": "No full stop and no flush", "context_id": "a"})
        said = await client.until_final("a")
        assert said.chars == "No full stop and no flush "
        assert await client.until_closed() == (1000, "")


async def test_keep_alives_keep_a_context(server: Server) -> None:
    async with multi(server, "inactivity_timeout=1") as client:
        await client.send(open_context("a"))
        for _ in range(4):
            await asyncio.sleep(0.5)
            await client.send({"text": "", "context_id": "a"})
        await client.send({"text": "Still here.", "context_id": "a", "flush": True})
        await client.until_audio("a")


async def test_sync_alignment_counts_normalised_characters_from_the_start_of_the_context(server: Server) -> None:
    async with multi(server, "sync_alignment=true") as client:
        await client.send({"text": "One two three.", "context_id": "a", "flush": True})
        await client.send({"context_id": "a", "close_context": True})
        said = await client.until_final("a")
    assert said.normalized_starts_ms == said.starts_ms == sorted(said.starts_ms)
    assert said.starts_ms[said.chars.index("three")] == 400


async def test_without_it_they_are_relative_to_their_message(server: Server) -> None:
    async with multi(server) as client:
        await client.send({"text": "One two three.", "context_id": "a", "flush": True})
        await client.send({"context_id": "a", "close_context": True})
        said = await client.until_final("a")
    assert max(said.normalized_starts_ms) <= 200
    assert said.starts_ms == sorted(said.starts_ms)


async def test_an_agent_gets_audio_little_ahead_of_playing(server: Server) -> None:
    """Who will interrupt wants no minutes of speech in advance."""
    async with multi(server) as client:
        await client.send({"text": "word " * 200 + ".", "context_id": "a", "flush": True})
        began = time.monotonic()
        while (spent_s := time.monotonic() - began) < 1.5:
            await client.message()
        assert not client.said["a"].final
        assert 4 < client.said["a"].seconds() < 6 + spent_s


async def test_an_engine_that_fails_ends_one_context_only() -> None:
    with running(FakeEngine(threaded=True, fail_on="bomb")) as server:
        async with multi(server) as client:
            await client.send({"text": "A bomb. ", "context_id": "a", "flush": True})
            await client.send({"text": "Fine. ", "context_id": "b", "flush": True})
            failed = await client.until_final("a")
            await client.until_audio("b")
    assert [error["error"] for error in failed.errors] == ["internal_error"]


async def test_a_service_that_ends_lets_open_contexts_finish() -> None:
    async with server_of(FakeEngine(threaded=True, latency_s=0.02)) as (address, service, ending):
        server = Server(address.removeprefix("ws://"), service, asyncio.get_running_loop())
        async with multi(server) as idle, multi(server) as client:
            await idle.send({"text": ""})
            await client.send({"text": "Hello there. ", "context_id": "a"})
            await client.until_audio("a")
            ending.should_exit = True  # as on SIGTERM
            assert await idle.until_closed() == (1001, "")
            await client.send({"text": "No place. ", "context_id": "b"})
            await client.send({"text": "And more. ", "context_id": "a", "flush": True})
            await client.send({"context_id": "a", "close_context": True})
            assert await client.until_closed() == (1001, "")
    assert client.said["a"].seconds() == 0.8
    assert client.said["a"].final
    assert [error["error"] for error in client.said["b"].errors] == ["system_busy"]


async def test_keys_and_voices_as_on_the_other_socket() -> None:
    with running(FakeEngine(threaded=True), ServeConfig(auth_tokens=("sesame",))) as server:
        async with multi(server) as client:
            await client.send({**open_context("a"), "xi-api-key": "sesame"}, {"text": "Hi. ", "context_id": "a"})
            await client.until_audio("a")
        async with multi(server) as client:
            await client.send(open_context("a"))
            assert await client.until_closed() == (1008, "Invalid API key")
        async with multi(server, voice="nobody", additional_headers={"xi-api-key": "sesame"}) as client:
            assert await silent_for(client, 0.2)
            await client.send(open_context("a"))
            assert (await client.until_closed())[0] == 1008

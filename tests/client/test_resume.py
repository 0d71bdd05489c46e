"""A client whose connection breaks: nothing of its speech is lost, and nothing comes twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cutter import line_to
from support.loopback import Server, running
from support.noise import NoiseEngine
from support.waiting import eventually

from voiceagent.client import Frame, Utterance, connect
from voiceagent.client.outbox import Outbox
from voiceagent.errors import ConnectionFailed, ProtocolError
from voiceagent.protocol import commands, events
from voiceagent.settings.serve import ServeConfig

TEXT = "".join(f"Sentence number {n}. " for n in range(8))
WORDS = [word.rstrip(".") for word in TEXT.split()]


@pytest.fixture
def server() -> Iterator[Server]:
    with running(NoiseEngine(latency_s=0.005)) as server:
        yield server


def said(server: Server, stream: int = 1) -> bytes:
    assert isinstance(server.fake, NoiseEngine)
    return server.fake.said(stream)


async def hear(utterance: Utterance) -> list[Frame]:
    async with asyncio.timeout(30):
        return [frame async for frame in utterance]


@pytest.mark.parametrize("after", [1, 300, 5_000, 50_001])
async def test_a_line_cut_in_the_middle_of_a_word(server: Server, after: int) -> None:
    async with line_to(server.address) as (line, url), connect(url, max_ahead_ms=60_000) as client:
        line.cut_after = after
        async with client.utterance() as utterance:
            await utterance.send(TEXT)
            await utterance.end()
            frames = await hear(utterance)
    assert line.connections == 2
    assert b"".join(frame.payload for frame in frames) == said(server)
    assert [frame.seq for frame in frames] == list(range(len(frames)))
    assert [word.text for frame in frames for word in frame.words] == WORDS
    assert utterance.warnings == []


async def test_a_line_cut_again_and_again_while_tokens_are_sent(server: Server) -> None:
    async with line_to(server.address) as (line, url), connect(url, max_ahead_ms=60_000) as client:

        async def tokens() -> AsyncIterator[str]:
            for begin in range(0, len(TEXT), 4):
                await eventually(lambda: line.up)
                yield TEXT[begin : begin + 4]
                if begin % 40 == 0:
                    line.cut()
                elif begin % 20 == 0:
                    line.swallow()  # sent, and never arrived

        async with asyncio.timeout(60):
            frames = [frame async for frame in client.speak(tokens())]
    assert line.connections > 3
    assert "".join(server.fake.spoken) == TEXT
    assert b"".join(frame.payload for frame in frames) == said(server)
    words = "".join(word.text for frame in frames for word in frame.words)
    assert words == "".join(WORDS)  # a deadline may cut a word in two where a token came late


async def test_two_utterances_both_go_on(server: Server) -> None:
    async with line_to(server.address) as (line, url), connect(url, max_ahead_ms=60_000) as client:
        line.cut_after = 20_000
        async with client.utterance() as one, client.utterance() as two:
            for utterance in (one, two):
                await utterance.send(TEXT)
                await utterance.end()
            heard = await asyncio.gather(hear(one), hear(two))
    for stream, frames in enumerate(heard, start=1):
        assert b"".join(frame.payload for frame in frames) == said(server, stream)


async def test_a_cancel_that_never_arrived_is_sent_again(server: Server) -> None:
    server.fake.latency_s = 0.05
    async with line_to(server.address) as (line, url), connect(url) as client, client.utterance() as utterance:
        await utterance.send(TEXT)
        await anext(utterance)
        line.swallow()
        cancelling = asyncio.create_task(utterance.cancel(played_s=0.2))
        await asyncio.sleep(0.05)
        line.cut()
        heard = await asyncio.wait_for(cancelling, 10)
    assert heard.text_spoken == "Sentence"
    assert line.connections == 2


async def test_what_was_left_while_the_line_was_down_is_stopped(server: Server) -> None:
    server.fake.latency_s = 0.05
    async with line_to(server.address) as (line, url), connect(url) as client:
        async with client.utterance() as utterance:
            await utterance.send(TEXT * 20)
            await anext(utterance)
            line.swallow()
        line.cut()
        await eventually(lambda: not server.fake.live)
        assert [frame async for frame in client.speak("Hello.")]


async def test_a_flush_that_never_arrived_is_sent_again(server: Server) -> None:
    async with line_to(server.address) as (line, url), connect(url, buffering="sentence") as client:
        assert client.voices
        async with client.utterance() as utterance:
            await utterance.send("One two three")
            await asyncio.sleep(0.05)
            line.swallow()
            flushing = asyncio.create_task(utterance.flush(wait=True))
            await asyncio.sleep(0.05)
            line.cut()
            await asyncio.wait_for(flushing, 10)
            frame = await anext(utterance)
    assert frame.words[0].text == "One"


async def test_where_the_server_keeps_nothing_the_utterance_fails_and_the_client_lives() -> None:
    with running(NoiseEngine(latency_s=0.02), ServeConfig(resume_window_s=0)) as server:
        async with line_to(server.address) as (line, url), connect(url) as client:
            async with client.utterance() as utterance:
                await utterance.send(TEXT)
                await anext(utterance)
                line.cut()
                with pytest.raises(ConnectionFailed, match="connection lost"):
                    await hear(utterance)
            async with asyncio.timeout(10):
                assert [frame async for frame in client.speak("Hello.")]


async def test_a_server_that_does_not_come_back() -> None:
    with running(NoiseEngine(latency_s=0.02), ServeConfig(resume_window_s=0.4)) as server:
        async with line_to(server.address) as (line, url), connect(url) as client:
            async with client.utterance() as utterance:
                await utterance.send(TEXT)
                await anext(utterance)
                line.dead = True
                line.cut()
                with pytest.raises(ConnectionFailed, match="connection lost"):
                    await hear(utterance)
            with pytest.raises(ConnectionFailed):
                await asyncio.wait_for(anext(client.speak("Hello.")), 5)


async def test_who_does_not_want_to_reconnect_is_told_at_once(server: Server) -> None:
    async with line_to(server.address) as (line, url), connect(url, reconnect=False) as client:
        assert line.connections == 1
        async with client.utterance() as utterance:
            await utterance.send(TEXT)
            line.cut()
            with pytest.raises(ConnectionFailed, match="connection lost"):
                await hear(utterance)
            with pytest.raises(ConnectionFailed):
                await utterance.send("more")
    assert line.connections == 1


WRITES = st.lists(st.one_of(st.text("ab. ", min_size=1, max_size=6), st.none()), max_size=12)


@given(WRITES, st.booleans(), st.lists(st.integers(0, 30), max_size=4))
def test_whatever_arrives_in_the_end_is_what_was_written(
    writes: list[str | None], ended: bool, losses: list[int]
) -> None:
    """None is a flush; each loss lets that many more commands arrive and swallows the others."""
    outbox = Outbox(commands.Start("u"))
    for write in writes:
        if write is None:
            outbox.flush()
        else:
            outbox.write(write)
    if ended:
        outbox.end()
    text, flushed, over, begun = "", set[int](), False, False

    def arrive(command: commands.Command) -> None:
        nonlocal text, over, begun
        match command:
            case commands.Start():
                assert not begun
                begun = True
            case commands.Text(text=more):
                assert begun
                assert not over
                text += more
            case commands.Flush():
                flushed.add(len(text))
            case commands.End():
                assert not over
                over = True

    for arriving in losses:
        for _ in range(arriving):
            if (command := outbox.next()) is not None:
                arrive(command)
        while outbox.next() is not None:
            pass
        outbox.rewind(events.Received("u", len(text), over) if begun else None, started=False)
    while (command := outbox.next()) is not None:
        arrive(command)
    written = "".join(write or "" for write in writes)
    assert (text, over) == (written, ended)
    assert flushed == {len("".join(w or "" for w in writes[:i])) for i, w in enumerate(writes) if w is None}


class NoLine:
    async def send(self, outbox: Outbox) -> None:
        pass


async def test_a_frame_that_comes_twice_counts_once_and_a_missing_one_is_an_error() -> None:
    utterance = Utterance(NoLine(), commands.Start("u"), events.Ready("s", {}))
    for seq in (0, 1, 1, 0, 2):
        utterance.take_audio((0, 1, seq, 0), bytes([seq, seq]))
    assert [(await anext(utterance)).payload for _ in range(3)] == [b"\0\0", b"\1\1", b"\2\2"]
    utterance.take_audio((0, 1, 4, 0), b"\4\4")
    with pytest.raises(ProtocolError, match="frames 3 to 3"):
        await anext(utterance)

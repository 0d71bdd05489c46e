"""Speech in-process, with a fake engine on a thread of its own."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from support.fakes import FakeChunker, FakeEngine

from voiceagent import InputError, NoCapacity, SynthesisError, UnknownVoice, VoiceAgent
from voiceagent.agent import speak
from voiceagent.settings.serve import Limits


def agent_of(engine: FakeEngine, limits: Limits | None = None) -> VoiceAgent:
    return VoiceAgent(engine, make_chunker=FakeChunker, limits=limits)


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def tokens(*pieces: str) -> AsyncIterator[str]:
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


async def test_frames_carry_samples_pcm_and_words() -> None:
    async with agent_of(FakeEngine(threaded=True)) as agent, agent.session() as session:
        await session.send("Hello ")
        await session.send("there.")
        await session.end()
        frames = [frame async for frame in session]
    assert [word.text for frame in frames for word in frame.words] == ["Hello", "there"]
    samples = np.concatenate([frame.samples for frame in frames])
    assert len(samples) == 9600
    assert b"".join(frame.pcm for frame in frames) == np.rint(samples * 32767).astype("<i2").tobytes()


async def test_sound_comes_before_the_text_is_complete() -> None:
    async with agent_of(FakeEngine(threaded=True)) as agent, agent.session() as session:
        await session.send("First sentence. ")
        frames = aiter(session)
        first = await anext(frames)
        assert first.words[0].text == "First"
        await session.send("Second.")
        await session.end()
        rest = [frame async for frame in frames]
    assert [word.text for frame in rest for word in frame.words] == ["sentence", "Second"]


async def test_a_session_speaks_one_utterance_after_the_other() -> None:
    async with agent_of(FakeEngine(threaded=True)) as agent, agent.session("joe", speed=1.5, seed=7) as session:
        for text in ("One.", "Two."):
            await session.send(text)
            await session.end()
            assert [word.text async for frame in session for word in frame.words] == [text[:-1]]


async def test_say_returns_a_clip_that_can_be_saved(tmp_path: Path) -> None:
    async with agent_of(FakeEngine(threaded=True)) as agent:
        clip = await agent.say("Hello there.")
        streamed = await agent.say(tokens("Hel", "lo the", "re."))
    assert clip.duration_s == pytest.approx(0.4)
    assert [word.text for word in streamed.words] == ["Hello", "there"]
    clip.save(tmp_path / "hello.wav")
    assert listing(tmp_path) == ["hello.wav"]
    with wave.open(str(tmp_path / "hello.wav")) as file:
        assert (file.getframerate(), file.getnframes(), file.getsampwidth()) == (24_000, 9600, 2)


async def test_two_sessions_are_not_mixed() -> None:
    engine = FakeEngine(threaded=True)
    async with agent_of(engine) as agent:
        clips = await asyncio.gather(*(agent.say("One two three. " * 20) for _ in range(8)))
    levels = [np.unique(clip.samples) for clip in clips]
    assert all(len(level) == 1 for level in levels)
    assert len({float(level[0]) for level in levels}) == 8


async def test_cancel_ends_the_iteration_and_the_next_utterance_works() -> None:
    engine = FakeEngine(threaded=True, latency_s=0.01)
    async with agent_of(engine) as agent, agent.session() as session:
        await session.send("One two three four five. " * 50)
        await session.end()
        count = 0
        async for _ in session:
            count += 1
            if count == 3:
                await session.cancel(played_s=0.2)
        assert count < 50
        assert engine.cancelled
        await session.send("Next.")
        await session.end()
        assert [word.text async for frame in session for word in frame.words] == ["Next"]


async def test_leaving_early_stops_the_engine() -> None:
    engine = FakeEngine(threaded=True, latency_s=0.01)
    async with agent_of(engine) as agent, agent.session() as session:
        await session.send("One two three four five. " * 50)
        async for _ in session:
            break
    assert engine.cancelled
    assert not engine.live


async def test_text_that_fails_ends_the_speech_with_its_error() -> None:
    async def failing() -> AsyncIterator[str]:
        yield "One two. "
        raise ConnectionError("the language model went away")

    async with agent_of(FakeEngine(threaded=True)) as agent:
        with pytest.raises(ConnectionError):
            await agent.say(failing())
        assert (await agent.say("Still here.")).duration_s == pytest.approx(0.4)


async def test_stopping_speak_early_stops_the_writer() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                yield "One two. "
                await asyncio.sleep(0)
        finally:
            closed.set()

    async with agent_of(FakeEngine(threaded=True)) as agent, agent.session() as session:
        frames = speak(session, endless())
        await anext(frames)
        await frames.aclose()
        await asyncio.wait_for(closed.wait(), 5)


@pytest.mark.parametrize("room", [40, 5_000])
async def test_a_text_longer_than_the_buffer_is_spoken_whole(room: int) -> None:
    engine = FakeEngine(threaded=True, word_s=0.02)
    async with agent_of(engine, Limits(max_text_buffer=room)) as agent:
        clip = await agent.say("word. " * 2_000)
    assert len(clip.words) == 2_000


async def test_sending_without_end_and_without_a_listener_is_an_error_not_a_hang() -> None:
    engine = FakeEngine(threaded=True, word_s=5.0)
    async with agent_of(engine) as agent, agent.session() as session:
        with pytest.raises(NoCapacity, match="iterate"):
            await session.send("word. " * 10_000)


@pytest.mark.parametrize("text", ["", ".", "...", "😀", "\x00", "\ud800", "a", "a" * 20_000])
async def test_odd_texts_end_and_the_next_one_works(text: str) -> None:
    async with agent_of(FakeEngine(threaded=True)) as agent:
        await agent.say(text)
        assert (await agent.say("Fine.")).duration_s == pytest.approx(0.2)


async def test_what_cannot_be_spoken_raises() -> None:
    async with agent_of(FakeEngine(threaded=True, fail_on="bad", max_streams=1)) as agent:
        with pytest.raises(UnknownVoice, match="heart, joe"):
            await agent.say("Hello.", voice="nobody")
        for speed in (0.1, 9.0, float("nan")):
            with pytest.raises(InputError, match="speed"):
                await agent.say("Hello.", speed=speed)
        with pytest.raises(SynthesisError, match="told to fail"):
            await agent.say("bad.")
        async with agent.session() as session:
            await session.send("One")
            with pytest.raises(NoCapacity):
                await agent.say("Two.")


async def test_misuse_is_told() -> None:
    with pytest.raises(InputError, match="enter the agent"):
        await VoiceAgent(FakeEngine()).say("Hello.")
    async with agent_of(FakeEngine()) as agent:
        async with agent.session() as session:
            await session.send("One.")
            await session.end()
            with pytest.raises(InputError, match="ended"):
                await session.send("Two.")
        with pytest.raises(InputError, match="closed"):
            await session.send("Three.")


async def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    async with agent_of(FakeEngine()) as agent:
        clip = await agent.say("Hello.")
    with pytest.raises(InputError, match="no folder"):
        clip.save(tmp_path / "absent" / "a.wav")
    with pytest.raises(InputError, match="is a folder"):
        clip.save(tmp_path)

"""The typed client against a real server on loopback, with a fake engine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
from support.fakes import FakeEngine
from support.loopback import Server, running
from support.noise import NoiseEngine
from support.waiting import eventually

from voiceagent.audio.formats import AudioFormat
from voiceagent.client import Frame, Utterance, connect
from voiceagent.client import utterance as client_utterance
from voiceagent.errors import (
    ConnectionFailed,
    InputError,
    NoCapacity,
    SynthesisError,
    UnknownVoice,
)
from voiceagent.settings.serve import Limits, ServeConfig


@pytest.fixture
def server() -> Iterator[Server]:
    with running(NoiseEngine()) as server:
        yield server


def noise(server: Server) -> NoiseEngine:
    assert isinstance(server.fake, NoiseEngine)
    return server.fake


async def hear(utterance: Utterance) -> list[Frame]:
    async with asyncio.timeout(20):
        return [frame async for frame in utterance]


def joined(frames: list[Frame]) -> bytes:
    return b"".join(frame.payload for frame in frames)


async def test_what_the_engine_said_arrives_with_its_words(server: Server) -> None:
    async with connect(server.ws, voice="joe") as client, client.utterance() as utterance:
        assert client.voices == ("heart", "joe")
        for token in ("Hel", "lo there", ". Fi", "ne."):
            await utterance.send(token)
        await utterance.end()
        frames = await hear(utterance)
    assert joined(frames) == noise(server).said()
    assert [(word.text, word.char_start, word.char_end) for frame in frames for word in frame.words] == [
        ("Hello", 0, 5),
        ("there", 6, 11),
        ("Fine", 13, 17),
    ]
    assert [frame.seq for frame in frames] == list(range(len(frames)))
    assert frames[1].pts_samples == len(frames[0].samples)
    assert utterance.done is not None
    assert (utterance.done.audio_ms, utterance.done.chars) == (600, 18)
    assert server.fake.options[1].voice == "joe"


async def test_samples_are_those_of_the_engine_in_either_encoding(server: Server) -> None:
    async with connect(server.ws) as client:
        for stream, encoding in enumerate(("pcm_s16le", "pcm_f32le"), start=1):
            frames = [f async for f in client.speak("One two.", format=AudioFormat(encoding))]
            samples = np.concatenate([frame.samples for frame in frames])
            said = np.frombuffer(noise(server).said(stream), "<i2") / 32767
            assert samples.dtype == np.float32
            assert np.abs(samples - said).max() < 1 / 32767
            assert b"".join(frame.pcm for frame in frames) == noise(server).said(stream)


async def test_an_encoding_without_samples_says_so(server: Server) -> None:
    async with connect(server.ws, format=AudioFormat("mulaw", 8_000)) as client:
        frames = [frame async for frame in client.speak("One.")]
    assert len(joined(frames)) == pytest.approx(8_000 * 0.2, abs=2)
    assert frames[0].sample_rate == 8_000
    with pytest.raises(InputError, match="ask for pcm_s16le"):
        _ = frames[0].samples


async def test_several_utterances_at_once_on_one_connection(server: Server) -> None:
    async with connect(server.ws) as client:
        async with client.utterance() as one, client.utterance() as two:
            await two.send("Four five six seven.")
            await one.send("One two three.")
            await one.end()
            await two.end()
            heard = await asyncio.gather(hear(one), hear(two))
        assert [joined(frames) for frames in heard] == [noise(server).said(n) for n in (1, 2)]


async def test_tokens_are_spoken_while_they_come(server: Server) -> None:
    spoken = asyncio.Event()

    async def tokens() -> AsyncIterator[str]:
        yield "First. "
        await asyncio.wait_for(spoken.wait(), 10)  # never, if nothing were spoken before the text is complete
        yield "Second."

    async with connect(server.ws) as client:
        words: list[str] = []
        async for frame in client.speak(tokens()):
            words += [word.text for word in frame.words]
            spoken.set()
    assert words == ["First", "Second"]


async def test_an_error_of_the_one_who_writes_is_raised_and_stops_the_speech(server: Server) -> None:
    async def tokens() -> AsyncIterator[str]:
        yield "First. "
        raise RuntimeError("the language model fell over")

    async with connect(server.ws) as client:
        with pytest.raises(RuntimeError, match="fell over"):
            async for _ in client.speak(tokens()):
                pass
        await eventually(lambda: not server.fake.live)


async def test_flush_speaks_what_waits() -> None:
    with running(FakeEngine(threaded=True, word_s=0.05)) as server:
        async with connect(server.ws) as client, client.utterance(buffering="sentence") as utterance:
            await utterance.send("No full stop")
            async with asyncio.timeout(10):
                await utterance.flush(wait=True)
                frame = await anext(utterance)
            assert frame.words[0].text == "No"
            await utterance.send(" but more.")
            await utterance.end()
            assert [word.text for frame in await hear(utterance) for word in frame.words][-1] == "more"


async def test_cancel_tells_what_was_heard_and_ends_the_iteration(server: Server) -> None:
    async with connect(server.ws) as client, client.utterance() as utterance:
        await utterance.send("One two three four. Five six")
        await anext(utterance)
        reading = asyncio.create_task(hear(utterance))
        heard = await asyncio.wait_for(utterance.cancel(played_s=0.41), 10)
        await reading
        assert (heard.text_spoken, heard.text_remaining) == ("One two", " three four. Five six")
        assert heard.played_ms == 410
        assert await utterance.cancel() is heard
        with pytest.raises(InputError, match="cancelled"):
            await utterance.send("more")
    assert await hear(utterance) == []


async def test_what_is_done_may_still_be_playing_when_it_is_cancelled(server: Server) -> None:
    async with connect(server.ws) as client, client.utterance() as utterance:
        await utterance.send("One two three.")
        await utterance.end()
        assert len(joined(await hear(utterance))) == 2 * 14_400
        heard = await asyncio.wait_for(utterance.cancel(played_s=0.2), 10)
    assert heard.text_spoken == "One"


async def test_played_tells_the_server_how_far_the_listener_is(server: Server) -> None:
    async with connect(server.ws) as client, client.utterance() as utterance:
        await utterance.send("One two three.")
        await utterance.end()
        await hear(utterance)
        await utterance.played(0.4)
        heard = await asyncio.wait_for(utterance.cancel(), 10)
    assert heard.played_ms == 400
    assert heard.text_spoken == "One two"


async def test_leaving_an_utterance_stops_its_speech_and_leaves_the_others(server: Server) -> None:
    server.fake.latency_s = 0.01
    async with connect(server.ws) as client, client.utterance() as other:
        async with client.utterance() as utterance:
            await utterance.send("word " * 500 + ".")
            await anext(utterance)
        await eventually(lambda: 2 not in server.fake.live)
        await other.send("Still here.")
        await other.end()
        assert [word.text for frame in await hear(other) for word in frame.words] == ["Still", "here"]


async def test_a_start_may_preempt_the_others(server: Server) -> None:
    async with connect(server.ws) as client, client.utterance() as first:
        await first.send("One two three")
        async with client.utterance(preempt=True) as second:
            assert await hear(first) == []
            await second.send("Four.")
            await second.end()
            assert len(await hear(second)) > 0


async def test_a_long_text_waits_until_there_is_room() -> None:
    limits = Limits(max_text_buffer=60)
    with running(FakeEngine(threaded=True, word_s=0.05), ServeConfig(limits=limits, text_wait_s=0)) as server:
        async with connect(server.ws, max_ahead_ms=60_000) as client:
            text = "".join(f"Sentence number {n}. " for n in range(40))  # 800 characters, and 60 may wait

            async def tokens() -> AsyncIterator[str]:
                for begin in range(0, len(text), 10):
                    yield text[begin : begin + 10]

            async with asyncio.timeout(30):
                words = [word async for frame in client.speak(tokens()) for word in frame.words]
    assert len(words) == 120
    assert text[words[-1].char_start : words[-1].char_end] == "39"


async def test_text_that_the_server_refuses_ends_the_utterance_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_utterance, "IDLE_S", 0.05)
    limits = Limits(max_text_buffer=20)
    with running(FakeEngine(threaded=True), ServeConfig(limits=limits, text_wait_s=0)) as server:
        async with connect(server.ws) as client:
            async with client.utterance() as utterance:
                await utterance.send("One. ")
                with pytest.raises(NoCapacity, match="more than 20 characters"):
                    await utterance.send("two " * 100)
                with pytest.raises(NoCapacity, match="more than 20 characters"):
                    await hear(utterance)
            await eventually(lambda: not server.fake.live)


async def test_what_cannot_be_spoken_is_an_error_of_ours(server: Server) -> None:
    async with connect(server.ws) as client:
        with pytest.raises(UnknownVoice, match="voices here: heart, joe") as caught:
            [frame async for frame in client.speak("Hello.", voice="nobody")]
        assert caught.value.known == ("heart", "joe")
        with pytest.raises(InputError, match="speed 9 is not within"):
            async with client.utterance(speed=9):
                pass
        async with client.utterance() as utterance:
            await utterance.send("Hello.")
            await utterance.end()
            with pytest.raises(InputError, match="has been ended"):
                await utterance.send("more")
            assert await hear(utterance)  # none of this has hurt the connection


async def test_an_engine_that_fails_in_the_middle() -> None:
    with running(FakeEngine(threaded=True, fail_on="bad")) as server:
        async with connect(server.ws) as client, client.utterance() as utterance:
            await utterance.send("Good. Then bad.")
            assert (await anext(utterance)).words[0].text == "Good"
            with pytest.raises(SynthesisError, match="told to fail"):
                await hear(utterance)


async def test_more_utterances_than_the_server_allows() -> None:
    with running(FakeEngine(threaded=True), ServeConfig(limits=Limits(max_open=1))) as server:
        async with connect(server.ws) as client, client.utterance(), client.utterance() as second:
            with pytest.raises(NoCapacity, match="open already"):
                await hear(second)


async def test_warnings_are_kept(server: Server) -> None:
    async with connect(server.ws) as client, client.utterance() as utterance:
        await utterance.send("...")
        await utterance.end()
        assert joined(await hear(utterance)) == b""
        assert utterance.warnings == ["nothing in this text can be spoken"]


async def test_the_token_opens_the_door() -> None:
    with running(FakeEngine(threaded=True), ServeConfig(auth_tokens=("secret",))) as server:
        async with connect(server.ws, token="secret") as client:
            assert [frame async for frame in client.speak("Hello.")]
        for wrong in (None, "guess"):
            with pytest.raises(ConnectionFailed, match="token="):
                async with connect(server.ws, token=wrong):
                    pass


async def test_where_no_server_is(server: Server) -> None:
    with pytest.raises(ConnectionFailed, match="voiceagent serve"):
        async with connect("ws://127.0.0.1:9"):
            pass
    with pytest.raises(InputError, match=r"ws://127\.0\.0\.1:8080"):
        async with connect("127.0.0.1:8080"):
            pass
    with pytest.raises(ConnectionFailed, match="/v1/stream"):
        async with connect(f"{server.ws}/healthz"):
            pass


async def test_every_connection_taken() -> None:
    with running(FakeEngine(threaded=True), ServeConfig(max_connections=1)) as server:
        async with connect(server.ws):
            with pytest.raises(NoCapacity):
                async with connect(server.ws):
                    pass


def test_the_client_loads_neither_torch_nor_the_engine() -> None:
    program = "import sys, voiceagent.client; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/").stdout
    loaded = set(out.split())
    assert (
        not {
            "torch",
            "voiceagent.engine.engine",
            "voiceagent.session.async_session",
            "voiceagent.session.session",
            "starlette",
        }
        & loaded
    )

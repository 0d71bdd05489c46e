"""A connection that is lost in the middle of a word, and what comes after it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from support.fakes import FakeEngine
from support.native import Client, client_of, serving
from support.waiting import eventually
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voiceagent.protocol import outputs
from voiceagent.protocol.wire import decode_audio
from voiceagent.service.service import Service
from voiceagent.settings.engine import EngineConfig
from voiceagent.settings.serve import Limits

TEXT = "One two three four five six seven eight nine ten. " * 4
START = {"max_ahead_ms": 60_000}


class Singer(FakeEngine):
    """Its samples differ everywhere, so that a frame that is left out or said twice shows."""

    def _deliver(self, stream: int, output: outputs.Output) -> None:
        if isinstance(output, outputs.Speech) and len(output.samples):
            t = output.words[0].start_s + np.arange(len(output.samples)) / self.sample_rate
            tone = 0.5 * np.sin(2 * np.pi * (200 + 30 * t) * t)
            output = outputs.Speech(tone.astype(np.float32), output.words, chunk_done=output.chunk_done)
        super()._deliver(stream, output)


@dataclass
class Listener:
    """A client that remembers what it has got, whatever happens to its connections."""

    address: str
    token: str = ""
    session: str = ""
    frames: dict[str, list[bytes]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    streams: dict[int, str] = field(default_factory=dict)

    async def connect(self) -> ClientConnection:
        return await connect(self.address + "/v1/stream", compression=None)

    async def hear(self, ws: ClientConnection, *, frames: int | None = None, until: str = "done") -> None:
        """Listens until an event of this type, or until this many frames have come."""
        heard = 0
        while heard != frames:
            message = await asyncio.wait_for(ws.recv(), 10)
            if isinstance(message, bytes):
                (_, stream, seq, _), payload = decode_audio(message)
                mine = self.frames.setdefault(self.streams[stream], [])
                assert seq == len(mine), "no hole, and nothing twice"
                mine.append(payload)
                heard += 1
                continue
            event = json.loads(message)
            self.events.append(event)
            if event["type"] == "ready" and not self.token:
                self.token, self.session = event["token"], event["session"]
            elif event["type"] == "started":
                self.streams[event["stream"]] = event["id"]
                self.frames.setdefault(event["id"], [])
            if event["type"] == until:
                return

    def have(self, *ids: str) -> dict[str, int]:
        return {id_: len(self.frames.get(id_, [])) - 1 for id_ in ids}

    async def resume(self, *ids: str, **changes: Any) -> ClientConnection:
        ws = await self.connect()
        resume = {"type": "resume", "session": self.session, "token": self.token, "have": self.have(*ids)}
        await ws.send(json.dumps(resume | changes))
        return ws

    async def speak(self, ws: ClientConnection, text: str, id_: str = "u", **start: Any) -> None:
        await Client(ws).send(
            {"type": "start", "id": id_, **START, **start},
            {"type": "text", "id": id_, "text": text},
            {"type": "end", "id": id_},
        )

    def words(self) -> list[tuple[int, str]]:
        """Words by their place, those that came twice once."""
        said = [word for event in self.events if event["type"] == "words" for word in event["words"]]
        return sorted({(word["c0"], word["t"]) for word in said})

    def last(self, kind: str) -> dict[str, Any]:
        return [event for event in self.events if event["type"] == kind][-1]


async def lose(ws: ClientConnection, service: Service) -> None:
    """Cuts the connection, and waits until the server has noticed."""
    ws.transport.abort()
    await eventually(lambda: service.connections == 0)


async def uninterrupted(address: str, **start: Any) -> Listener:
    listener = Listener(address)
    async with await listener.connect() as ws:
        await listener.speak(ws, TEXT, **start)
        await listener.hear(ws)
    return listener


@pytest.mark.parametrize(
    ("audio_format", "cuts"),
    [
        ({"encoding": "pcm_s16le", "sample_rate": 24_000}, [1, 1, 30]),
        ({"encoding": "pcm_f32le", "sample_rate": 44_100}, [7]),
        ({"encoding": "mulaw", "sample_rate": 8_000}, [40]),
        ({"encoding": "opus", "sample_rate": 48_000}, [3, 20]),
        ({"encoding": "mp3", "sample_rate": 24_000}, [3, 20]),
        ({"encoding": "flac", "sample_rate": 16_000}, [11, 0, 11]),
    ],
    ids=lambda value: value["encoding"] if isinstance(value, dict) else None,
)
async def test_what_is_heard_over_many_connections_equals_what_is_heard_over_one(
    audio_format: dict[str, Any], cuts: list[int]
) -> None:
    async with serving(Singer(threaded=True)) as (address, _):
        whole = await uninterrupted(address, format=audio_format)
    async with serving(Singer(threaded=True, latency_s=0.002)) as (address, _):
        listener = Listener(address)
        ws = await listener.connect()
        await listener.speak(ws, TEXT, format=audio_format)
        for frames in cuts:
            await listener.hear(ws, frames=frames)
            ws.transport.abort()
            ws = await listener.resume("u")
        await listener.hear(ws)
        await ws.close()
    assert listener.frames == whole.frames
    assert listener.words() == whole.words()
    assert listener.last("done") | {"ttfa_ms": 0} == whole.last("done") | {"ttfa_ms": 0}


async def test_speech_goes_on_while_the_connection_is_away_as_far_as_the_backlog_lets_it() -> None:
    engine = Singer(threaded=True, word_s=0.5)
    async with serving(engine, limits=Limits(backlog_ms=4_000, chunks_ahead=1)) as (address, service):
        listener = Listener(address)
        ws = await listener.connect()
        await Client(ws).send(
            {"type": "start", "id": "u", "max_ahead_ms": 100},
            {"type": "text", "id": "u", "text": "One two. " * 100},
        )
        await listener.hear(ws, frames=1)
        await lose(ws, service)
        await eventually(lambda: len(engine.spoken) >= 4)
        await asyncio.sleep(0.1)
        assert len(engine.spoken) <= 7, "4 s are 4 chunks; one is with the engine, one had gone out"
        assert engine.live
        ws = await listener.resume("u")
        await listener.hear(ws, until="resumed")
        assert listener.last("resumed")["open"] == [{"id": "u", "chars": 900, "ended": False}]
        await Client(ws).send({"type": "cancel", "id": "*"})
        await listener.hear(ws, until="cancelled")
        await ws.close()


async def test_text_that_was_lost_under_way_is_sent_again_from_where_the_server_stands() -> None:
    async with serving(Singer(threaded=True)) as (address, service):
        listener = Listener(address)
        ws = await listener.connect()
        await Client(ws).send({"type": "start", "id": "u", **START}, {"type": "text", "id": "u", "text": "One two. "})
        await listener.hear(ws, frames=3)
        await lose(ws, service)
        ws = await listener.resume("u")
        await listener.hear(ws, until="resumed")
        (received,) = listener.last("resumed")["open"]
        rest = "One two. Three. Four."[received["chars"] :]
        await Client(ws).send({"type": "text", "id": "u", "text": rest}, {"type": "end", "id": "u"})
        await listener.hear(ws)
        await ws.close()
    assert [word for _, word in listener.words()] == ["One", "two", "Three", "Four"]


async def test_an_end_that_was_missed_comes_again() -> None:
    async with serving(Singer(threaded=True)) as (address, service):
        listener = Listener(address)
        ws = await listener.connect()
        await listener.speak(ws, "One two.")
        await listener.hear(ws)
        await lose(ws, service)
        seqs = len(listener.frames["u"])
        del listener.frames["u"][2:]
        listener.events.clear()
        ws = await listener.resume("u")
        await listener.hear(ws)
        assert len(listener.frames["u"]) == seqs
        assert listener.last("resumed")["open"] == []
        await ws.close()


async def test_of_a_cancelled_utterance_no_audio_comes_again() -> None:
    async with serving(Singer(threaded=True)) as (address, service):
        listener = Listener(address)
        ws = await listener.connect()
        await Client(ws).send({"type": "start", "id": "u", **START}, {"type": "text", "id": "u", "text": TEXT})
        await listener.hear(ws, frames=3)
        await Client(ws).send({"type": "cancel", "id": "u", "played_ms": 200})
        await eventually(lambda: not service.engine.live)  # type: ignore[attr-defined]
        await lose(ws, service)
        ws = await listener.resume("u")
        listener.events.clear()
        await listener.hear(ws, until="cancelled", frames=1)
        assert [event["type"] for event in listener.events] == ["ready", "resumed", "cancelled"]
        assert listener.last("cancelled")["text_spoken"] == "One"
        await ws.close()


async def test_a_cancel_while_missed_frames_are_sent_again_silences_them() -> None:
    async with serving(Singer(threaded=True)) as (address, service):
        listener = Listener(address)
        ws = await listener.connect()
        await listener.speak(ws, TEXT, format={"encoding": "pcm_f32le", "sample_rate": 48_000})
        await listener.hear(ws)
        await lose(ws, service)
        listener.frames.clear()
        ws = await listener.resume("u")
        await Client(ws).send({"type": "cancel", "id": "u", "played_ms": 0})
        await listener.hear(ws, until="cancelled")
        await Client(ws).send({"type": "ping", "t": 1})
        await listener.hear(ws, until="pong", frames=1)
        assert listener.last("pong")["t"] == 1
        await ws.close()
    assert len(listener.frames.get("u", [])) < 100


async def test_utterances_that_were_spoken_side_by_side_are_both_taken_up() -> None:
    async with serving(Singer(threaded=True, latency_s=0.001)) as (address, _):
        listener = Listener(address)
        ws = await listener.connect()
        await listener.speak(ws, "One two three four. " * 5, "a")
        await listener.speak(ws, "Five six seven eight. " * 5, "b")
        await listener.hear(ws, frames=9)
        ws.transport.abort()
        ws = await listener.resume("a", "b")
        await listener.hear(ws)
        await listener.hear(ws)
        await ws.close()
    assert {event["id"] for event in listener.events if event["type"] == "done"} == {"a", "b"}
    assert [sum(map(len, listener.frames[id_])) for id_ in "ab"] == [2 * 4800 * 20] * 2


async def test_a_connection_that_only_seems_alive_is_taken_over() -> None:
    async with serving(Singer(threaded=True)) as (address, service):
        listener = Listener(address)
        old = await listener.connect()
        await listener.speak(old, TEXT)
        await listener.hear(old, frames=5)
        new = await listener.resume("u")
        await listener.hear(new)
        with contextlib.suppress(ConnectionClosed):
            async for _ in old:
                pass
        assert old.close_code == 4001
        await new.close()
        await eventually(lambda: service.connections == 0)


async def test_when_the_window_ends_the_speech_ends_and_resuming_fails() -> None:
    engine = Singer(threaded=True, latency_s=0.002)
    async with serving(engine, resume_window_s=0.3) as (address, service):
        listener = Listener(address)
        ws = await listener.connect()
        await Client(ws).send({"type": "start", "id": "u"}, {"type": "text", "id": "u", "text": TEXT})
        await listener.hear(ws, frames=1)
        ws.transport.abort()
        await eventually(lambda: service.connections == 0 and not engine.live)
        ws = await listener.resume("u")
        await listener.hear(ws, until="error")
        assert listener.last("error")["code"] == "resume_failed"
        assert "0.3 s" in listener.last("error")["message"]
        assert (await Client(ws).say("Fine.", "v")).of("done"), "the new connection serves all the same"
        await ws.close()


@pytest.mark.parametrize("wrong", [{"token": "guessed"}, {"token": ""}, {"session": "nobody's"}, {"token": "\udcff"}])
async def test_without_the_token_nobody_gets_a_session_and_it_is_unharmed(wrong: dict[str, str]) -> None:
    async with serving(Singer(threaded=True)) as (address, _):
        listener = Listener(address)
        ws = await listener.connect()
        await listener.speak(ws, TEXT)
        await listener.hear(ws, frames=3)
        thief = await listener.resume("u", **wrong)
        assert json.loads(await thief.recv())["type"] == "ready"
        assert json.loads(await thief.recv())["code"] == "resume_failed"
        await thief.close()
        await listener.hear(ws)
        await ws.close()


async def test_resume_comes_first_and_is_for_another_connection() -> None:
    async with (
        serving(Singer(threaded=True)) as (address, _),
        client_of(address) as other,
        client_of(address) as client,
    ):
        assert (await client.say("Fine.")).of("done")
        resume = {"type": "resume", "session": "s", "token": "t"}
        await client.send(resume)
        assert "comes first" in (await client.event())["message"]
        await other.send({**resume, "have": {"u": "x"}})
        assert (await other.event())["code"] == "bad_message"


async def test_frames_that_are_no_longer_kept_are_told_and_the_utterance_ends() -> None:
    async with serving(Singer(threaded=True), resume_max_bytes=20_000) as (address, service):
        listener = Listener(address)
        ws = await listener.connect()
        await Client(ws).send({"type": "start", "id": "u", **START}, {"type": "text", "id": "u", "text": TEXT})
        await listener.hear(ws, frames=50)
        await lose(ws, service)
        del listener.frames["u"][10:]
        ws = await listener.resume("u", "never arrived")
        await listener.hear(ws, until="cancelled")
        errors = {event["id"]: event["code"] for event in listener.events if event["type"] == "error"}
        assert errors == {"u": "resume_gap", "never arrived": "unknown_utterance"}
        assert (await Client(ws).say("Fine.", "never arrived")).of("done")
        await ws.close()


async def test_those_who_are_away_make_room_for_those_who_are_here() -> None:
    engine = Singer(threaded=True, max_streams=1)
    async with serving(engine, engine=EngineConfig(max_streams=1)) as (address, service):
        listener = Listener(address)
        ws = await listener.connect()
        await Client(ws).send({"type": "start", "id": "u"}, {"type": "text", "id": "u", "text": TEXT})
        await listener.hear(ws, frames=1)
        await lose(ws, service)
        async with client_of(address) as client:
            assert (await client.say("Fine.")).of("done")


async def test_a_window_of_nothing_gives_no_token_and_keeps_nothing() -> None:
    async with (
        serving(Singer(threaded=True), resume_window_s=0.0) as (address, _),
        await Listener(address).connect() as ws,
    ):
        ready = json.loads(await ws.recv())
        assert (ready["token"], ready["resume_window_ms"]) == (None, 0)
        assert (await Client(ws).say(TEXT, max_ahead_ms=60_000)).of("done")

"""Wyoming over a real socket on loopback, with the package's own client and a fake engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from support.fakes import FakeChunker, FakeEngine
from support.waiting import eventually
from wyoming.audio import AudioChunk, AudioStart
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeVoice
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from voiceagent.adapters.wyoming import server as wyoming
from voiceagent.errors import InputError
from voiceagent.service.service import Service
from voiceagent.settings.serve import Limits, ServeConfig, WyomingConfig


@dataclass
class Heard:
    kinds: list[str] = field(default_factory=list)
    start: AudioStart | None = None
    pcm: bytes = b""
    timestamps: list[int | None] = field(default_factory=list)

    @property
    def values(self) -> set[int]:
        return set(np.frombuffer(self.pcm, "<i2").tolist())


class Client:
    def __init__(self, tcp: AsyncTcpClient) -> None:
        self.tcp = tcp

    async def send(self, *events: Any) -> None:
        for event in events:
            await self.tcp.write_event(event if isinstance(event, Event) else event.event())

    async def event(self) -> Event:
        event = await asyncio.wait_for(self.tcp.read_event(), 10)
        assert event is not None, "the server hung up"
        return event

    async def hear(self, until: str = "audio-stop") -> Heard:
        heard = Heard()
        while not heard.kinds or heard.kinds[-1] != until:
            event = await self.event()
            assert not Error.is_type(event.type), event.data
            if AudioStart.is_type(event.type):
                heard.start = AudioStart.from_event(event)
            elif AudioChunk.is_type(event.type):
                chunk = AudioChunk.from_event(event)
                assert heard.start is not None
                assert (chunk.rate, chunk.width, chunk.channels) == (heard.start.rate, 2, 1)
                heard.pcm += chunk.audio
                heard.timestamps.append(chunk.timestamp)
            heard.kinds.append(event.type)
        return heard

    async def refusal(self) -> Error:
        """The error, after which the server has hung up."""
        event = await self.event()
        assert Error.is_type(event.type), event
        assert await asyncio.wait_for(self.tcp.read_event(), 10) is None
        return Error.from_event(event)


@asynccontextmanager
async def serving(
    engine: FakeEngine, settings: WyomingConfig | None = None, **config: Any
) -> AsyncIterator[tuple[int, Service]]:
    service = Service(engine, ServeConfig(**config), make_chunker=FakeChunker)
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    engine.start()
    task = asyncio.create_task(wyoming.run(service, settings or WyomingConfig(port=0), address.set_result))
    try:
        uri = await asyncio.wait_for(address, 20)
        yield int(uri.rpartition(":")[2]), service
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        engine.close()


@asynccontextmanager
async def client_at(port: int) -> AsyncIterator[Client]:
    tcp = AsyncTcpClient("127.0.0.1", port)
    await tcp.connect()
    try:
        yield Client(tcp)
    finally:
        await tcp.disconnect()


async def test_describe_and_ping() -> None:
    async with serving(FakeEngine()) as (port, _), client_at(port) as client:
        await client.send(Describe(), Ping("are you there"), Ping(), Event("invented-later"))
        info = Info.from_event(await client.event())
        assert Pong.from_event(await client.event()).text == "are you there"
        assert Pong.from_event(await client.event()).text is None
    (program,) = info.tts
    assert program.installed
    assert program.supports_synthesize_streaming
    assert [voice.name for voice in program.voices] == ["heart", "joe"]
    assert [voice.languages for voice in program.voices] == [["en"], ["en"]]
    assert not info.asr
    assert not info.wake


@pytest.mark.parametrize("rate", [24_000, 16_000])
async def test_a_whole_text(rate: int) -> None:
    settings = WyomingConfig(port=0, sample_rate=rate)
    async with serving(FakeEngine(threaded=True), settings) as (port, _), client_at(port) as client:
        await client.send(Synthesize("Hello there. Fine."))
        heard = await client.hear()
    assert heard.kinds[0] == "audio-start"
    assert heard.kinds.count("audio-start") == 1
    assert heard.start == AudioStart(rate=rate, width=2, channels=1, timestamp=0)
    assert len(heard.pcm) == pytest.approx(2 * 0.6 * rate, abs=4)
    assert heard.timestamps == sorted(heard.timestamps, key=lambda at: at or 0)
    if rate == 24_000:
        assert heard.values == {round(FakeEngine.level(1) * 32767)}


async def test_a_text_in_pieces_is_spoken_while_it_comes() -> None:
    async with serving(FakeEngine(threaded=True)) as (port, _), client_at(port) as client:
        await client.send(SynthesizeStart(voice=SynthesizeVoice(name="joe")), SynthesizeChunk("Hel"))
        await client.send(SynthesizeChunk("lo. And"))
        first = await client.hear(until="audio-chunk")
        assert first.pcm
        # Home Assistant sends the whole text once more, for servers that do not know pieces.
        await client.send(SynthesizeChunk(" more."), Synthesize("Hello. And more."), SynthesizeStop())
        rest = await asyncio.wait_for(_rest_of(client, first), 10)
    assert len(rest.pcm) == 2 * 3 * 4800
    assert rest.kinds[-2:] == ["audio-stop", "synthesize-stopped"]
    assert rest.kinds.count("audio-start") == 1


async def _rest_of(client: Client, first: Heard) -> Heard:
    while first.kinds[-1] != "synthesize-stopped":
        event = await client.event()
        first.kinds.append(event.type)
        first.pcm += event.payload or b""
    return first


async def test_voices_and_speakers() -> None:
    engine = FakeEngine(threaded=True)
    asked = [
        (None, "heart"),
        (SynthesizeVoice(language="en-US"), "heart"),
        (SynthesizeVoice(language="en_GB"), "heart"),
        (SynthesizeVoice(name="joe"), "joe"),
        (SynthesizeVoice(name="joe", speaker="joe"), "joe"),
    ]
    async with serving(engine) as (port, _), client_at(port) as client:
        for voice, _expected in asked:  # one connection, one text after the other
            await client.send(Synthesize("Hi.", voice=voice, text_format="text"))
            await client.hear()
    assert [options.voice for options in engine.options.values()] == [expected for _, expected in asked]


async def test_texts_of_one_connection_are_spoken_in_order() -> None:
    async with serving(FakeEngine(threaded=True, latency_s=0.002)) as (port, _), client_at(port) as client:
        await client.send(*[Synthesize("One two three. " * 5) for _ in range(4)])
        for number in range(1, 5):
            heard = await client.hear()
            assert heard.values == {round(FakeEngine.level(number) * 32767)}
            assert len(heard.pcm) == 2 * 15 * 4800


async def test_clients_at_once_are_never_mixed() -> None:
    engine = FakeEngine(threaded=True, latency_s=0.0005)
    async with serving(engine) as (port, service):

        async def one() -> int:
            async with client_at(port) as client:
                await client.send(SynthesizeStart())
                for _ in range(10):
                    await client.send(SynthesizeChunk("Several words here. "))
                await client.send(SynthesizeStop())
                heard = await client.hear(until="synthesize-stopped")
            assert len(heard.pcm) == 2 * 30 * 4800
            (value,) = heard.values
            return value

        values = await asyncio.gather(*(one() for _ in range(6)))
        assert len(set(values)) == 6
        await eventually(lambda: service.connections == 0)


async def test_hanging_up_stops_the_speech() -> None:
    engine = FakeEngine(threaded=True, latency_s=0.005)
    async with serving(engine) as (port, service):
        async with client_at(port) as gone:
            await gone.send(Synthesize("Words that nobody will hear. " * 500))
            await gone.hear(until="audio-chunk")
        await eventually(lambda: not engine.live and service.connections == 0)
        async with client_at(port) as client:
            await client.send(Synthesize("Next."))
            assert (await client.hear()).pcm
    assert engine.cancelled == [1]


async def test_a_text_longer_than_the_buffer_is_spoken_whole() -> None:
    async with (
        serving(FakeEngine(threaded=True), limits=Limits(max_text_buffer=200)) as (port, _),
        client_at(port) as client,
    ):
        await client.send(Synthesize("Good. " * 200))
        heard = await client.hear()
    assert len(heard.pcm) == 2 * 200 * 4800


async def test_nothing_to_say_ends_all_the_same() -> None:
    async with serving(FakeEngine(threaded=True)) as (port, _), client_at(port) as client:
        await client.send(Synthesize(""), SynthesizeStart(), SynthesizeStop())
        assert not (await client.hear()).pcm
        assert not (await client.hear(until="synthesize-stopped")).pcm


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (Synthesize("Hi.", voice=SynthesizeVoice(name="nobody")), "unknown_voice", "voices here: heart, joe"),
        (Synthesize("Hi.", voice=SynthesizeVoice(name="joe", speaker="x")), "unknown_speaker", "speaker: joe"),
        (Synthesize("Hi.", voice=SynthesizeVoice(language="de")), "bad_message", "languages here: en"),
        (Synthesize("Hi.", text_format="markdown"), "bad_request", "formats here: text, ssml"),
        (Event("synthesize", {}), "bad_message", "'text' is missing"),
        (Event("synthesize", {"text": 5}), "bad_message", "`text` is a text"),
        (Event("synthesize", {"text": "Hi.", "voice": "joe"}), "bad_message", "`voice` is an object"),
        (Event("synthesize", {"text": "Hi.", "voice": {"name": 5}}), "bad_message", "`voice` is an object"),
        (SynthesizeChunk("Hi."), "bad_message", "without a synthesize-start"),
        (SynthesizeStop(), "bad_message", "without a synthesize-start"),
        (Synthesize("It will fail."), "synthesis_failed", "told to fail"),
    ],
)
async def test_what_is_wrong_is_said_before_hanging_up(request_: Any, code: str, message: str) -> None:
    async with serving(FakeEngine(threaded=True, fail_on="fail")) as (port, service):
        async with client_at(port) as client:
            await client.send(request_)
            error = await client.refusal()
        assert error.code == code
        assert message in error.text
        await eventually(lambda: service.connections == 0)


async def test_a_second_start_before_the_stop() -> None:
    async with serving(FakeEngine()) as (port, _), client_at(port) as client:
        await client.send(SynthesizeStart(), SynthesizeStart())
        assert "before the synthesize-stop" in (await client.refusal()).text


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"not json\n", "is not JSON"),
        (b"[]\n", "is a JSON object, not list"),
        (b"\xff\xfe\n", "is not JSON"),
        (b'{"data": {}}\n', "without a `type`"),
        (b'{"type": "describe", "data": 5}\n', "`data` of an event"),
        (b'{"type": "describe", "data_length": -1}\n', "data_length -1 is not within"),
        (b'{"type": "describe", "data_length": 99999999999}\n', "data_length 99999999999 is not within"),
        (b'{"type": "describe", "payload_length": "5"}\n', "payload_length 5 is not within"),
        (b'{"type": "describe", "data_length": 2}\n5 ', "data of an event is a JSON object"),
        (b"[" * 100_000 + b"\n", "is not JSON"),
        (b"x" * 400_000 + b"\n", "longer than 262144 bytes"),
    ],
)
async def test_malformed_events(sent: bytes, message: str) -> None:
    async with serving(FakeEngine()) as (port, service):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        header, _, data = answer.partition(b"\n")
        assert json.loads(header)["type"] == "error"
        assert message in json.loads(data)["text"]
        await eventually(lambda: service.connections == 0)


async def test_an_event_cut_off_in_the_middle() -> None:
    async with serving(FakeEngine()) as (port, service):
        for sent in (b'{"type": "synth', b'{"type": "describe", "data_length": 50}\n{'):
            _reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        await eventually(lambda: service.connections == 0)
        async with client_at(port) as client:
            await client.send(Describe())
            assert Info.is_type((await client.event()).type)


async def test_a_client_that_reads_nothing_is_disconnected() -> None:
    engine = FakeEngine(threaded=True)
    async with serving(engine, send_stall_s=0.2) as (port, service), client_at(port) as client:
        await client.send(Synthesize("Nobody reads this. " * 5_000))
        await eventually(lambda: service.connections == 1)
        await eventually(lambda: service.connections == 0 and not engine.live)


async def test_more_clients_than_allowed() -> None:
    async with serving(FakeEngine(), max_connections=1) as (port, _), client_at(port) as first:
        await first.send(Describe())
        await first.event()
        async with client_at(port) as second:
            assert (await second.refusal()).code == "no_capacity"


async def test_a_port_in_use_is_told_in_one_line() -> None:
    async with serving(FakeEngine()) as (port, service):
        with pytest.raises(InputError, match=f"port {port} is in use"):
            await wyoming.run(service, WyomingConfig(port=port))
        with pytest.raises(InputError, match="cannot listen"):
            await wyoming.run(service, WyomingConfig(host="192.0.2.1", port=0))


async def test_home_assistant_finds_it() -> None:
    settings = WyomingConfig(port=0, announce="voiceagent-test")
    looker = AsyncZeroconf(interfaces=["127.0.0.1"])
    try:
        async with serving(FakeEngine(), settings) as (port, _):
            info = AsyncServiceInfo(wyoming.SERVICE_TYPE, f"voiceagent-test.{wyoming.SERVICE_TYPE}")
            assert await info.async_request(looker.zeroconf, 5_000)
            assert info.port == port
            assert info.parsed_addresses() == ["127.0.0.1"]
    finally:
        await looker.async_close()

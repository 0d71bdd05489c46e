"""The Wyoming protocol over TCP, which Home Assistant speaks: whole texts, and texts that are still being written.

    describe                                        -> info
    synthesize {text, voice}                        -> audio-start, audio-chunk ..., audio-stop
    synthesize-start, -chunk ..., synthesize-stop   -> the same, then synthesize-stopped
    ping                                            -> pong
    anything wrong                                  -> error, and the connection is closed

A connection speaks one text at a time; the next one waits for its end. A client that hangs up stops its speech,
which is how Home Assistant interrupts. After an `error` the connection is closed because Home Assistant
takes no notice of that event and would wait for audio for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from collections.abc import Callable

from voiceagent.adapters.http.sockets import until_one_ends
from voiceagent.adapters.wyoming.mdns import announced
from voiceagent.adapters.wyoming.messages import describe, read_event, read_request, start_of
from voiceagent.audio.encoders import StreamEncoder
from voiceagent.audio.formats import AudioFormat
from voiceagent.errors import InputError, NoCapacity, ProtocolError, SynthesisError, VoiceAgentError
from voiceagent.protocol import commands, events
from voiceagent.service.service import FULL, Service
from voiceagent.settings.serve import WyomingConfig
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, async_write_event
from wyoming.info import Describe
from wyoming.ping import Ping, Pong
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped

SERVICE_TYPE = "_wyoming._tcp.local."
# Events of a client that wait while its last text is still spoken; more are left to TCP.
WAITING = 16
BYTES_A_SAMPLE = 2

log = logging.getLogger(__name__)


async def run(service: Service, settings: WyomingConfig, on_ready: Callable[[str], None] = lambda _: None) -> None:
    """Serves until it is cancelled; `on_ready` is told the address.

    Raises:
        InputError: the port cannot be had.
    """
    clients = asyncio.TaskGroup()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.create_task(_serve(service, settings, reader, writer), name="wyoming.client")

    server = await _listen(accept, settings, service.config.max_message_bytes)
    async with clients:
        try:
            await server.start_serving()
            host, port = server.sockets[0].getsockname()[:2]
            on_ready(f"tcp://{host}:{port}")
            async with announced(SERVICE_TYPE, settings.announce, host, port):
                await asyncio.Event().wait()
        finally:
            server.close()


async def _listen(
    accept: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None], settings: WyomingConfig, limit: int
) -> asyncio.Server:
    """Takes the port; connections are not taken yet."""
    host, port = settings.host, settings.port
    try:
        return await asyncio.start_server(accept, host, port, limit=limit, start_serving=False)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} is in use on {host}; choose another one: [wyoming] port") from error
        raise InputError(f"cannot listen on {host}:{port}: {error.strerror or error}; see [wyoming] host") from error


async def _serve(
    service: Service, settings: WyomingConfig, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """One connection, from its first byte to its end; whatever goes wrong ends this connection alone."""
    try:
        with service.client():
            if service.connections > service.config.max_connections:
                await _sorry(writer, NoCapacity(FULL))
            else:
                await _Client(service, settings, reader, writer).run()
    except Exception:
        log.exception("a Wyoming connection failed")
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await writer.wait_closed()
        writer.transport.abort()  # a peer that reads nothing would keep what is left, and the socket


async def _sorry(writer: asyncio.StreamWriter, error: VoiceAgentError) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(1.0):
            await async_write_event(Error(str(error), error.code).event(), writer)


class _Client:
    """The three tasks of a connection: one reads, one obeys in order, one sends what is spoken."""

    def __init__(
        self, service: Service, settings: WyomingConfig, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._service = service
        self._rate_hz = settings.sample_rate
        self._reader = reader
        self._writer = writer
        self._live = service.connect(paced=False)
        self._received: asyncio.Queue[Event] = asyncio.Queue(WAITING)
        self._spoken = asyncio.Event()
        """Nothing is being spoken, so the next text may begin."""
        self._spoken.set()
        self._count = 0
        self._streaming = False
        """A text is open whose pieces are still to come."""
        self._stopped_owed = False
        self._encoder: StreamEncoder | None = None

    async def run(self) -> None:
        failure = await until_one_ends(self._live, "wyoming", self._read, self._obey, self._speak)
        if isinstance(failure, VoiceAgentError):
            await _sorry(self._writer, failure)
        elif failure is not None and not isinstance(failure, OSError | TimeoutError):
            await _sorry(self._writer, SynthesisError("the service failed; connect again"))
            raise failure

    # Events of the client.

    async def _read(self) -> None:
        """Reads on while something is spoken, because a client interrupts by hanging up."""
        while (event := await read_event(self._reader, self._service.config.max_message_bytes)) is not None:
            await self._received.put(event)

    async def _obey(self) -> None:
        while True:
            event = await self._received.get()
            if Describe.is_type(event.type):
                await self._send(describe(self._service.engine.voices).event())
            elif Ping.is_type(event.type):
                await self._send(Pong(read_request(Ping, event).text).event())
            elif Synthesize.is_type(event.type):
                # With a text in pieces the whole is sent once more, for servers that do not know pieces.
                if not self._streaming:
                    whole = read_request(Synthesize, event)
                    await self._open(whole, streaming=False)
                    await self._live.write(str(self._count), whole.text)
                    self._live.handle(commands.End(str(self._count)))
            elif SynthesizeStart.is_type(event.type):
                if self._streaming:
                    raise ProtocolError("synthesize-start before the synthesize-stop of the text before it")
                await self._open(read_request(SynthesizeStart, event), streaming=True)
            elif SynthesizeChunk.is_type(event.type):
                self._require_start(event)
                await self._live.write(str(self._count), read_request(SynthesizeChunk, event).text)
            elif SynthesizeStop.is_type(event.type):
                self._require_start(event)
                self._streaming = False
                self._live.handle(commands.End(str(self._count)))
            # What is not known is dropped, as the protocol asks.

    def _require_start(self, event: Event) -> None:
        if not self._streaming:
            raise ProtocolError(f"{event.type} without a synthesize-start before it")

    async def _open(self, request: Synthesize | SynthesizeStart, *, streaming: bool) -> None:
        await self._spoken.wait()
        start = start_of(request, str(self._count + 1), self._service.engine.voices, self._rate_hz)
        self._count += 1
        self._spoken.clear()
        self._streaming = self._stopped_owed = streaming
        self._live.handle(start)

    # Events of the session.

    async def _speak(self) -> None:
        while (event := await self._live.next_event()) is not None:
            match event:
                case events.Audio():
                    await self._send_audio(event)
                case events.Done():
                    await self._finish()
                case events.Error():
                    self._service.metrics.observe(event)
                    raise ProtocolError(event.message, code=event.code)
                case _:
                    pass
            self._service.metrics.observe(event)

    async def _send_audio(self, event: events.Audio) -> None:
        if self._encoder is None:
            self._encoder = StreamEncoder(AudioFormat(sample_rate=self._rate_hz))
            await self._send(AudioStart(rate=self._rate_hz, width=BYTES_A_SAMPLE, channels=1, timestamp=0).event())
        at_ms = self._encoder.samples_out * 1000 // self._rate_hz
        audio = self._encoder.encode(event.samples, last=event.last)
        if audio:
            await self._send(AudioChunk(self._rate_hz, BYTES_A_SAMPLE, 1, audio, at_ms).event())

    async def _finish(self) -> None:
        assert self._encoder is not None  # the last frame came before
        await self._send(AudioStop(timestamp=self._encoder.samples_out * 1000 // self._rate_hz).event())
        self._encoder = None
        if self._stopped_owed:
            await self._send(SynthesizeStopped().event())
        self._spoken.set()

    async def _send(self, event: Event) -> None:
        async with asyncio.timeout(self._service.config.send_stall_s):
            await async_write_event(event, self._writer)

"""The client of the wyoming package: describes, speaks a whole text, speaks one in pieces with another voice, interrupts."""

from __future__ import annotations

import asyncio
import json
import sys

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.info import Describe, Info
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)


async def audio_until(client: AsyncClient, last: type[AudioStop | SynthesizeStopped]) -> int:
    """Bytes of audio up to and with an event of this kind."""
    received, rate = 0, None
    while True:
        event = await client.read_event()
        assert event is not None, "the server hung up"
        if AudioStart.is_type(event.type):
            rate = AudioStart.from_event(event).rate
        elif AudioChunk.is_type(event.type):
            chunk = AudioChunk.from_event(event)
            assert chunk.rate == rate
            received += len(chunk.audio)
        elif last.is_type(event.type):
            return received


async def main(uri: str) -> dict[str, object]:
    async with AsyncClient.from_uri(uri) as client:
        await client.write_event(Describe().event())
        event = await client.read_event()
        assert event is not None
        (program,) = Info.from_event(event).tts
        await client.write_event(Synthesize("Hello there. Fine.").event())
        whole = await audio_until(client, AudioStop)
    async with AsyncClient.from_uri(uri) as client:
        await client.write_event(SynthesizeStart(voice=SynthesizeVoice(name="joe")).event())
        for piece in ("Hel", "lo th", "ere. ", "Fine."):
            await client.write_event(SynthesizeChunk(piece).event())
        await client.write_event(SynthesizeStop().event())
        pieces = await audio_until(client, SynthesizeStopped)
    async with AsyncClient.from_uri(uri) as client:  # hangs up after the first audio
        await client.write_event(Synthesize("Nobody hears this. " * 1_000).event())
        while (event := await client.read_event()) is not None and not AudioChunk.is_type(event.type):
            pass
    voices = [voice.name for voice in program.voices]
    return {"voices": voices, "streams": program.supports_synthesize_streaming, "whole": whole, "pieces": pieces}


print(json.dumps(asyncio.run(main(sys.argv[1]))))

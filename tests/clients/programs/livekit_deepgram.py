"""LiveKit's deepgram.TTS: a text that is streamed word by word, one in a request, and one that is dropped on the way."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp
from livekit.agents import APIConnectOptions
from livekit.plugins import deepgram

ONCE = APIConnectOptions(max_retry=0, timeout=30)


async def streamed(tts: deepgram.TTS, *pieces: str) -> int:
    async with tts.stream(conn_options=ONCE) as stream:
        for piece in pieces:
            stream.push_text(piece)
        stream.end_input()
        return sum([audio.frame.samples_per_channel async for audio in stream])


async def interrupted(tts: deepgram.TTS) -> None:
    async with tts.stream(conn_options=ONCE) as stream:
        stream.push_text("Nobody hears all of this. " * 200)
        stream.end_input()
        async for _ in stream:
            return


async def main(url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session:
        tts = deepgram.TTS(api_key="secret", base_url=f"{url}/v1/speak", model="aura-2-zeus-en", http_session=session)
        words = await streamed(tts, "Hel", "lo there. ", "Fine.")
        async with tts.synthesize("Hello there. Fine.", conn_options=ONCE) as stream:
            whole = sum([audio.frame.samples_per_channel async for audio in stream])
        await interrupted(tts)
        again = await streamed(tts, "Next.")
        await tts.aclose()
    return {"words": words, "whole": whole, "again": again}


print(json.dumps(asyncio.run(main(sys.argv[1]))))

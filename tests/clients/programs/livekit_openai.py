"""LiveKit's openai.TTS: a text in each format, and one that is dropped on the way."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from livekit.agents import APIConnectOptions
from livekit.plugins import openai

TEXT = "Hello there. Fine."
ONCE = APIConnectOptions(max_retry=0, timeout=30)


async def main(url: str) -> dict[str, Any]:
    samples = {}
    for model, formats in (
        ("gpt-4o-mini-tts", ("pcm", "wav", "mp3", "opus", "aac", "flac")),
        ("tts-1", ("pcm", "mp3")),
    ):
        for name in formats:
            tts = openai.TTS(base_url=url, api_key="secret", model=model, voice="coral", response_format=name)
            async with tts.synthesize(TEXT, conn_options=ONCE) as stream:
                samples[f"{model} {name}"] = sum([audio.frame.samples_per_channel async for audio in stream])
            await tts.aclose()
    tts = openai.TTS(base_url=url, api_key="secret", response_format="pcm")
    async with tts.synthesize("Nobody hears all of this. " * 500, conn_options=ONCE) as stream:
        async for _ in stream:
            break
    await tts.aclose()
    return {"samples": samples}


print(json.dumps(asyncio.run(main(sys.argv[1]))))

"""LiveKit's elevenlabs.TTS: a streamed text with its words, one in one piece, and one that is interrupted."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp
from livekit.agents import APIConnectOptions, APIError
from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT
from livekit.plugins import elevenlabs

ONCE = APIConnectOptions(max_retry=0, timeout=10)


async def streamed(tts: elevenlabs.TTS, *pieces: str) -> dict[str, Any]:
    """A text as an LLM writes it."""
    samples, words = 0, []
    async with tts.stream(conn_options=ONCE) as stream:
        for piece in pieces:
            stream.push_text(piece)
        stream.end_input()
        async for audio in stream:
            samples += audio.frame.samples_per_channel
            for word in audio.frame.userdata.get(USERDATA_TIMED_TRANSCRIPT, []):
                words.append((str(word), word.start_time, word.end_time))
    return {"samples": samples, "words": words}


async def interrupted(tts: elevenlabs.TTS) -> int:
    """Samples until the user barged in, in the middle of the answer."""
    samples = 0
    async with tts.stream(conn_options=ONCE) as stream:
        stream.push_text("Nobody hears all of this and more than this. " * 60)
        async for audio in stream:
            samples += audio.frame.samples_per_channel
            if samples > 24_000:
                break
    return samples


async def refused(session: aiohttp.ClientSession, url: str) -> str:
    tts = elevenlabs.TTS(base_url=url, api_key="secret", voice_id="nobody", encoding="pcm_24000", http_session=session)
    try:
        await streamed(tts, "Hello there.")
    except APIError as error:
        return type(error).__name__
    finally:
        await tts.aclose()
    return ""


async def main(url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session:
        tts = elevenlabs.TTS(base_url=url, api_key="secret", encoding="pcm_24000", http_session=session)
        voices = [voice.id for voice in await tts.list_voices()]
        heard = await streamed(tts, "Hel", "lo there. This ", "is fine", ".")
        cut = await interrupted(tts)
        after = await streamed(tts, "Good bye.")
        async with tts.synthesize("Hello there.", conn_options=ONCE) as stream:
            whole = sum([audio.frame.samples_per_channel async for audio in stream])
        await tts.aclose()
        mp3 = elevenlabs.TTS(base_url=url, api_key="secret", http_session=session)
        compressed = await streamed(mp3, "Hello there, this is a longer text.")
        await mp3.aclose()
        told = await refused(session, url)
    return {
        "voices": voices,
        "heard": heard,
        "cut": cut,
        "after": after,
        "whole": whole,
        "mp3": compressed["samples"],
        "refused": told,
    }


print(json.dumps(asyncio.run(main(sys.argv[1]))))

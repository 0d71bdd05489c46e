"""Tokens of a language model to speech over WebSocket: start `voiceagent serve`, then this; it writes `tokens.wav`."""

from __future__ import annotations

import asyncio
import re
import sys
import time
import wave
from collections.abc import AsyncIterator

import numpy as np

from voiceagent.client import connect

ANSWER = "Of course! The 8:15 to Cambridge is ten minutes late, so you have time for a coffee. Have a good trip!"
RATE_HZ, AUDIBLE = 24_000, 0.01


async def pretend_llm() -> AsyncIterator[str]:
    for token in re.findall(r"\s*\S{1,5}", ANSWER):
        yield token
        await asyncio.sleep(1 / 30)  # tokens a second


async def main(url: str) -> None:
    async with connect(url, voice="heart") as client:
        begin_s, heard, pcm = time.perf_counter(), False, b""
        async for frame in client.speak(pretend_llm()):
            loud = np.abs(frame.samples) > AUDIBLE
            if not heard and (heard := bool(loud.any())):
                first_s = time.perf_counter() - begin_s + np.argmax(loud) / RATE_HZ
                print(f"first audible sample {first_s * 1000:.0f} ms after the first token")
            print(*(word.text for word in frame.words), end=" ", flush=True)
            pcm += frame.pcm
    with wave.open("tokens.wav", "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", "not compressed"))
        file.writeframes(pcm)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8080"))

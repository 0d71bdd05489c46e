"""Speech while a language model is still writing, in this process: 30 tokens a second in, `tokens.wav` out."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator

import numpy as np

from voiceagent import Clip, VoiceAgent
from voiceagent.agent import speak

ANSWER = (
    "Of course! The 8:15 to Cambridge is running about ten minutes late, so you have time for a coffee. "
    "It leaves from platform 3, and your seat is number 42, by the window. Have a good trip!"
)
TOKENS_PER_S = 30
AUDIBLE = 0.01


async def pretend_llm() -> AsyncIterator[str]:
    for token in re.findall(r"\s*\S{1,5}", ANSWER):
        yield token
        await asyncio.sleep(1 / TOKENS_PER_S)


async def main() -> None:
    async with VoiceAgent() as agent, agent.session("heart") as session:
        frames, begin_s, first_s = [], time.perf_counter(), None
        async for frame in speak(session, pretend_llm()):
            if first_s is None and np.abs(frame.samples).max() > AUDIBLE:
                silence_s = np.argmax(np.abs(frame.samples) > AUDIBLE) / frame.sample_rate
                first_s = time.perf_counter() - begin_s + silence_s
                print(f"first audible sample {first_s * 1000:.0f} ms after the first token")
            frames.append(frame)
    clip = Clip(np.concatenate([frame.samples for frame in frames]), ())
    clip.save("tokens.wav")
    print(f"tokens.wav: {clip.duration_s:.1f} s of speech")


if __name__ == "__main__":
    asyncio.run(main())

"""A text into demo.wav and, where there is one, out of the loudspeaker: how soon it sounds and how fast it is spoken."""

from __future__ import annotations

import asyncio
import time

import numpy as np

from voiceagent import AudioDeviceError, Clip, VoiceAgent
from voiceagent.adapters.sound.local_audio import Loudspeaker

TEXT = (
    "Good morning! It's 7:30, and I have three things for you. Your train to Bristol leaves at 9:12 from platform 4. "
    "Doctor Alvarez moved your appointment to Thursday, March 14th. And the library says that the book you were waiting for, "
    "the one about lighthouses, is ready to be picked up. Shall I put it on your list?"
)
AUDIBLE = 0.01


async def main() -> None:
    async with VoiceAgent() as agent, agent.session() as session:
        begin_s, first_s, frames = time.perf_counter(), None, []
        await session.send(TEXT)
        await session.end()
        async for frame in session:
            if first_s is None and np.abs(frame.samples).max() > AUDIBLE:
                first_s = time.perf_counter() - begin_s
            frames.append(frame)
        spent_s = time.perf_counter() - begin_s
    clip = Clip(np.concatenate([frame.samples for frame in frames]), ())
    clip.save("demo.wav")
    print(f"demo.wav: {clip.duration_s:.1f} s of speech")
    print(f"first sound after {1000 * (first_s or spent_s):.0f} ms, real-time factor {spent_s / clip.duration_s:.3f}")
    try:
        async with Loudspeaker() as loudspeaker:
            await loudspeaker.play(clip.samples)
    except AudioDeviceError as error:
        print(f"not played: {error}")


if __name__ == "__main__":
    asyncio.run(main())

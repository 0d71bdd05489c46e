"""What a person says into the microphone of a test, in the voices that ship: made once a run."""

from __future__ import annotations

import asyncio
import functools

import numpy as np
import soxr
from support.cards import Samples

from voiceagent import VoiceAgent
from voiceagent.talk.turns import HEARING_RATE_HZ

QUESTION = "What time is it?"
BARGE_IN = "Please stop now."
LONG = "The next train to the sea leaves in ten minutes from the platform behind you, and it will not wait for anybody."


@functools.cache
def spoken() -> dict[str, Samples]:
    """Each line at 16 kHz; call it outside an event loop."""

    async def make() -> dict[str, Samples]:
        async with VoiceAgent() as agent:
            voices = {QUESTION: "joe", BARGE_IN: "joe", LONG: "heart"}
            return {line: (await agent.say(line, voice)).samples for line, voice in voices.items()}

    lines = asyncio.run(make())
    return {line: soxr.resample(samples, 24_000, HEARING_RATE_HZ) for line, samples in lines.items()}


def silence(seconds: float) -> Samples:
    """A quiet room."""
    return np.random.default_rng(0).normal(0, 1e-4, round(seconds * HEARING_RATE_HZ)).astype(np.float32)

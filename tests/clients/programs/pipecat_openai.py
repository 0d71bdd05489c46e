"""Pipecat's OpenAITTSService: an answer as an LLM writes it, then one that is interrupted, then another."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from pipecat.frames.frames import (
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.worker import PipelineWorker
from pipecat.services.openai.tts import OpenAITTSService
from pipecat_pipeline import Ear, converse


async def script(worker: PipelineWorker, ear: Ear) -> dict[str, Any]:
    answer = [LLMTextFrame(token) for token in ("Hello", " there", ".", " Fine", ".")]
    await worker.queue_frames([LLMFullResponseStartFrame(), *answer, LLMFullResponseEndFrame()])
    await ear.stopped.wait()
    answered = len(ear.audio)
    ear.forget()
    await worker.queue_frame(TTSSpeakFrame("Nobody hears all of this. " * 200))
    await ear.hearing.wait()
    await worker.queue_frame(InterruptionFrame())
    await ear.interrupted.wait()
    ear.forget()
    await worker.queue_frame(TTSSpeakFrame("Next."))
    await ear.stopped.wait()
    return {"answered": answered, "next": len(ear.audio), "next_values": sorted(set(memoryview(ear.audio).cast("h")))}


def main(url: str) -> dict[str, Any]:
    settings = OpenAITTSService.Settings(voice="onyx", speed=1.25)
    service = OpenAITTSService(api_key="secret", base_url=url, settings=settings)
    return asyncio.run(converse(service, script))


print(json.dumps(main(sys.argv[1])))

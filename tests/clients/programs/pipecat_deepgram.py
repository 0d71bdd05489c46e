"""Pipecat's DeepgramTTSService: an answer as an LLM writes it, then one that is interrupted, then another."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from loguru import logger
from pipecat.frames.frames import InterruptionFrame, LLMFullResponseEndFrame, LLMFullResponseStartFrame, LLMTextFrame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.services.deepgram.tts import DeepgramTTSService
from pipecat_pipeline import Ear, converse


async def answer(worker: PipelineWorker, *tokens: str) -> None:
    frames = [LLMTextFrame(token) for token in tokens]
    await worker.queue_frames([LLMFullResponseStartFrame(), *frames, LLMFullResponseEndFrame()])


async def script(worker: PipelineWorker, ear: Ear) -> dict[str, Any]:
    await answer(worker, "Hello", " there", ".", " Fine", ".")
    await ear.stopped.wait()
    answered = len(ear.audio)
    ear.forget()
    await answer(worker, *["Nobody hears", " all of this. "] * 200)
    await ear.hearing.wait()
    cleared = asyncio.Event()
    # Audio carries no name in this protocol: Pipecat takes what is under way until then for the next answer's.
    logger.add(lambda line: cleared.set() if "Received Cleared" in line else None, level="TRACE")
    await worker.queue_frame(InterruptionFrame())
    await ear.interrupted.wait()
    await cleared.wait()
    ear.forget()
    await answer(worker, "Next", ".")
    await ear.stopped.wait()
    return {"answered": answered, "next": len(ear.audio), "next_values": sorted(set(memoryview(ear.audio).cast("h")))}


def main(url: str) -> dict[str, Any]:
    settings = DeepgramTTSService.Settings(voice="aura-2-zeus-en")
    service = DeepgramTTSService(api_key="secret", base_url=url, settings=settings)
    return asyncio.run(converse(service, script))


print(json.dumps(main(sys.argv[1])))

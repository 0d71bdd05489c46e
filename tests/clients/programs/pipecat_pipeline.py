"""A Pipecat pipeline of one speech service and an ear that takes the place of the loudspeaker."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

RATE_HZ = 24_000

logger.remove()
logger.add(sys.stderr, level="WARNING")


class Ear(FrameProcessor):  # type: ignore[misc]  # pipecat is not installed where types are checked
    """Notes what would be heard, and tells the pipeline when a bot begins and stops to speak, as a transport does."""

    def __init__(self) -> None:
        super().__init__()
        self.audio = b""
        self.words: list[tuple[str, int | None]] = []
        """Words and, where the service gives times, when they are spoken, in nanoseconds of the pipeline's clock."""
        self.errors: list[str] = []
        self.started = asyncio.Event()
        self.hearing = asyncio.Event()
        self.interrupted = asyncio.Event()
        self.stopped = asyncio.Event()

    def forget(self) -> None:
        self.audio = b""
        self.words = []
        for event in (self.hearing, self.interrupted, self.stopped):
            event.clear()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case StartFrame():
                self.started.set()
            case TTSAudioRawFrame():
                self.audio += frame.audio
                self.hearing.set()
            case TTSStartedFrame():
                await self.push_frame(BotStartedSpeakingFrame(), FrameDirection.UPSTREAM)
            case TTSStoppedFrame():
                await self.push_frame(BotStoppedSpeakingFrame(), FrameDirection.UPSTREAM)
                self.stopped.set()
            case TTSTextFrame():
                self.words.append((frame.text, frame.pts))
            case InterruptionFrame():
                await self.push_frame(BotStoppedSpeakingFrame(), FrameDirection.UPSTREAM)
                self.interrupted.set()
            case ErrorFrame():
                self.errors.append(frame.error)
        await self.push_frame(frame, direction)


async def converse(
    service: Any, script: Callable[[PipelineWorker, Ear], Awaitable[dict[str, Any]]], timeout_s: float = 60
) -> dict[str, Any]:
    """Runs the pipeline while the script queues frames and listens; returns what the script returns, and the errors."""
    ear = Ear()
    worker = PipelineWorker(
        Pipeline([service, ear]),
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
        params=PipelineParams(audio_out_sample_rate=RATE_HZ),
    )
    failed: list[str] = []

    @worker.event_handler("on_pipeline_error")  # type: ignore[untyped-decorator]
    async def note(_: PipelineWorker, frame: ErrorFrame) -> None:
        failed.append(frame.error)

    async def play() -> dict[str, Any]:
        async with asyncio.timeout(timeout_s):
            await ear.started.wait()
            heard = await script(worker, ear)
        await worker.queue_frame(EndFrame())
        return heard

    runner = WorkerRunner()
    await runner.add_workers(worker)
    heard, _ = await asyncio.gather(play(), runner.run())
    return {**heard, "errors": ear.errors + failed}

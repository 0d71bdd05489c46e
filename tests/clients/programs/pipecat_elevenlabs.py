"""Pipecat's ElevenLabsTTSService with a loudspeaker that takes its time: answers, and two that are interrupted."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    StartFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.elevenlabs.tts import ElevenLabsTTSService
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

RATE_HZ = 24_000
TURNS = [f"word{number}" for number in range(100)]

logger.remove()
logger.add(sys.stderr, level="WARNING")


class Loudspeaker(BaseOutputTransport):  # type: ignore[misc]  # pipecat is not installed where types are checked
    """Plays for as long as the audio lasts."""

    def __init__(self) -> None:
        super().__init__(
            TransportParams(audio_out_enabled=True, audio_out_sample_rate=RATE_HZ, audio_out_end_silence_secs=0)
        )
        self.played_s = 0.0

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        duration_s = len(frame.audio) / 2 / RATE_HZ
        await asyncio.sleep(duration_s)
        if any(frame.audio):
            self.played_s += duration_s
        return True


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what tells nobody when it happens."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


class Notes(FrameProcessor):  # type: ignore[misc]
    """Notes the words that come out of the service, and their times."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[tuple[str, float]] = []
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case StartFrame():
                self.started.set()
            case TTSTextFrame(text=text, pts=pts):
                self.words.append((text, (pts or 0) / 1e9))
            case TTSStoppedFrame():
                self.stopped.set()
        await self.push_frame(frame, direction)


class Conversation:
    """A service, a loudspeaker, and the context that an LLM would be given."""

    def __init__(self, url: str) -> None:
        settings = ElevenLabsTTSService.Settings(voice="heart")
        self.service = ElevenLabsTTSService(api_key="secret", url=url, settings=settings)
        self.notes, self.speaker, self.context = Notes(), Loudspeaker(), LLMContext()
        assistant = LLMContextAggregatorPair(self.context).assistant()
        self.worker = PipelineWorker(
            Pipeline([self.service, self.notes, self.speaker, assistant]),
            cancel_on_idle_timeout=False,
            enable_rtvi=False,
            params=PipelineParams(audio_out_sample_rate=RATE_HZ),
        )
        self.errors: list[str] = []

        @self.worker.event_handler("on_pipeline_error")  # type: ignore[untyped-decorator]
        async def note(_: PipelineWorker, frame: ErrorFrame) -> None:
            self.errors.append(frame.error)

    @property
    def last_answer(self) -> str:
        """What the LLM would believe to have said."""
        answers = [message for message in self.context.get_messages() if message["role"] == "assistant"]
        return str(answers[-1]["content"]) if answers else ""

    async def answer(self, text: str, *, ended: bool = True) -> None:
        tokens = [LLMTextFrame(f"{word} ") for word in text.split()]
        end = [LLMFullResponseEndFrame()] if ended else []
        await self.worker.queue_frames([LLMFullResponseStartFrame(), *tokens, *end])

    async def in_full(self, text: str) -> dict[str, Any]:
        self.notes.words, before_s = [], self.speaker.played_s
        self.notes.stopped.clear()
        await self.answer(text)
        await self.notes.stopped.wait()
        await until(lambda: self.last_answer == text)
        first_s = self.notes.words[0][1]
        words = [(word, round(at_s - first_s, 2)) for word, at_s in self.notes.words]
        return {"words": words, "context": self.last_answer, "played_s": round(self.speaker.played_s - before_s, 2)}

    async def interrupted(self, text: str, *, ended: bool) -> dict[str, Any]:
        before, begun_at_s = self.last_answer, self.speaker.played_s
        await self.answer(text, ended=ended)
        await until(lambda: self.speaker.played_s >= begun_at_s + 1.0)
        await self.worker.queue_frame(InterruptionFrame())
        await until(lambda: self.last_answer != before)
        at_s = self.speaker.played_s
        await asyncio.sleep(0.6)
        return {"context": self.last_answer, "late_s": self.speaker.played_s - at_s}

    async def run(self) -> dict[str, Any]:
        async with asyncio.timeout(60):
            await self.notes.started.wait()
            heard = {
                "first": await self.in_full("Hello there. This is fine."),
                "cut": await self.interrupted(" ".join(TURNS) + ". More follows", ended=False),
                "cut_after_end": await self.interrupted("Second " + " ".join(TURNS) + ".", ended=True),
                "last": await self.in_full("Good bye."),
            }
        began = time.monotonic()
        await self.worker.queue_frame(EndFrame())
        return {**heard, "ended_at": began}


async def main(url: str) -> dict[str, Any]:
    conversation = Conversation(url)
    runner = WorkerRunner()
    await runner.add_workers(conversation.worker)
    heard, _ = await asyncio.gather(conversation.run(), runner.run())
    return {**heard, "errors": conversation.errors, "ending_s": time.monotonic() - heard.pop("ended_at")}


print(json.dumps(asyncio.run(main(sys.argv[1]))))

"""An engine and a chunker without a model: tests set how fast they are, how long they speak and when they fail."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Hashable, Mapping

import numpy as np

from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.errors import NoCapacity
from voiceagent.options import SpeakOptions, check_voice
from voiceagent.protocol import outputs
from voiceagent.text.chunk import Chunk


class FakeChunker:
    """Closes a chunk after every full stop, question mark or exclamation mark."""

    def __init__(self, speech: Mapping[str, str | bool] | None = None, /) -> None:
        self.speech = speech
        self.closed = 0
        self.waiting = ""

    def feed(self, text: str) -> list[Chunk]:
        chunks = []
        for character in text:
            self.waiting += character
            if character in ".?!":
                chunks.append(self._close())
        return chunks

    def flush(self) -> list[Chunk]:
        return [self._close()] if self.waiting.strip() else []

    def end(self) -> list[Chunk]:
        return [self._close(final=True)]

    def poll(self, waited_s: float) -> list[Chunk]:
        return self.flush() if waited_s >= 0.5 else []

    def cut(self, *, stalled: bool = False, least_s: float = 0.0) -> list[Chunk]:
        whole, space, begun = self.waiting.rpartition(" ")
        if not whole.strip() or not (stalled or not least_s):
            return []
        self.waiting = whole + space
        chunk = self._close()
        self.waiting = begun  # a word that may go on
        return [chunk]

    @property
    def waiting_s(self) -> float:
        return 0.0

    def _close(self, *, final: bool = False) -> Chunk:
        spoken = self.waiting.strip()
        chunk = Chunk(self.waiting, self.closed, spoken, lookahead="", final=final, sound_s=len(spoken.split()))
        self.closed += len(self.waiting)
        self.waiting = ""
        return chunk


class FakeEngine:
    """Speaks every word as `word_s` seconds of a constant whose value names the stream.

    Args:
        word_s: length of a word.
        latency_s: real time that each word costs; 0 needs no thread to sleep.
        fail_on: a chunk with this text in it ends the stream with an error.
        max_streams: more raise NoCapacity.
        threaded: speak on a thread of its own, as the real engine does; otherwise at once, inside `speak`.
    """

    sample_rate = SAMPLE_RATE_HZ
    voices: tuple[str, ...] = ("heart", "joe")

    def __init__(
        self,
        *,
        word_s: float = 0.2,
        latency_s: float = 0.0,
        fail_on: str | None = None,
        max_streams: int = 1000,
        threaded: bool = False,
    ) -> None:
        self.word_s = word_s
        self.latency_s = latency_s
        self.fail_on = fail_on
        self.max_streams = max_streams
        self.threaded = threaded
        self.spoken: list[str] = []
        self.cancelled: list[int] = []
        self.live: dict[int, Callable[[outputs.Output], None]] = {}
        self.options: dict[int, SpeakOptions] = {}
        self._opened = 0
        self._at_s: dict[int, float] = {}
        self._jobs: queue.Queue[tuple[int, Chunk] | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self.threaded:
            self._thread = threading.Thread(target=self._run, name="fake-engine", daemon=True)
            self._thread.start()

    def close(self) -> None:
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()

    @property
    def load(self) -> outputs.EngineLoad:
        return outputs.EngineLoad(self.max_streams, len(self.live), self._jobs.qsize())

    def open(self, options: SpeakOptions, deliver: Callable[[outputs.Output], None], *, owner: Hashable = None) -> int:
        check_voice(options.voice, self.voices)
        if len(self.live) >= self.max_streams:
            raise NoCapacity("every stream of the engine is taken; try again later")
        self._opened += 1
        self.live[self._opened] = deliver
        self.options[self._opened] = options
        self._at_s[self._opened] = 0.0
        return self._opened

    def speak(self, stream: int, chunk: Chunk) -> None:
        if self.threaded:
            self._jobs.put((stream, chunk))
        else:
            self._speak(stream, chunk)

    def cancel(self, stream: int) -> None:
        self.cancelled.append(stream)
        deliver = self.live.pop(stream, None)
        if deliver is not None:
            deliver(outputs.Finished(cancelled=True))

    @staticmethod
    def level(stream: int) -> float:
        """The value of every sample of a stream."""
        return (stream % 100 + 1) / 128

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._speak(*job)

    def _speak(self, stream: int, chunk: Chunk) -> None:
        if stream not in self.live:
            return
        if self.fail_on is not None and self.fail_on in chunk.text:
            if (failed := self.live.pop(stream, None)) is not None:
                failed(outputs.Finished(error="the fake engine was told to fail"))
            return
        self.spoken.append(chunk.text)
        position = 0
        for word in chunk.spoken.split():
            if stream not in self.live:
                return
            time.sleep(self.latency_s)
            position = max(position, chunk.text.find(word, position))  # what is spoken may not be in the text
            self._say(stream, word, chunk.start + position)
            position += len(word)
        self._deliver(stream, outputs.Speech(np.zeros(0, np.float32), chunk_done=True))
        if chunk.final and (done := self.live.pop(stream, None)) is not None:
            done(outputs.Finished())

    def _say(self, stream: int, word: str, char_start: int) -> None:
        bare = word.rstrip(".?!,")
        if not bare:
            return
        begin_s = self._at_s[stream]
        self._at_s[stream] = begin_s + self.word_s
        times = outputs.WordTime(bare, begin_s, begin_s + self.word_s, char_start, char_start + len(bare))
        samples = np.full(round(self.word_s * self.sample_rate), self.level(stream), np.float32)
        self._deliver(stream, outputs.Speech(samples, (times,)))

    def _deliver(self, stream: int, output: outputs.Output) -> None:
        deliver = self.live.get(stream)
        if deliver is not None:
            deliver(output)

"""The engine: one thread owns the device and speaks for all streams at once.

    pick streams -> plan chunks, open blocks -> one forward pass for all -> blocks that are done become sound -> deliver

Every stream is at its own step of its own block. Callers hand over chunks and return at once; outputs are delivered on the device
thread. It does not know transports, sessions or wall-clock pacing.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from voiceagent.engine.scheduler import Scheduler
from voiceagent.engine.synthesizer import Manner, Said, Samples, Speaker, SpeakerState
from voiceagent.errors import InputError, NoCapacity
from voiceagent.model.decode.interface import OpenBlock
from voiceagent.model.weights import load, voice_index
from voiceagent.options import SpeakOptions
from voiceagent.protocol.outputs import Finished, Notice, Output, Speech, WordTime

if TYPE_CHECKING:
    from voiceagent.text.chunk import Chunk, Word
    from voiceagent.text.phonemes.phonemizer import Phonemizer


@dataclass(slots=True)
class Stream:
    """One utterance on its way."""

    manner: Manner
    deliver: Callable[[Output], None]
    chunks: deque[Chunk] = field(default_factory=deque)
    state: SpeakerState = field(default_factory=SpeakerState)
    speaking: bool = False  # a chunk is being spoken
    block: OpenBlock | None = None  # under way
    words: deque[WordTime] = field(default_factory=deque)  # of the chunk, not yet delivered
    samples_sent: int = 0
    cancelled: bool = False


class Engine:
    """Speaks chunks of text for many streams.

    Args:
        weights: folder of voices; by default those that ship.
        phonemizer: turns chunks into phonemes; by default the front end that the voices were trained with.
        max_streams: streams that may be open at once.
        threads: threads of the tensor library; by default one, which is faster than two for these sizes.
        precision: "float32", "bfloat16", or None for the faster one on this machine.
        device: "cpu" or "cuda"; by default what VOICEAGENT_DEVICE says, else the processor.

    Raises:
        ModelError: the weights cannot be read.
        InputError: no such precision, or no such device here.
    """

    def __init__(
        self,
        *,
        weights: Path | None = None,
        phonemizer: Phonemizer | None = None,
        max_streams: int = 16,
        threads: int | None = None,
        precision: str | None = None,
        device: str | None = None,
    ) -> None:
        from voiceagent.text.phonemes.phonemizer import MisakiPhonemizer

        voices = load(weights, device=device or os.environ.get("VOICEAGENT_DEVICE") or "cpu")
        dtype = _dtype(precision or os.environ.get("VOICEAGENT_PRECISION"))
        self._speaker = Speaker(voices, dtype, streams=max_streams + 1)  # one for the warm-up
        self._phonemize: Phonemizer = phonemizer or MisakiPhonemizer()
        self._threads = threads or int(os.environ.get("VOICEAGENT_THREADS", "1"))
        self.sample_rate = 24_000
        self.voices = self._speaker.voices.names
        self._scheduler = Scheduler(max_streams)
        self._streams: dict[int, Stream] = {}
        self._opened = 0
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="voiceagent-engine", daemon=True)

    def start(self) -> None:
        """Bring the device thread up."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the block that is being spoken; open streams end as cancelled."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    def open(self, options: SpeakOptions, deliver: Callable[[Output], None], *, owner: Hashable = None) -> int:
        """Open a stream; `deliver` is called on the device thread with its outputs, the last of which is a `Finished`.

        Owners, such as connections, have their turn alike, however many streams each has.

        Raises:
            UnknownVoice: no voice of that name.
            NoCapacity: all streams are taken.
        """
        voice_index(self._speaker.voices, options.voice)
        with self._wake:
            if self._scheduler.full:
                raise NoCapacity(
                    f"all {self._scheduler.max_streams} streams are taken: try again later, or raise max_streams"
                )
            self._opened += 1
            manner = Manner(options.voice, options.speed, options.seed, options.steps)
            self._streams[self._opened] = Stream(manner, deliver)
            self._scheduler.admit(self._opened, owner)
            return self._opened

    def speak(self, stream: int, chunk: Chunk) -> None:
        """Queue a chunk; chunks of a stream are spoken in order. A stream that is over takes none."""
        with self._wake:
            if stream in self._streams:
                self._streams[stream].chunks.append(chunk)
                self._wake.notify()

    def cancel(self, stream: int) -> None:
        """Stop a stream; it ends with `Finished(cancelled=True)`."""
        with self._wake:
            if stream in self._streams:
                self._streams[stream].cancelled = True
                self._wake.notify()

    def _run(self) -> None:
        torch.set_num_threads(self._threads)
        self._warm_up()
        while turn := self._schedule():
            self._tick(turn)
        for number in list(self._streams):
            self._retire(number, Finished(cancelled=True))

    def _warm_up(self) -> None:
        """Speak a word to nobody, so that the first listener does not pay for first calls."""
        if warm := getattr(self._phonemize, "warm", None):
            warm()
        self._speaker.decoder.warm_up()
        manner = Manner(self.voices[0])
        state = self._speaker.plan(SpeakerState(), manner, ("həlˈO,", "wˈɜɹld."), final=True)
        while self._speaker.remaining(state):
            _, state = self._speaker.step(state, manner)

    def _schedule(self) -> list[int]:
        """Wait for work; the streams whose turn it is, or none when the engine closes."""
        with self._wake:
            while not self._closing:
                if cancelled := [n for n, s in self._streams.items() if s.cancelled]:
                    return cancelled
                ready = [n for n, s in self._streams.items() if s.speaking or s.chunks]
                if turn := self._scheduler.pick(ready, time.monotonic()):
                    return turn
                self._wake.wait()
        return []

    def _retire(self, number: int, finished: Finished) -> None:
        with self._wake:
            stream = self._streams.pop(number)
            self._scheduler.retire(number)
        with contextlib.suppress(Exception):  # whoever listened may be gone, and others are there
            stream.deliver(finished)

    def _tick(self, turn: list[int]) -> None:
        """Move every stream of the turn a step on, and let those whose block is done be heard."""
        ready = self._each(turn, self._prepare)
        self._together([n for n in ready if self._streams[n].block is not None], self._advance)
        done = [n for n in ready if n in self._streams and ((b := self._streams[n].block) is None or b.done)]
        first = [n for n in done if not self._scheduler.sounded(n)]  # does not wait until others have become sound
        for numbers in filter(None, (first, [n for n in done if n not in first])):
            self._sound(numbers)

    def _together(self, numbers: list[int], work: Callable[[list[int]], None]) -> None:
        """Do something for all streams at once; if that fails, one by one: who is at fault dies, the others go on."""
        try:
            work(numbers)
        except Exception:
            self._each(numbers, lambda number, _: work([number]))

    def _each(self, numbers: list[int], work: Callable[[int, Stream], None]) -> list[int]:
        """Do something for each stream; one that fails or is over is retired. The others are returned."""
        left = []
        for number in numbers:
            try:
                work(number, self._streams[number])
            except Exception as error:  # the stream dies, the engine lives
                self._retire(number, Finished(error=f"{type(error).__name__}: {error}"))
            if number in self._streams:
                left.append(number)
        return left

    def _prepare(self, number: int, stream: Stream) -> None:
        """Plan the next chunk if the stream is between two, and open a block if none is under way."""
        if stream.cancelled:
            self._retire(number, Finished(cancelled=True))
            return
        if not stream.speaking:
            self._plan(stream, stream.chunks.popleft())
        if stream.block is None:
            stream.block = self._speaker.open(stream.state, stream.manner)

    def _advance(self, numbers: list[int]) -> None:
        """One forward pass for the blocks of these streams."""
        if numbers:
            blocks = [block for number in numbers if (block := self._streams[number].block) is not None]
            for number, block in zip(numbers, self._speaker.decoder.tick(blocks), strict=True):
                self._streams[number].block = block

    def _sound(self, numbers: list[int]) -> None:
        """The blocks of these streams, which are done, become sound and are delivered."""
        said: dict[int, Said] = {}
        sounds: dict[int, tuple[Samples, SpeakerState]] = {}

        def close(number: int, stream: Stream) -> None:
            said[number] = self._speaker.close(stream.state, stream.manner, stream.block)

        def decode(numbers: list[int]) -> None:
            sounds.update(zip(numbers, self._speaker.sound([said[number] for number in numbers]), strict=True))

        self._together(self._each(numbers, close), decode)
        self._each(list(sounds), lambda number, stream: self._hear(number, stream, *sounds[number]))

    def _hear(self, number: int, stream: Stream, samples: Samples, state: SpeakerState) -> None:
        """Deliver what a block has become."""
        stream.state, stream.block = state, None
        done = self._speaker.remaining(state) == 0
        stream.speaking = not done
        stream.samples_sent += len(samples)
        if stream.cancelled:
            self._retire(number, Finished(cancelled=True))
            return
        trimmed_s = state.trimmed / self.sample_rate
        heard_s = stream.samples_sent / self.sample_rate + trimmed_s
        words = []
        while stream.words and (stream.words[0].start_s < heard_s or (done and state.final)):
            words.append(_earlier(stream.words.popleft(), trimmed_s))
        self._scheduler.sent(number, len(samples) / self.sample_rate, time.monotonic())
        stream.deliver(Speech(np.ascontiguousarray(samples), tuple(words), chunk_done=done))
        if done and state.final:
            self._retire(number, Finished())

    def _plan(self, stream: Stream, chunk: Chunk) -> None:
        said = self._phonemize(chunk)
        for warning in said.warnings:
            if warning not in chunk.warnings:  # those the session has passed on already
                stream.deliver(Notice(warning))
        stream.state = self._speaker.plan(
            stream.state,
            stream.manner,
            [word.phonemes for word in said.words],
            said.lookahead,
            final=chunk.final,
            rate=chunk.rate,
            pause_s=chunk.pause_s,
        )
        stream.speaking = True
        if stream.state.stretch is not None:
            stream.words.extend(_times(said.words, stream.state.stretch.word_times_s))


def _dtype(precision: str | None) -> torch.dtype | None:
    if precision in (None, "float32", "bfloat16"):
        return None if precision is None else getattr(torch, precision)
    raise InputError(f"unknown precision {precision!r}: choose float32 or bfloat16, or leave it out")


def _earlier(word: WordTime, by_s: float) -> WordTime:
    return replace(word, start_s=max(0.0, word.start_s - by_s), end_s=max(0.0, word.end_s - by_s))


def _times(words: tuple[Word, ...], times_s: tuple[tuple[float, float], ...]) -> list[WordTime]:
    """Word times on the original text; several spoken words of one written word ("42") become one."""
    merged: list[WordTime] = []
    for word, (start_s, end_s) in zip(words, times_s, strict=True):
        last = merged[-1] if merged else None
        if last is not None and last.char_start == word.start:
            merged[-1] = WordTime(word.text, last.start_s, end_s, word.start, word.end)
        else:
            merged.append(WordTime(word.text, start_s, end_s, word.start, word.end))
    return merged

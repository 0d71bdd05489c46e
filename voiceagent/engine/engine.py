"""The engine: one thread owns the device and speaks for all streams at once.

    pick streams -> prepare (plan chunks, open blocks) -> advance (one forward pass for all)
                 -> finish (tokens of blocks that are done) -> render (samples) -> deliver

Every stream is at its own step of its own block. Callers hand over chunks and return at once; outputs are delivered on the device
thread. It does not know transports, sessions or wall-clock pacing.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.engine.guard import ATTEMPTS, DOUBTFUL
from voiceagent.engine.scheduler import Scheduler
from voiceagent.engine.stream import Stream, times_as_written
from voiceagent.engine.synthesizer import SynthesisState, Synthesizer
from voiceagent.errors import NoCapacity, SynthesisError
from voiceagent.model.lm.script import PhonemeChunk
from voiceagent.model.loading import load_model
from voiceagent.options import SpeakOptions
from voiceagent.options.languages import reading_of
from voiceagent.protocol.outputs import EngineLoad, Finished, Notice, Output, Speech
from voiceagent.settings.engine import EngineConfig

if TYPE_CHECKING:
    from voiceagent.text.chunk import Chunk
    from voiceagent.text.phonemes.phonemizer import Phonemizer

REMADE = "a part that did not sound as planned was made again before it left"
STOPPED = "the engine has stopped: start the service again"

log = logging.getLogger(__name__)


class Engine:
    """Speaks chunks of text for many streams.

    Args:
        weights: folder of voices; by default those that ship.
        phonemizer: turns chunks into phonemes; by default the front end that the voices were trained with.
        config: where it computes and for how many streams; the environment overrides it.

    Raises:
        ModelError: the weights cannot be read.
        InputError: no such device here, or a value in the environment that is not valid.
    """

    def __init__(
        self,
        *,
        weights: Path | None = None,
        phonemizer: Phonemizer | None = None,
        config: EngineConfig | None = None,
    ) -> None:
        from voiceagent.text.phonemes.phonemizer import MisakiPhonemizer

        self._config = config = (config or EngineConfig()).overridden()
        self._synthesizer = Synthesizer(load_model(weights, config))
        self._phonemize: Phonemizer = phonemizer or MisakiPhonemizer()
        self.sample_rate = SAMPLE_RATE_HZ
        self.voices = self._synthesizer.model.space.names
        self._scheduler = Scheduler(config.max_streams)
        self._streams: dict[int, Stream] = {}
        self._opened = 0
        self._wake = threading.Condition()
        self._closing = False
        self._stopped = False  # the thread has ended
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

    @property
    def stopped(self) -> bool:
        """Its thread has ended, so that nothing will be spoken."""
        return self._stopped

    @property
    def load(self) -> EngineLoad:
        """How busy it is at this moment."""
        with self._wake:
            waiting = sum(len(stream.chunks) for stream in self._streams.values())
            return EngineLoad(self._scheduler.max_streams, len(self._streams), waiting, self._scheduler.late)

    def open(self, options: SpeakOptions, deliver: Callable[[Output], None], *, owner: Hashable = None) -> int:
        """Open a stream; `deliver` is called on the device thread with its outputs, the last of which is a `Finished`.

        Owners, such as connections, have their turn alike, however many streams each has.

        Raises:
            UnknownVoice: no voice of that name.
            NoCapacity: all streams are taken.
            SynthesisError: the engine has stopped.
        """
        self._synthesizer.model.space.vector(options.voice)
        with self._wake:
            if self._stopped:
                raise SynthesisError(STOPPED)
            if self._scheduler.full:
                raise NoCapacity(
                    f"all {self._scheduler.max_streams} streams are taken: try again later, or raise max_streams"
                )
            self._opened += 1
            self._streams[self._opened] = Stream(options, deliver)
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
        last = Finished(cancelled=True)
        try:
            self._synthesizer.model.use_threads(self._config.threads)
            self._warm_up()
            while turn := self._schedule():
                self._tick(turn)
        except BaseException:
            log.critical("the engine has stopped", exc_info=True)
            last = Finished(error=STOPPED)
        with self._wake:
            self._stopped = True
        for number in list(self._streams):
            self._retire(number, last)

    def _warm_up(self) -> None:
        """Speak a word to nobody, so that the first listener does not pay for first calls."""
        if warm := getattr(self._phonemize, "warm", None):
            warm()
        self._synthesizer.decoder.warm_up()
        options = SpeakOptions(self.voices[0])
        state = self._synthesizer.plan_chunk(SynthesisState(), options, PhonemeChunk(("həlˈO,", "wˈɜɹld."), final=True))
        while self._synthesizer.remaining(state):
            _, state = self._synthesizer.step(state, options)

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
        """One step for every stream of the turn: prepare, advance together, and what is finished is delivered."""
        rows = [number for number in turn if self._guarded(number, self._prepare)]
        self._together([number for number in rows if self._streams[number].block is not None], self._advance)
        rows = [number for number in rows if self._guarded(number, self._doubt)]
        for finished in self._finished(rows):
            decoded = [number for number in finished if self._guarded(number, self._finish)]
            self._together(decoded, self._render)
            for number in decoded:
                self._guarded(number, self._deliver)

    def _guarded(self, number: int, work: Callable[[int, Stream], None]) -> bool:
        """Work on one stream; one that fails is retired and the engine lives. Whether the stream goes on."""
        if stream := self._streams.get(number):
            try:
                work(number, stream)
            except SynthesisError as error:
                log.error("stream %d failed: %s", number, error)
                self._retire(number, Finished(error=str(error)))
            except Exception as error:
                log.exception("stream %d failed", number)
                self._retire(number, Finished(error=f"{type(error).__name__}: {error}", internal=True))
        return number in self._streams

    def _together(self, numbers: list[int], work: Callable[[list[int]], None]) -> None:
        """Work on all streams at once; if that fails, one by one: who is at fault dies, the others go on."""
        if not numbers:
            return
        try:
            work(numbers)
        except Exception:
            for number in numbers:
                self._guarded(number, lambda number, _: work([number]))

    def _prepare(self, number: int, stream: Stream) -> None:
        """Plan the next chunk if the stream is between two, and open a block if none is under way."""
        if stream.cancelled:
            self._retire(number, Finished(cancelled=True))
            return
        if not stream.speaking:
            self._plan(stream, stream.chunks.popleft())
        if stream.block is None:
            stream.block = self._synthesizer.open_block(stream.state, stream.options)

    def _advance(self, numbers: list[int]) -> None:
        """One forward pass for the blocks of these streams."""
        blocks = [block for number in numbers if (block := self._streams[number].block) is not None]
        for number, block in zip(numbers, self._synthesizer.decoder.tick(blocks), strict=True):
            self._streams[number].block = block

    def _doubt(self, _: int, stream: Stream) -> None:
        """Rate a block that is done; one that is doubtful is decoded again, and the best of all attempts is kept."""
        if self._synthesizer.guard is None or stream.block is None or not stream.block.done:
            return
        stream.doubted.append((self._synthesizer.doubt(stream.state, stream.block), stream.block))
        attempts = len(stream.doubted)
        if stream.doubted[-1][0] > DOUBTFUL and attempts <= ATTEMPTS:
            stream.block = self._synthesizer.open_block(stream.state, stream.options, attempts)
            return
        stream.block = min(stream.doubted, key=lambda rated: rated[0])[1]
        stream.doubted = []
        if attempts > 1:
            stream.deliver(Notice(REMADE, code="remade"))

    def _finished(self, rows: list[int]) -> list[list[int]]:
        """The streams whose block is done; those that nobody has heard yet do not wait until others have become sound."""
        done = [number for number in rows if number in self._streams and self._streams[number].block_done]
        first = [number for number in done if not self._scheduler.sounded(number)]
        return [first, [number for number in done if number not in first]]

    def _finish(self, _: int, stream: Stream) -> None:
        """The tokens of a block that is done."""
        stream.decoded = self._synthesizer.close_block(stream.state, stream.options, stream.block)

    def _render(self, numbers: list[int]) -> None:
        """The tokens of these streams become samples, in one pass of the codec."""
        decoded = [block for number in numbers if (block := self._streams[number].decoded) is not None]
        for number, (samples, state) in zip(numbers, self._synthesizer.render(decoded), strict=True):
            stream = self._streams[number]
            stream.samples, stream.state, stream.block, stream.decoded = samples, state, None, None

    def _deliver(self, number: int, stream: Stream) -> None:
        """Hand over the samples of a block, and the words that begin in them."""
        samples, state = stream.samples, stream.state
        done = self._synthesizer.remaining(state) == 0
        stream.speaking = not done
        stream.samples_sent += len(samples)
        if stream.cancelled:
            self._retire(number, Finished(cancelled=True))
            return
        trimmed_s = state.trimmed / self.sample_rate
        heard_s = math.inf if done and state.final else stream.samples_sent / self.sample_rate + trimmed_s
        words = tuple(stream.words_until(heard_s, trimmed_s))
        self._scheduler.sent(number, len(samples) / self.sample_rate, time.monotonic())
        stream.deliver(Speech(np.ascontiguousarray(samples), words, chunk_done=done))
        if done and state.final:
            self._retire(number, Finished())

    def _reader(self, options: SpeakOptions) -> Phonemizer:
        """What turns text of these options into phonemes."""
        reading = reading_of(options.language, options.voice)
        if reading == "en":
            return self._phonemize
        from voiceagent.text.languages.registry import phonemizer_of

        return phonemizer_of(reading)

    def _plan(self, stream: Stream, chunk: Chunk) -> None:
        said = self._reader(stream.options)(chunk)
        for warning in said.warnings:
            if warning not in chunk.warnings:  # those the session has passed on already
                stream.deliver(Notice(warning))
        phonemes = [word.phonemes for word in said.words]
        stream.state = self._synthesizer.plan_chunk(
            stream.state,
            stream.options,
            PhonemeChunk(phonemes, said.lookahead, final=chunk.final, speed=chunk.rate, pause_s=chunk.pause_s),
            delivery=chunk.delivery,
            stressed=said.stressed,
        )
        stream.speaking = True
        if stream.state.plan is not None:
            stream.words.extend(times_as_written(said.words, stream.state.plan.word_times_s))

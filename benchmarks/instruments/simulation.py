"""Many conversations in no time: the real chunker, session and scheduler on a clock of their own, an engine that only takes time.

Tokens come when a pretend language model sends them, ticks cost what was measured, chunks are as long as the voice would make them,
and a listener without any buffer plays what leaves. The same arguments give the same figures on every machine.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.engine.scheduler import Scheduler
from voiceagent.options import SpeakOptions
from voiceagent.protocol import commands, events, outputs
from voiceagent.session.chunkers import default_chunker
from voiceagent.session.pacing import Playhead
from voiceagent.session.session import Session

if TYPE_CHECKING:
    from voiceagent.text.chunk import Chunk

TOKEN_S = 0.04
FIRST_BLOCK, BLOCK, CRUMBS = 8, 16, 3  # as the engine makes them
WITHHELD = 3  # tokens that the decoder looks ahead
TRIMMED_S = 0.05  # silence that an utterance loses at its beginning
STEP_TOKENS = 4  # a step commits as many


class Timed(NamedTuple):
    """A spoken word: characters [start, end) of the text, and when it sounds if the text is spoken in one go."""

    start: int
    end: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Text:
    """A text and how the voice says it."""

    text: str
    words: tuple[Timed, ...]
    end_s: float

    def length_s(self, start: int, end: int) -> float:
        """How long the words of [start, end) sound, with the pauses behind them."""
        inside = [index for index, word in enumerate(self.words) if start <= word.start < end]
        if not inside:
            return 0.0
        first, after = inside[0], inside[-1] + 1
        begin_s = self.words[first].start_s if first else 0.0
        return (self.words[after].start_s if after < len(self.words) else self.end_s) - begin_s


Turn: TypeAlias = tuple[Text, Sequence[tuple[float, str]]]
"""A text, and its tokens with the seconds after which they come."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What the engine takes, in seconds: of one row, and of each further row that shares the pass."""

    plan_s: float = 0.010
    tick_s: float = 0.0082
    tick_row_s: float = 0.0028
    sound_s: float = 0.0120
    sound_row_s: float = 0.0060
    network_s: float = 0.004  # text in, and audio out

    def times(self, factor: float) -> Speed:
        """A slower machine."""
        return Speed(
            factor * self.plan_s,
            factor * self.tick_s,
            factor * self.tick_row_s,
            factor * self.sound_s,
            factor * self.sound_row_s,
            self.network_s,
        )


class Clock:
    """What happens next."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Something is to happen."""
        heapq.heappush(self._due, (max(when, self.now), next(self._number), what))

    def run(self) -> None:
        """Until nothing is due."""
        while self._due:
            self.now, _, what = heapq.heappop(self._due)
            what()


@dataclass(slots=True)
class _Stream:
    deliver: Callable[[outputs.Output], None]
    text: Text
    chunks: deque[Chunk] = field(default_factory=deque)
    exact_s: float = 0.0  # length of what has been planned
    tokens: int = 0
    planned: int = 0
    sent: int = 0
    steps: int = 0  # left of the block under way
    block: int = 0
    speaking: bool = False
    final: bool = False
    speed: float = 1.0
    said: list[str] = field(default_factory=list)  # texts of its chunks


class SlowEngine:
    """The engine's ticks with their times; samples are silence."""

    sample_rate = SAMPLE_RATE_HZ
    voices: tuple[str, ...] = ("heart", "joe")

    def __init__(self, clock: Clock, speed: Speed) -> None:
        self._clock, self._speed = clock, speed
        self._scheduler = Scheduler(64)
        self._streams: dict[int, _Stream] = {}
        self._opened = 0
        self._busy = False
        self.next_text: Text | None = None
        self.next_said: list[str] = []

    @property
    def load(self) -> outputs.EngineLoad:
        """How busy it is."""
        return outputs.EngineLoad(self._scheduler.max_streams, len(self._streams), late=self._scheduler.late)

    def open(self, options: SpeakOptions, deliver: Callable[[outputs.Output], None], *, owner: Hashable = None) -> int:
        """Open a stream for `next_text`."""
        assert self.next_text is not None
        self._opened += 1
        self._streams[self._opened] = _Stream(deliver, self.next_text, speed=options.speed, said=self.next_said)
        self._scheduler.admit(self._opened, owner)
        return self._opened

    def speak(self, stream: int, chunk: Chunk) -> None:
        """Queue a chunk."""
        self._streams[stream].chunks.append(chunk)
        self._streams[stream].said.append(chunk.text)
        if not self._busy:
            self._busy = True
            self._clock.at(self._clock.now, self._tick)

    def cancel(self, stream: int) -> None:
        """Forget a stream."""
        self._streams.pop(stream, None)
        self._scheduler.retire(stream)

    def _tick(self) -> None:
        ready = [number for number, stream in self._streams.items() if stream.speaking or stream.chunks]
        turn = self._scheduler.pick(ready, self._clock.now)
        self._busy = bool(turn)
        if not turn:
            return
        spent_s = sum(self._prepare(self._streams[number]) for number in turn)
        moving = [number for number in turn if self._streams[number].steps]
        for number in moving:
            self._streams[number].steps -= 1
        if moving:
            spent_s += self._speed.tick_s + self._speed.tick_row_s * (len(moving) - 1)
        done = [number for number in turn if not self._streams[number].steps]
        first = [number for number in done if not self._scheduler.sounded(number)]
        for numbers in filter(None, (first, [number for number in done if number not in first])):
            spent_s += self._speed.sound_s + self._speed.sound_row_s * (len(numbers) - 1)
            self._clock.at(self._clock.now + spent_s, partial(self._sound, numbers))
        self._clock.at(self._clock.now + spent_s, self._tick)

    def _prepare(self, stream: _Stream) -> float:
        """Plan a chunk and open a block; seconds that it takes."""
        spent_s = 0.0
        if not stream.speaking:
            chunk = stream.chunks.popleft()
            length_s = stream.text.length_s(chunk.start, chunk.start + len(chunk.text))
            stream.exact_s += length_s / stream.speed
            stream.planned = int(stream.exact_s / TOKEN_S + (0.999 if chunk.final else 0.0))
            stream.speaking, stream.final = True, chunk.final
            spent_s = self._speed.plan_s
        if not stream.block:
            left = stream.planned - stream.tokens
            stream.block = min(left, BLOCK if stream.tokens else FIRST_BLOCK)
            if 0 < left - stream.block < CRUMBS:
                stream.block = left
            stream.steps = -(-min(stream.block, BLOCK) // STEP_TOKENS)
        return spent_s

    def _sound(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            stream = self._streams.get(number)
            if stream is None:
                continue
            stream.tokens += stream.block
            stream.block = 0
            stream.speaking = stream.tokens < stream.planned
            over = stream.final and not stream.speaking
            ready = stream.tokens - (0 if over else WITHHELD)
            trimmed = round(TRIMMED_S * self.sample_rate)
            samples = max(stream.sent, round(ready * TOKEN_S * self.sample_rate) - trimmed)
            fresh, stream.sent = samples - stream.sent, samples
            self._scheduler.sent(number, fresh / self.sample_rate, self._clock.now)
            stream.deliver(outputs.Speech(np.zeros(fresh, np.float32), chunk_done=not stream.speaking))
            if over:
                self.cancel(number)
                stream.deliver(outputs.Finished())


@dataclass(slots=True)
class Heard:
    """What a listener noticed of an utterance."""

    first_sound_s: float | None = None
    player: Playhead = field(default_factory=Playhead)
    chunks: list[str] = field(default_factory=list)
    gaps_at_s: list[float] = field(default_factory=list)


class Talk:
    """One client: an utterance after the other, each when the one before has been heard."""

    def __init__(
        self,
        clock: Clock,
        engine: SlowEngine,
        network_s: float,
        turns: Sequence[Turn],
        begin_s: float,
        options: Mapping[str, object],
    ) -> None:
        self.heard: list[Heard] = []
        self._clock, self._engine, self._network_s = clock, engine, network_s
        self._turns, self._options = deque(turns), options
        self._session = Session(engine, self._post, make_chunker=default_chunker)
        self._asked_at: float | None = None
        clock.at(begin_s, self._next)

    def _post(self, stream: int, output: outputs.Output) -> None:
        self._session.receive(stream, output)
        self._take()

    def _next(self) -> None:
        if not self._turns:
            return
        text, schedule = self._turns.popleft()
        id_ = str(len(self.heard))
        self.heard.append(Heard())
        self._engine.next_text, self._engine.next_said = text, self.heard[-1].chunks
        self._begin_s = self._clock.now
        self._session.handle(commands.Start(id_, **self._options), self._clock.now)  # type: ignore[arg-type]
        for at_s, token in schedule:
            self._clock.at(self._begin_s + at_s, partial(self._write, commands.Text(id_, token)))
        self._clock.at(self._begin_s + schedule[-1][0], partial(self._write, commands.End(id_)))

    def _write(self, command: commands.Command) -> None:
        self._session.handle(command, self._clock.now + self._network_s)
        self._take()

    def _take(self) -> None:
        now = self._clock.now
        while (event := self._session.next_event(now)) is not None:
            heard = self.heard[-1]
            if isinstance(event, events.Audio):
                heard.player.deliver(len(event.samples) / SAMPLE_RATE_HZ, now, last=event.last)
                if heard.first_sound_s is None and len(event.samples):
                    heard.first_sound_s = now - self._begin_s + 2 * self._network_s
            elif isinstance(event, events.Done):
                left_s = heard.player.delivered_s - heard.player.played_s
                self._clock.at(now + left_s + 0.3, self._next)
        wait_s = self._session.wait_s(now)
        if wait_s is not None:
            when = now + max(wait_s, 0.0005)
            if self._asked_at is None or when < self._asked_at - 1e-9 or self._asked_at < now:
                self._asked_at = when
                self._clock.at(when, self._wake)

    def _wake(self) -> None:
        self._asked_at = None
        self._take()


def simulate(
    turns: Sequence[Sequence[Turn]],
    speed: Speed,
    options: Mapping[str, object] | None = None,
) -> list[Heard]:
    """Each client speaks its turns; what the listeners heard."""
    clock = Clock()
    engine = SlowEngine(clock, speed)
    talks = [
        Talk(clock, engine, speed.network_s, each, 0.37 * number, options or {}) for number, each in enumerate(turns)
    ]
    clock.run()
    return [heard for talk in talks for heard in talk.heard]

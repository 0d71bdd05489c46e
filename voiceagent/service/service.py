"""What every transport of one process shares: the engine, the settings, the counters.

Knows no transport; adapters get their sessions here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakSet

from voiceagent.service.edit_desk import EditDesk
from voiceagent.service.keys import Key, KeyRing
from voiceagent.service.metrics import Metrics, counter, gauge
from voiceagent.service.strangers import Strangers
from voiceagent.session.async_session import AsyncSession
from voiceagent.session.chunkers import default_chunker
from voiceagent.session.engine_watch import EngineWatch
from voiceagent.session.interface import MakeChunker, SpeechEngine
from voiceagent.settings.serve import ServeConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.core import Metric

STRANGERS_MAX = 16
FULL = "every connection is taken; try again later"


@dataclass(slots=True)
class Service:
    """The parts that clients share."""

    engine: SpeechEngine
    config: ServeConfig = field(default_factory=ServeConfig)
    make_chunker: MakeChunker = default_chunker
    metrics: Metrics = field(default_factory=Metrics)
    edit_desk: EditDesk | None = None
    """Where recordings are edited, or None: they are not."""
    connections: int = 0
    """Clients connected now."""
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """The service has been told to end: what is open may finish, nothing new is taken."""
    keys: KeyRing = field(init=False)
    """Who may use it."""
    watch: EngineWatch = field(init=False)
    """Whether the engine is stuck."""
    strangers: Strangers = field(default_factory=lambda: Strangers(STRANGERS_MAX))
    """Connections that have shown no key yet; they are not among `connections`."""
    _sessions: WeakSet[AsyncSession] = field(default_factory=WeakSet)

    def __post_init__(self) -> None:
        self.keys = KeyRing(self.config, self.metrics.count_chars)
        self.watch = EngineWatch(self.config.engine_stall_s, self.metrics.engine_stalls.inc)
        self.metrics.watch(self._state)

    @property
    def ailment(self) -> str | None:
        """Why nothing can be spoken, or None: it can."""
        if getattr(self.engine, "stopped", False):
            return "the engine has stopped"
        return "the engine is stuck" if self.watch.stalled else None

    @property
    def full(self) -> bool:
        """No more clients are taken."""
        return self.draining.is_set() or self.connections >= self.config.max_connections

    @property
    def unready(self) -> str | None:
        """Why a balancer should send nobody here now, or None: whoever comes can be spoken to."""
        if self.ailment is not None:
            return self.ailment
        if self.draining.is_set():
            return "draining: what is open is spoken, nothing new is taken"
        if self.full:
            return f"full: all {self.config.max_connections} connections are taken"
        load = self.engine.load
        return f"full: all {load.slots} streams are taken" if load.taken >= load.slots else None

    @property
    def open_utterances(self) -> int:
        """Utterances of all sessions that are open."""
        return sum(session.open_utterances for session in self._sessions if not session.closed)

    @contextlib.contextmanager
    def client(self) -> Iterator[None]:
        """Counts a client for as long as the block lasts."""
        self.connections += 1
        self.metrics.connections.inc()
        try:
            yield
        finally:
            self.connections -= 1
            self.metrics.connections.dec()

    def connect(self, *, paced: bool = True, text_waits: bool = False, key: Key | None = None) -> AsyncSession:
        """A session for a client, which opens nothing once the service is to end; inside a running event loop.

        Args:
            paced: hold audio back to `max_ahead_ms` of each utterance; a file is wanted as fast as it can be made.
            text_waits: text that finds no room stands in line for `text_wait_s`; otherwise it is refused at once.
            key: what its client has shown; it may be shown later, to `allow`.
        """
        session = AsyncSession(
            self.engine,
            limits=self.config.limits,
            paced=paced,
            make_chunker=self.make_chunker,
            text_wait_s=self.config.text_wait_s if text_waits else 0.0,
            voice_names=self.config.voice_names,
            watch=self.watch,
        )
        if self.draining.is_set():
            session.take_nothing_new()
        self._sessions.add(session)
        if key is not None:
            self.allow(session, key)
        return session

    def allow(self, session: AsyncSession, key: Key) -> None:
        """Counts what a session does to the key that its client has shown."""
        session.allow(key)
        key.sessions.add(session)

    def _state(self) -> Iterable[Metric]:
        load = self.engine.load
        yield gauge("utterances_open", "Utterances that are open, speaking or waiting for text.", self.open_utterances)
        yield gauge("slots", "Streams that may be open at once.", load.slots)
        yield gauge("slots_taken", "Streams that are open; what to scale on.", load.taken)
        yield gauge("queue", "Chunks of text that wait for the engine.", load.waiting)
        yield gauge("draining", "1 from the moment at which the service is told to end.", self.draining.is_set())
        yield gauge("ready", "1 where /readyz says 200.", self.unready is None)
        late = "Blocks that came after their listener had run dry, although there was something to say."
        yield counter("late_ticks", late, load.late)

    async def drain(self) -> None:
        """Takes nothing new, and waits until all that is open has been spoken, at most `drain_s`."""
        self.draining.set()
        for session in self._sessions:
            session.take_nothing_new()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.drain_s):
                async with asyncio.TaskGroup() as tasks:
                    for session in list(self._sessions):
                        tasks.create_task(session.wait_until_idle(), name=f"drain[{session.id}]")

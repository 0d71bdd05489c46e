"""A session on an event loop: the clock, the hop from the engine's thread, and the waiting.

Every transport and the Python interface drive their session through this class; it knows none of them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping

from voiceagent.errors import VoiceAgentError
from voiceagent.protocol import commands, events, outputs
from voiceagent.protocol.text_pieces import pieces
from voiceagent.session.chunkers import default_chunker
from voiceagent.session.engine_watch import EngineWatch
from voiceagent.session.interface import Allowance, MakeChunker, SpeechEngine
from voiceagent.session.session import Session
from voiceagent.settings.serve import Limits


class AsyncSession:
    """A `Session` whose events can be awaited; make it inside a running event loop.

    One task may take events; any task of the loop may feed commands.
    """

    def __init__(
        self,
        engine: SpeechEngine,
        *,
        limits: Limits | None = None,
        paced: bool = True,
        make_chunker: MakeChunker = default_chunker,
        text_wait_s: float = 0.0,
        voice_names: Mapping[str, str] | None = None,
        watch: EngineWatch | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._watch = watch
        self._asked_s: float | None = None  # since when the engine has something to say
        self._changed = asyncio.Event()
        self._progress = asyncio.Event()
        self._session = Session(
            engine,
            self._post,
            make_chunker=make_chunker,
            limits=limits,
            paced=paced,
            text_wait_s=text_wait_s,
            voice_names=voice_names,
        )

    @property
    def id(self) -> str:
        """Name of the session in events and logs."""
        return self._session.id

    @property
    def closed(self) -> bool:
        """No more commands are obeyed."""
        return self._session.closed

    @property
    def busy(self) -> bool:
        """Something is open, or an event waits to be taken."""
        return self._session.busy

    @property
    def received(self) -> tuple[events.Received, ...]:
        """What has arrived of each utterance that is open."""
        return self._session.received

    @property
    def open_utterances(self) -> int:
        """How many utterances are open."""
        return self._session.open_utterances

    def allow(self, allowance: Allowance) -> None:
        """Says what this client may do from now on."""
        self._session.allowance = allowance

    def knows(self, utterance_id: str) -> bool:
        """Whether something of this utterance is still to come."""
        return self._session.knows(utterance_id)

    def handle(self, command: commands.Command) -> None:
        """Obeys a command; whatever is wrong with it becomes an `Error` event."""
        self._session.handle(command, self._loop.time())
        self._wake()

    def refuse(self, utterance_id: str | None, error: VoiceAgentError) -> None:
        """Answers a request that could not be read."""
        self._session.refuse(utterance_id, error)
        self._wake()

    def take_nothing_new(self) -> None:
        """Opens no further utterance; those that are open go on."""
        self._session.ending = True

    def close(self) -> None:
        """Cancels everything that is open; the events that are left can still be taken."""
        self._session.close(self._loop.time())
        self._wake()

    def has_room(self, text: commands.Text) -> bool:
        """Whether this text would be taken now."""
        return self._session.has_room(text.id, len(text.text))

    async def wait_for_room(self, text: commands.Text, timeout_s: float | None = None) -> bool:
        """Waits until this text would be taken; False if that took too long."""
        try:
            async with asyncio.timeout(timeout_s):
                while not (self.has_room(text) or self.closed):
                    await self._next_progress()
        except TimeoutError:
            return False
        return True

    async def write(self, utterance: str, text: str) -> None:
        """Feeds a text of any length, piece by piece as there is room for it."""
        for piece in pieces(text, self._session.limits.max_text_buffer):
            command = commands.Text(utterance, piece)
            await self.wait_for_room(command)
            self.handle(command)
            await asyncio.sleep(0)  # others get their turn

    async def wait_for_calm(self) -> None:
        """Waits while more answers are queued than a well-behaved client can cause."""
        while self._session.congested and not self.closed:
            await self._next_progress()

    async def wait_until_idle(self) -> None:
        """Waits until nothing is open and every event has been taken."""
        while self.busy:
            await self._next_progress()

    async def next_event(self) -> events.Event | None:
        """The next event; None when the session is closed and nothing is left."""
        # Events may be ready without end: whoever feeds commands must get a turn, or a cancel waits for all of them.
        await asyncio.sleep(0)
        while True:
            now = self._loop.time()
            event = self._session.next_event(now)
            if event is not None:
                self._progress.set()
                return event
            if self.closed:
                return None
            engine_wait_s = self._engine_wait_s(now)
            if self._watch is not None and engine_wait_s == 0.0:
                self._watch.give_up()
                self._session.give_engine_up(f"the engine has been silent for {self._watch.stall_s:g} s; try again")
                continue
            waits = [wait_s for wait_s in (self._session.wait_s(now), engine_wait_s) if wait_s is not None]
            self._changed.clear()
            try:
                async with asyncio.timeout(min(waits, default=None)):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _engine_wait_s(self, now: float) -> float | None:
        """Seconds that the engine may still be silent; None where nothing is asked of it."""
        if self._watch is None or not self._session.awaits_engine:
            self._asked_s = None
            return None
        if self._asked_s is None:
            self._asked_s = now
        return self._watch.wait_s(self._asked_s, now)

    async def _next_progress(self) -> None:
        self._progress.clear()
        await self._progress.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._progress.set()

    def _post(self, stream: int, output: outputs.Output) -> None:
        """On the engine's thread; on ours where an engine answers within a call, which says nothing of its thread."""
        by_itself = threading.get_ident() != self._thread
        try:
            self._loop.call_soon_threadsafe(self._receive, stream, output, by_itself)
        except RuntimeError:
            return  # the loop is closed, so nobody listens

    def _receive(self, stream: int, output: outputs.Output, by_itself: bool) -> None:
        if by_itself and self._watch is not None:
            self._watch.heard(self._loop.time())
        self._session.receive(stream, output)
        self._wake()

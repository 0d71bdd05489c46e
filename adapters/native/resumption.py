"""What outlives the connection of a client: its session, its encoders, and what was sent last.

A connection that is lost leaves its conversation waiting. The engine goes on until the backlog of the session is
full; whoever comes back with the token gets what was missed and then the rest, as if nothing had happened.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import replace

from voiceagent.adapters.native.replay import Gap, Message, ReplayLog
from voiceagent.audio.encoders import StreamEncoder, available_encodings
from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.errors import ProtocolError
from voiceagent.protocol import commands, events, wire
from voiceagent.service.service import Service

# An engine lets go of a stream between two of its steps.
LETTING_GO_S = 0.1


class ResumableSession:
    """A session and the messages it becomes; one connection at a time carries them."""

    def __init__(self, service: Service) -> None:
        config = service.config
        self.live = service.connect(text_waits=True)
        self.token = secrets.token_urlsafe(24)
        self.fresh = True
        """Nothing has been asked of it yet."""
        self.leave: Callable[[], None] | None = None
        """Tells the connection that carries it to let go."""
        self._metrics = service.metrics
        self._window_ms = round(config.resume_window_s * 1000)
        self._log = ReplayLog(config.resume_window_s, config.resume_max_bytes if self._window_ms else 0)
        self._again: deque[Message] = deque()
        self._caught_up = asyncio.Event()
        self._sound_s = 0.0  # of the last frame
        self._encoders: dict[str, StreamEncoder] = {}

    def handle(self, command: commands.Command) -> None:
        """Obeys a command."""
        self.fresh = False
        if isinstance(command, commands.Cancel) or (isinstance(command, commands.Start) and command.preempt):
            # Whoever wants silence does not want to hear again what was missed.
            self._again = deque(message for message in self._again if isinstance(message, str))
        if isinstance(command, commands.Played):
            self._metrics.underruns.inc(command.underruns)
        self.live.handle(command)

    def close(self) -> None:
        """Cancels everything; what was heard of it can still be taken."""
        self._again.clear()
        self.live.close()

    def forget(self) -> None:
        """Lets go of what was kept for a client that does not come back: the rest may wait for a collection of garbage."""
        self._log.clear()

    async def next_message(self) -> Message | None:
        """The next message for the client; None when the conversation is over and all has been said."""
        if self._again:
            await asyncio.sleep(0)  # whoever reads commands must get a turn, or a cancel waits for all of them
        if self._again:
            return self._again.popleft()
        self._caught_up.set()
        event = await self.live.next_event()
        return None if event is None else self._encode(event)

    def sound_s(self, message: Message) -> float:
        """Seconds of sound in a message that was just taken."""
        return self._sound_s if isinstance(message, bytes) else 0.0

    async def wait_until_said(self) -> None:
        """Waits until nothing is open and every message has been taken."""
        await self.live.wait_until_idle()
        await self._caught_up.wait()

    def rewind(self, have: Mapping[str, int]) -> None:
        """Says where the session stands, and sends again what the client has not got.

        Args:
            have: number of the last frame that arrived, for each utterance whose end has not.
        """
        self._caught_up.clear()
        self._again.clear()
        for utterance in (name for name in have if name not in self._log and not self.live.knows(name)):
            message = f"utterance {utterance!r} did not arrive here, or ended long ago: start it again"
            self.live.refuse(utterance, ProtocolError(message, code="unknown_utterance"))
        again: list[Message] = []
        for utterance in self._log.missed(have):
            try:
                again += self._log.since(utterance, have.get(utterance, -1))
            except Gap:
                message = f"what followed frame {have.get(utterance, -1)} is no longer kept: start the utterance again"
                self.live.refuse(utterance, ProtocolError(message, code="resume_gap"))
                if self._is_open(utterance):
                    self.live.handle(commands.Cancel(utterance))
        resumed = wire.encode_event(events.Resumed(self.live.id, self.live.received))
        self._again.extend([resumed, *again])

    def _encode(self, event: events.Event) -> Message:
        self._metrics.observe(event)
        if isinstance(event, events.Audio):
            encoder = self._encoders[event.id]
            pts_samples = encoder.samples_out
            frame = wire.encode_audio(event, encoder.encode(event.samples, event.last), pts_samples)
            self._sound_s = duration_s = len(event.samples) / SAMPLE_RATE_HZ
            self._log.add(frame, utterance=event.id, seq=event.seq, duration_s=duration_s)
            return frame
        if isinstance(event, events.Ready):
            event = replace(event, formats=available_encodings(), resume_window_ms=self._window_ms)
            return wire.encode_event(replace(event, token=self.token) if self._window_ms else event)
        if isinstance(event, events.Started):
            self._encoders[event.id] = StreamEncoder(event.format)
            self._log.begin(event.id)
        message = wire.encode_event(event)
        self._keep(event, message)
        return message

    def _keep(self, event: events.Event, message: str) -> None:
        utterance = event.id if not isinstance(event, events.Ready | events.Resumed | events.Pong) else None
        if utterance is None:
            return
        self._log.add(message, utterance=utterance)
        refused = isinstance(event, events.Error) and not self._is_open(utterance)
        if refused or isinstance(event, events.Done | events.Cancelled):
            self._encoders.pop(utterance, None)
            self._log.end(utterance, cancelled=isinstance(event, events.Cancelled))

    def _is_open(self, utterance: str) -> bool:
        return any(one.id == utterance for one in self.live.received)


class ResumableSessions:
    """The conversations of a service, with a connection or waiting for theirs to come back."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._all: dict[str, ResumableSession] = {}
        self._waiting: OrderedDict[str, asyncio.TimerHandle] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Conversations without a connection."""
        return len(self._waiting)

    def open(self) -> ResumableSession:
        """A new one."""
        conversation = ResumableSession(self._service)
        self._all[conversation.live.id] = conversation
        return conversation

    def park(self, conversation: ResumableSession) -> None:
        """Lets one wait for its client to come back; the one that has waited longest makes room."""
        window_s = self._service.config.resume_window_s
        if not window_s or self._service.draining.is_set() or conversation.live.closed:
            self.end(conversation)
            return
        timer = asyncio.get_running_loop().call_later(window_s, self.end, conversation)
        self._waiting[conversation.live.id] = timer
        if len(self._waiting) > self._service.config.max_connections:
            self.end(self._all[next(iter(self._waiting))])

    def end(self, conversation: ResumableSession) -> None:
        """Cancels everything in it and forgets it."""
        self._all.pop(conversation.live.id, None)
        self._unpark(conversation)
        conversation.close()
        conversation.forget()

    async def make_room(self) -> None:
        """Ends those that have waited longest, while they have what a client who is here could use."""
        while self._waiting and self._service.open_utterances >= self._service.config.engine.max_streams:
            self.end(self._all[next(iter(self._waiting))])
            await asyncio.sleep(LETTING_GO_S)

    def end_waiting(self) -> None:
        """Ends all that wait."""
        for session in list(self._waiting):
            self.end(self._all[session])

    def resume(self, session: str, token: str) -> ResumableSession | None:
        """The conversation of this session, taken from the connection that still has it, or None: there is none."""
        conversation = self._all.get(session)
        if conversation is None or conversation.live.closed:
            return None
        if not hmac.compare_digest(conversation.token.encode(), token.encode("utf-8", "replace")):
            return None
        self._unpark(conversation)
        if conversation.leave is not None:
            conversation.leave()
            conversation.leave = None
        return conversation

    def _unpark(self, conversation: ResumableSession) -> None:
        timer = self._waiting.pop(conversation.live.id, None)
        if timer is not None:
            timer.cancel()

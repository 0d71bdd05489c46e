"""One utterance over MQTT, from its request to its last sound, and the sites where utterances take turns.

A site has one loudspeaker, so its utterances are spoken one after the other. All of them are open from the start:
they take text, and the engine works ahead, while they wait for their turn.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import aiomqtt

from voiceagent.adapters.mqtt.link import Link
from voiceagent.adapters.mqtt.messages import (
    AudioPackets,
    Outgoing,
    Piece,
    Request,
    event_messages,
    site_topic,
)
from voiceagent.errors import NoCapacity, ProtocolError, TextBufferFull
from voiceagent.protocol import commands, events
from voiceagent.service.service import Service
from voiceagent.session.async_session import AsyncSession
from voiceagent.settings.serve import MqttConfig


class SiteUtterance:
    """An utterance and the session that speaks it.

    Args:
        generation: its name, never used before or again: audio and events carry it, so that what is late is known.
        stream: its number in the headers of its audio.
        extra: what `started` says beside what the native protocol has.
    """

    def __init__(
        self,
        service: Service,
        settings: MqttConfig,
        link: Link,
        request: Request,
        *,
        generation: str,
        stream: int,
        extra: dict[str, Any],
    ) -> None:
        self.id = request.start.id
        self.generation = generation
        self.request = request
        self.begun = False
        """Some of it has been sent."""
        self.over = asyncio.Event()
        """Nothing of it will be heard any more."""
        self._service = service
        self._settings = settings
        self._link = link
        self._stream = stream
        self._extra = extra
        self._live: AsyncSession = service.connect(paced=True)
        self._turn = asyncio.Event()
        self._pieces = 0
        self._found_no_room = False
        """The command that is due was refused, and has not been sent again."""
        self._ended = False
        self._reason: str | None = None
        self._watchdog: asyncio.TimerHandle | None = None

    # Commands in.

    def grant_turn(self) -> None:
        """It may be heard now."""
        self._turn.set()

    def cancel(self, reason: str, played_ms: int | None = None) -> None:
        """Stops it; `cancelled` follows, and after that nothing."""
        self._reason = self._reason or reason
        self._live.handle(commands.Cancel(self.id, played_ms))
        self._turn.set()

    def obey(self, piece: Piece) -> None:
        """Takes a command of the requester; what the session finds wrong with it becomes an error event.

        Raises:
            ProtocolError: a command before it is missing, or its request had all of the text.
            NoCapacity: there is no room for its text, or there was none for the command before it.
        """
        command = piece.command
        if isinstance(command, commands.Cancel):
            self.cancel("asked for", command.played_ms)
            return
        if self.request.end and isinstance(command, commands.Text | commands.Flush | commands.End):
            # Much of that text may still wait for room: this must not get between.
            message = f"utterance {self.id!r} has been ended: no {command.type} may follow"
            raise ProtocolError(message, utterance=self.id)
        if piece.number is not None:
            if piece.number < self._pieces:
                return  # MQTT may bring a message twice
            if piece.number > self._pieces and self._found_no_room:
                raise NoCapacity(f"command {self._pieces} found no room: send it again before {piece.number}")
            if piece.number > self._pieces:
                self.cancel("a command is missing")
                message = f"command {self._pieces} is missing: {piece.number} came; say it again from the start"
                raise ProtocolError(message, utterance=self.id)
        if isinstance(command, commands.Text) and not self._live.has_room(command):
            self._found_no_room = self._found_no_room or piece.number is not None
            raise TextBufferFull.of(self._service.config.limits.max_text_buffer, len(command.text))
        if piece.number is not None:
            self._pieces += 1
            self._found_no_room = False
        self._live.handle(command)
        self._ended = self._ended or isinstance(command, commands.End)
        self._watch()

    def _watch(self) -> None:
        """A requester that vanished must not keep the site silent for ever."""
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._watchdog = None
        if not self._ended and not self.over.is_set():
            loop = asyncio.get_running_loop()
            self._watchdog = loop.call_later(self._settings.idle_s, self._end_idle)

    def _end_idle(self) -> None:
        self._ended = True
        message = f"no text for {self._settings.idle_s:g} s: the utterance is ended"
        self._live.refuse(self.id, ProtocolError(message, utterance=self.id, code="idle"))
        self._live.handle(commands.End(self.id))

    # Events out.

    async def run(self) -> None:
        """Speaks it. Ends when the listener has heard it, or nothing more of it will be heard."""
        self._live.handle(self.request.start)
        self._ended = self.request.end
        feeder: asyncio.Task[None] | None = None
        if self.request.end:
            feeder = asyncio.create_task(self._feed(), name=f"mqtt[{self.generation}].feed")
        else:  # there is room for it: at once, so that no command comes before it or into it
            self._live.handle(commands.Text(self.id, self.request.text))
        try:
            self._watch()
            if await self._open() and await self._wait_for_turn():
                await self._speak()
        finally:
            self.over.set()
            if feeder is not None:
                feeder.cancel()
            if self._watchdog is not None:
                self._watchdog.cancel()
            self._live.close()

    async def _feed(self) -> None:
        """A whole text, as there is room for it."""
        await self._live.write(self.id, self.request.text)
        self._live.handle(commands.End(self.id))

    async def _open(self) -> bool:
        """Says `started`; False where there is nothing to start."""
        while (event := await self._live.next_event()) is not None:
            if isinstance(event, events.Ready):
                continue
            await self._tell(event)
            if isinstance(event, events.Started):
                return True
            if isinstance(event, events.Error):
                return False
        return False

    async def _wait_for_turn(self) -> bool:
        """False where its time was over before its turn came."""
        try:
            async with asyncio.timeout(self.request.expires_s or self._settings.request_expiry_s):
                await self._turn.wait()
                if self._reason is None:
                    await self._link.wait_until_up()
        except TimeoutError:
            message = "it waited longer than its message expiry for its turn"
            await self._tell(events.Error(self.id, "expired", message, retryable=True))
            return False
        return True

    async def _speak(self) -> None:
        packets = self._make_packets()
        loop = asyncio.get_running_loop()
        first_at: float | None = None
        try:
            while (event := await self._live.next_event()) is not None:
                if isinstance(event, events.Audio):
                    if first_at is None:
                        first_at = loop.time()
                        self.begun = True
                        await self._say_state("speaking")
                    for packet in packets.of(event):
                        await self._link.publish(packet)
                    self._service.metrics.observe(event)
                    continue
                await self._tell(event)
                if isinstance(event, events.Done):
                    await self._play_out((first_at or loop.time()) + event.audio_ms / 1000 - loop.time())
                if _is_end(event):
                    return
        except aiomqtt.MqttError:
            await self._give_up()
        finally:
            if self.begun:
                await self._say_state("idle")

    async def _play_out(self, left_s: float) -> None:
        """The listener still plays what was sent ahead; a cancel still reaches it."""
        waiting = asyncio.ensure_future(self._cancelled())
        try:
            await asyncio.wait([waiting], timeout=max(0.0, left_s))
            if waiting.done() and (cancelled := waiting.result()) is not None:
                await self._tell(cancelled)
        finally:
            waiting.cancel()

    async def _cancelled(self) -> events.Cancelled | None:
        while (event := await self._live.next_event()) is not None:
            if isinstance(event, events.Cancelled):
                return event
        return None

    async def _give_up(self) -> None:
        """The broker is gone: what is left would be late, so it is dropped, and that is said once it is back."""
        self.cancel("the connection to the broker was lost")
        cancelled = await self._cancelled()
        if cancelled is not None:
            await self._tell(cancelled)

    def _make_packets(self) -> AudioPackets:
        reply = self.request.reply
        return AudioPackets(
            self.request.start.format,
            reply.audio_topic(self.generation),
            self._stream,
            max_bytes=self._settings.max_payload_bytes,
            expiry_s=self._settings.audio_expiry_s,
            reply=reply,
        )

    async def _tell(self, event: events.Event) -> None:
        more: dict[str, Any] = {"generation": self.generation}
        if isinstance(event, events.Started):
            event = replace(event, stream=self._stream)
            more |= self._extra
        elif isinstance(event, events.Cancelled) and self._reason is not None:
            more["reason"] = self._reason
        self._service.metrics.observe(event)
        await self._link.tell(event_messages(event, self.request.reply, more))

    async def _say_state(self, state: str) -> None:
        if self.request.reply.audio_at_site:
            topic = site_topic(self.request.reply.site, "state")
            await self._link.tell([Outgoing(topic, state.encode(), qos=1, retain=True)])


def _is_end(event: events.Event) -> bool:
    match event:
        case events.Done() | events.Cancelled() | events.Error(code="synthesis_failed"):
            return True
        case _:
            return False

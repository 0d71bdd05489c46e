"""ElevenLabs' two WebSockets: `stream-input`, one text a connection, and `multi-stream-input`, several at once.

Both protocols close the connection themselves: the first as soon as the text is spoken, the second when it is told to.
"""

from __future__ import annotations

from starlette.websockets import WebSocket

from voiceagent.adapters.elevenlabs import messages
from voiceagent.adapters.elevenlabs.connection import ElevenLabsConnection, connect, refusal_of
from voiceagent.adapters.elevenlabs.context import Context
from voiceagent.adapters.elevenlabs.messages import ClientMessage, ElevenLabsRefusal
from voiceagent.errors import TextBufferFull
from voiceagent.protocol import events


async def stream_input(websocket: WebSocket) -> None:
    """WS /v1/text-to-speech/{voice_id}/stream-input."""
    await connect(websocket, _OneText)


async def multi_stream_input(websocket: WebSocket) -> None:
    """WS /v1/text-to-speech/{voice_id}/multi-stream-input."""
    await connect(websocket, _ManyContexts)


class _OneText(ElevenLabsConnection):
    """`stream-input`: the connection is the text. An empty text ends it."""

    paced = False  # who reads it may be writing a file

    async def _take(self, message: ClientMessage) -> None:
        if self._leaving:
            return
        context = next(iter(self._contexts.values()), None) or self._open(None, message)
        await self._write_text(context, message.text or "")
        if message.flush:
            context.flush()
        elif message.text == "":
            self._leaving = True
            context.end()

    def _idle_at(self) -> float | None:
        if self._leaving:
            return None
        touched_at = max([self._touched_at, *(context.touched_at for context in self._contexts.values())])
        return touched_at + self._query.inactivity_s

    def _expire(self) -> None:
        idle_at = self._idle_at()
        if idle_at is None or idle_at > self._now:
            return  # audio has been sent in the meantime
        raise ElevenLabsRefusal(
            "input_timeout_exceeded",
            f"Have not received a new text input within the timeout of {self._query.inactivity_s:g} seconds. Streaming"
            ' input terminated. Send text in time, or the end of input text (empty string "") when done.',
        )


class _ManyContexts(ElevenLabsConnection):
    """`multi-stream-input`: an agent's turns, each in a context that is closed at its end or when it is interrupted."""

    paced = True

    async def _take(self, message: ClientMessage) -> None:
        if self._leaving:
            return
        if message.close_socket:
            self._leave()
            return
        context = self._named(message.context)
        if context is not None and context.closing and (context.later or not message.close_context):
            self._put_off(context, message)
        elif context is not None and message.close_context:
            context.touched_at = self._now
            context.close()
        elif not message.close_context:
            await self._write_to(context, message)

    def _named(self, name: str | None) -> Context | None:
        return next((context for context in self._active() if context.name == name), None)

    def _active(self) -> list[Context]:
        return [context for context in self._contexts.values() if not context.stopped]

    async def _write_to(self, context: Context | None, message: ClientMessage) -> None:
        if context is None:
            if not message.text:
                return  # a keep-alive or a flush where nothing is open
            if (refusal := self._no_place()) is not None:
                await self._refuse_context(message.context, refusal)
                return
            context = self._open(message.context, message)
        await self._write_text(context, message.text or "")
        if message.flush:
            context.flush()

    def _no_place(self) -> ElevenLabsRefusal | None:
        """Why no context can be opened now, if so."""
        if self._service.draining.is_set():
            return ElevenLabsRefusal("system_busy", "the service is about to end; connect again")
        limit = self._service.config.limits.max_open
        if len(self._active()) < limit:
            return None
        return ElevenLabsRefusal(
            "max_active_conversations",
            f"Maximum simultaneous contexts per WebSocket connection exceeded ({limit}). "
            "Please close an existing context before opening a new one.",
        )

    async def _refuse_context(self, name: str | None, refusal: ElevenLabsRefusal) -> None:
        """Those that are speaking go on: only the new one is refused."""
        names = {} if name is None else {"contextId": name, "context_id": name}
        await self._websocket.send_text(messages.error_message(refusal, names))
        await self._websocket.send_text(messages.final_message(names))

    def _put_off(self, context: Context, message: ClientMessage) -> None:
        """A new context of a name whose last one is still being spoken waits for its turn."""
        waiting = sum(len(later.text or "") + 1 for later in context.later)
        if waiting + len(message.text or "") > self._service.config.limits.max_text_buffer:
            raise ElevenLabsRefusal(
                TextBufferFull.code, "too much text for a context whose predecessor is still being spoken"
            )
        if message.text or context.later:
            context.later.append(message)

    def _leave(self) -> None:
        self._leaving = True
        for context in self._contexts.values():
            context.later.clear()
            if not context.closing:
                context.close()
        if not self._contexts:
            self._live.close()

    def _idle_at(self) -> float | None:
        if self._leaving:
            return None
        # While contexts are still being spoken after their end, nothing is idle yet.
        nothing_waits = self._now if self._contexts else self._touched_at
        touched_at = min((context.touched_at for context in self._waiting()), default=nothing_waits)
        return touched_at + self._query.inactivity_s

    def _waiting(self) -> list[Context]:
        return [context for context in self._contexts.values() if not context.closing]

    def _expire(self) -> None:
        now = self._now
        for context in self._waiting():
            if context.touched_at + self._query.inactivity_s <= now:
                context.end()
        if not self._contexts and self._touched_at + self._query.inactivity_s <= now:
            self._leave()

    async def _fail(self, context: Context, error: events.Error) -> None:
        refusal = refusal_of(error)
        await self._websocket.send_text(messages.error_message(refusal, context.names))
        await self._websocket.send_text(messages.final_message(context.names))
        await self._over(context)

    async def _over(self, context: Context) -> None:
        await super()._over(context)
        for message in context.later:
            await self._take(message)

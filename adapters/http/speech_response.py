"""One text in, its speech out in the body of an HTTP answer while it is being made: shared by several doors.

    speech = await SpokenResponse.begun(service, start, text)      # what fails before the first sound still gets a status
    return SpeechResponse(speech, payloads(speech), media_type="audio/wav", stall_s=10)

A client that goes away, or no longer takes its audio, stops its speech.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from voiceagent.adapters.http import transport
from voiceagent.adapters.http.stall import ClientStalled, StallWatch
from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.errors import InputError, NoCapacity, ProtocolError, RateLimited, SynthesisError, UnknownVoice
from voiceagent.protocol import commands, events
from voiceagent.protocol.wire import json_object
from voiceagent.service.keys import Key
from voiceagent.service.service import Service

BODY_S = 30.0  # for the body of a request to arrive

log = logging.getLogger(__name__)


class SpeechRefused(SynthesisError):
    """The engine did not speak a text, or not to its end."""

    def __init__(self, error: events.Error) -> None:
        super().__init__(error.message)
        self.code = error.code
        self.busy = error.code in (NoCapacity.code, RateLimited.code)
        """The same request may be taken later, or in pieces: HTTP has 429 for it."""
        self.wrong = error.code in (InputError.code, UnknownVoice.code)
        """The request asks for what is not here, as a language that the voice does not speak: HTTP has 400 for it."""
        self.retry_after = str(max(1, -(-(error.retry_after_ms or 0) // 1000)))
        """For the header, in whole seconds."""


async def read_json(request: Request, limit_bytes: int) -> dict[str, Any]:
    """The JSON object in the body of a request.

    Raises:
        InputError: it is too long, too slow, not JSON, or not an object.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in request.stream():
                body += piece
                if len(body) > limit_bytes:
                    raise InputError(f"the body has more than {limit_bytes} bytes; send the text in several requests")
    except ClientDisconnect as error:
        raise InputError("the body is not complete") from error
    except TimeoutError as error:
        raise InputError(f"the body has not arrived within {BODY_S:g} s") from error
    try:
        return json_object(body, "the body")
    except ProtocolError as error:
        raise InputError(str(error)) from error


def notice_header(notice: str) -> dict[str, str]:
    """The header that tells a client what of its request is not followed; none where there is nothing to tell."""
    plain = "".join(character if " " <= character <= "~" else "?" for character in notice)
    return {"x-voiceagent-notice": plain} if plain else {}


class SpokenResponse:
    """The speech of one text. It has begun when it is made; `close` stops it, and whoever makes it sees to that.

    Args:
        key: what its client has shown.
        hear: is told words before the frame in which they begin.
    """

    def __init__(
        self,
        service: Service,
        start: commands.Start,
        text: str,
        key: Key | None = None,
        hear: Callable[[events.Words], None] | None = None,
    ) -> None:
        self.metrics = service.metrics
        self._hear = hear
        self._live = service.connect(paced=False, key=key)
        self._sound_s = 0.0
        self._first: events.Audio | events.Done | None = None
        self._counted = contextlib.ExitStack()
        self._counted.enter_context(service.client())
        for command in (start, commands.Text(start.id, text), commands.End(start.id)):
            self._live.handle(command)

    @classmethod
    async def begun(
        cls,
        service: Service,
        start: commands.Start,
        text: str,
        key: Key | None = None,
        hear: Callable[[events.Words], None] | None = None,
    ) -> SpokenResponse:
        """Waits for the first sound, so that what fails before it is answered with a status.

        Raises:
            SpeechRefused: there is none.
        """
        speech = cls(service, start, text, key, hear)
        try:
            speech._first = await speech._next()
        except BaseException:
            speech.close()
            raise
        return speech

    async def parts(self) -> AsyncGenerator[events.Audio | events.Done]:
        """Its audio and, last, `Done`.

        Raises:
            SpeechRefused: the engine failed on the way.
        """
        event, self._first = self._first or await self._next(), None
        while isinstance(event, events.Audio):
            self._sound_s += len(event.samples) / SAMPLE_RATE_HZ
            yield event
            event = await self._next()
        yield event

    def take_sound_s(self) -> float:
        """Seconds of sound that were taken out since the last time."""
        sound_s, self._sound_s = self._sound_s, 0.0
        return sound_s

    def close(self) -> None:
        """Stops it, where it has not come to its end."""
        self._live.close()
        self._counted.close()

    async def _next(self) -> events.Audio | events.Done:
        while (event := await self._live.next_event()) is not None:
            self.metrics.observe(event)
            if isinstance(event, events.Audio | events.Done):
                return event
            if isinstance(event, events.Words) and self._hear is not None:
                self._hear(event)
            if isinstance(event, events.Error):
                raise SpeechRefused(event)
        raise SpeechRefused(events.Error(None, "internal", "the speech was stopped"))


class SpeechResponse(StreamingResponse):
    """A body that is closed, whatever ends it: its last byte, a client that goes away, or one that stops reading.

    Args:
        speech: is stopped when the body ends.
        body: what is sent, piece by piece. One that raises `SpeechRefused` leaves the answer visibly incomplete.
        stall_s: how long the client may take not one byte.
    """

    def __init__(
        self,
        speech: SpokenResponse,
        body: AsyncGenerator[bytes],
        *,
        media_type: str,
        headers: Mapping[str, str],
        stall_s: float,
    ) -> None:
        never_kept = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(body, media_type=media_type, headers={**never_kept, **headers})
        self._speech = speech
        self._body = body
        self._stall_s = stall_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watch = StallWatch(scope, self._stall_s)

        async def send_watched(message: Message) -> None:
            await watch.send(send(message), self._speech.take_sound_s())

        sending = asyncio.create_task(self.stream_response(send_watched), name="speech-response.send")
        leaving = asyncio.create_task(self.listen_for_disconnect(receive), name="speech-response.leave")
        stalling = asyncio.create_task(watch.until_stalled(), name="speech-response.stall")
        tasks = [sending, leaving, stalling]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            sent, _, stalled = await asyncio.gather(*tasks, return_exceptions=True)
            await self._body.aclose()
            self._speech.close()
        if isinstance(stalled, ClientStalled):
            self._speech.metrics.stalled_clients.inc()
            log.warning("an answer was broken off: %s", stalled)
            await transport.hang_up(scope, receive, at_once=True)  # what still waits for this client is of no use to it
        elif isinstance(sent, SpeechRefused):
            log.warning("an answer was broken off: %s", sent)
            await transport.hang_up(scope, receive, timeout_s=self._stall_s)  # what came before is good
        elif isinstance(sent, Exception):
            raise sent

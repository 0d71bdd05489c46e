"""ElevenLabs' interface: their clients speak with our voices when their address is changed, and nothing else.

POST /v1/text-to-speech/{voice_id}                          audio
POST /v1/text-to-speech/{voice_id}/stream                   the same
POST /v1/text-to-speech/{voice_id}/with-timestamps          one JSON object: audio, and when each character is spoken
POST /v1/text-to-speech/{voice_id}/stream/with-timestamps   such objects, one a line
WS   /v1/text-to-speech/{voice_id}/stream-input             text in pieces
WS   /v1/text-to-speech/{voice_id}/multi-stream-input       the turns of a conversation
GET  /v1/voices/{voice_id}, /v2/voices                      the voices; /v1/voices is in adapters/server.py

docs/elevenlabs.md has a working client for each.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute

from voiceagent import events
from voiceagent.adapters import elevenlabs_messages as messages
from voiceagent.adapters.auth import authorized
from voiceagent.adapters.elevenlabs_alignment import Alignment, CharacterTimes
from voiceagent.adapters.elevenlabs_messages import Refusal, SpeechRequest
from voiceagent.adapters.elevenlabs_socket import multi_stream_input, stream_input
from voiceagent.encoders import StreamEncoder, media_type
from voiceagent.service import Service

UTTERANCE = "speech"
NO_ALIGNMENT: dict[str, Any] = {
    "characters": [],
    "character_start_times_seconds": [],
    "character_end_times_seconds": [],
}


@dataclass(frozen=True, slots=True)
class _Order:
    """A request that has been read and can be met."""

    text: str
    start: events.Start


_Piece: TypeAlias = tuple[bytes, Alignment | None]
Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


def _refusing(handler: Handler) -> Handler:
    """Checks the key, and answers what is refused in the vendor's words."""

    async def answer(request: Request) -> Response:
        try:
            if not authorized(request):
                raise Refusal("invalid_api_key", "Invalid API key", status=401)
            return await handler(request)
        except Refusal as refusal:
            kind = {401: "authentication_error", 404: "not_found", 429: "rate_limit_error"}.get(refusal.status)
            detail = {"type": kind or "invalid_request", "code": refusal.reason, "status": refusal.reason}
            return JSONResponse({"detail": {**detail, "message": str(refusal)}}, refusal.status)
        except msgspec.ValidationError as error:
            wrong = {"type": "value_error", "loc": ["body"], "msg": str(error)}
            return JSONResponse({"detail": [wrong]}, 422)

    return answer


@_refusing
async def speech(request: Request) -> Response:
    """Audio, while it is being made."""
    order = await _read(request)
    pieces = await _begun(_speak(request, order))
    audio_format = order.start.format
    kind = "audio/opus" if audio_format.encoding == "opus" else media_type(audio_format)
    headers = {"request-id": uuid.uuid4().hex, "character-cost": str(len(order.text))}
    return StreamingResponse((payload async for payload, _ in pieces), media_type=kind, headers=headers)


@_refusing
async def speech_with_times(request: Request) -> Response:
    """The whole audio, and its characters."""
    order = await _read(request)
    payloads: list[bytes] = []
    whole = {key: list(value) for key, value in NO_ALIGNMENT.items()}
    async for payload, alignment in _speak(request, order):
        payloads.append(payload)
        if alignment is not None:
            for key, values in alignment.in_seconds().items():
                whole[key].extend(values)
    return Response(_timed(b"".join(payloads), whole), media_type="application/json")


@_refusing
async def stream_with_times(request: Request) -> Response:
    """Pieces of audio with their characters, one JSON object a line; times from the start of the audio."""
    order = await _read(request)
    pieces = await _begun(_speak(request, order))

    async def lines() -> AsyncIterator[str]:
        async for payload, alignment in pieces:
            yield _timed(payload, alignment.in_seconds() if alignment else None) + "\n"

    return StreamingResponse(lines(), media_type="application/json")


@_refusing
async def voice(request: Request) -> Response:
    """One voice."""
    service: Service = request.app.state.service
    return JSONResponse(
        voice_card(messages.our_voice(request.path_params["voice_id"], service.engine.voices, reason="voice_not_found"))
    )


@_refusing
async def voices(request: Request) -> Response:
    """The voices, on one page."""
    service: Service = request.app.state.service
    return JSONResponse(voices_answer(service.engine.voices))


def voices_answer(names: Sequence[str]) -> dict[str, Any]:
    """The answer of `/v1/voices`: `id` for our clients, the rest for ElevenLabs'."""
    cards = [voice_card(name) for name in names]
    return {"voices": cards, "has_more": False, "total_count": len(cards), "next_page_token": None}


def voice_card(name: str) -> dict[str, Any]:
    """What is known of a voice."""
    return {"id": name, "voice_id": name, "name": name, "category": "premade", "labels": {"language": "en"}}


def models_answer() -> list[dict[str, Any]]:
    """The answer of `/v1/models` for a client of ElevenLabs': whatever model it asks for, this one speaks."""
    return [
        {
            "model_id": "voiceagent",
            "name": "voiceagent",
            "can_do_text_to_speech": True,
            "can_do_voice_conversion": False,
            "can_be_finetuned": False,
            "can_use_style": False,
            "can_use_speaker_boost": False,
            "languages": [{"language_id": "en", "name": "English"}],
        }
    ]


async def _read(request: Request) -> _Order:
    """The body and the parameters of a request for speech.

    Raises:
        Refusal: it cannot be met.
        msgspec.ValidationError: the body is not of the protocol's shape.
    """
    service: Service = request.app.state.service
    query = messages.decode_query(request.query_params)
    audio_format = messages.audio_format(query.output_format, wav=True)
    name = messages.our_voice(request.path_params["voice_id"], service.engine.voices, reason="voice_not_found")
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise msgspec.ValidationError(f"not JSON: {error}") from error
    asked = msgspec.convert(body, SpeechRequest)
    if not asked.text.strip():
        raise Refusal("input_text_empty", "text is empty")
    limit = service.config.limits.max_text_buffer
    if len(asked.text) > limit:
        message = f"text has {len(asked.text)} characters; a request may have {limit}"
        raise Refusal("max_character_limit_exceeded", message)
    if service.full:
        raise Refusal("system_busy", "every connection is taken; try again later", status=429)
    return _Order(asked.text, messages.start(UTTERANCE, name, audio_format, query, asked))


async def _speak(request: Request, order: _Order) -> AsyncGenerator[_Piece]:
    """Bytes and characters of the speech, until the client goes away; leaving it early stops the speech.

    Raises:
        Refusal: the engine cannot speak it, or failed on the way.
    """
    service: Service = request.app.state.service
    encoder, times = StreamEncoder(order.start.format), CharacterTimes()
    times.add_text(order.text)
    live = service.connect(paced=False)
    service.connections += 1
    service.metrics.connections.inc()
    try:
        for command in (order.start, events.Text(UTTERANCE, order.text), events.End(UTTERANCE)):
            live.feed(command)
        while (event := await live.next_event()) is not None and not await request.is_disconnected():
            service.metrics.observe(event)
            match event:
                case events.Words():
                    times.add_words(event.words)
                case events.Audio():
                    payload = encoder.encode(event.samples, last=event.last)
                    if payload or event.last:
                        until_s = (event.pts_samples + len(event.samples)) / events.SAMPLE_RATE_HZ
                        yield payload, times.take(until_s, last=event.last)
                case events.Done():
                    return
                case events.Error():
                    busy = event.code == "no_capacity"
                    reason = "too_many_concurrent_requests" if busy else "internal_error"
                    raise Refusal(reason, event.message, status=429 if busy else 500)
    finally:
        live.close()
        service.connections -= 1
        service.metrics.connections.dec()


async def _begun(pieces: AsyncGenerator[_Piece]) -> AsyncGenerator[_Piece]:
    """Waits for the first piece, so that what fails before it is answered with a status."""
    first = await anext(pieces, None)

    async def all_of_them() -> AsyncGenerator[_Piece]:
        async with aclosing(pieces):
            if first is not None:
                yield first
            async for piece in pieces:
                yield piece

    return all_of_them()


def _timed(payload: bytes, alignment: dict[str, Any] | None) -> str:
    audio = base64.b64encode(payload).decode()
    return json.dumps({"audio_base64": audio, "alignment": alignment, "normalized_alignment": alignment})


_SPEECH = "/v1/text-to-speech/{voice_id}"

ROUTES: Sequence[BaseRoute] = (
    Route(_SPEECH, speech, methods=["POST"]),
    Route(_SPEECH + "/stream", speech, methods=["POST"]),
    Route(_SPEECH + "/with-timestamps", speech_with_times, methods=["POST"]),
    Route(_SPEECH + "/stream/with-timestamps", stream_with_times, methods=["POST"]),
    WebSocketRoute(_SPEECH + "/stream-input", stream_input),
    WebSocketRoute(_SPEECH + "/multi-stream-input", multi_stream_input),
    Route("/v1/voices/{voice_id}", voice),
    Route("/v2/voices", voices),
)

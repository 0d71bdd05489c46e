"""Deepgram's speech interface: its clients speak with our voices when their address is changed, and nothing else.

    POST /v1/speak    one text, audio out while it is being made
    WS   /v1/speak    text in pieces, adapters/deepgram/socket.py

docs/deepgram.md has a working client for each.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from voiceagent.adapters.deepgram import messages
from voiceagent.adapters.deepgram.messages import DeepgramRefusal, Order
from voiceagent.adapters.deepgram.socket import stream
from voiceagent.adapters.http.auth import authorized
from voiceagent.adapters.http.speech_response import SpeechRefused, SpeechResponse, SpokenResponse, read_json
from voiceagent.audio.encoders import StreamEncoder
from voiceagent.errors import InputError
from voiceagent.protocol import commands, events
from voiceagent.service.service import FULL, Service

PATH = "/v1/speak"
UTTERANCE = "speech"


async def create_speech(request: Request) -> Response:
    """Audio, while it is being made."""
    request_id = str(uuid.uuid4())
    try:
        return await _speak(request, request_id)
    except DeepgramRefusal as error:
        refusal = error
    except InputError as error:
        refusal = DeepgramRefusal(str(error), "PAYLOAD_ERROR")
    except SpeechRefused as error:
        busy = error.code == "no_capacity"
        code, status = ("TOO_MANY_REQUESTS", 429) if busy else ("INTERNAL_SERVER_ERROR", 500)
        refusal = DeepgramRefusal(str(error), code, status=status)
    headers = {"dg-request-id": request_id, **({"Retry-After": "1"} if refusal.status == 429 else {})}
    return JSONResponse(refusal.body(request_id), refusal.status, headers=headers)


async def _speak(request: Request, request_id: str) -> Response:
    service: Service = request.app.state.service
    if not authorized(request):
        raise DeepgramRefusal("Invalid credentials.", "INVALID_AUTH", status=401)
    order = messages.decode_order(request.query_params, service.engine.voices, streamed=False)
    fields = await read_json(request, service.config.max_message_bytes)
    text = messages.decode_text(fields, service.config.limits.max_text_buffer)
    if service.full:
        raise DeepgramRefusal(FULL, "TOO_MANY_REQUESTS", status=429)
    start = commands.Start(
        UTTERANCE, order.voice, order.format, speed=order.speed, timestamps="none", speech=order.speech
    )
    speech = await SpokenResponse.begun(service, start, text)
    return SpeechResponse(
        speech,
        _audio(speech, order),
        media_type=order.media_type,
        headers={
            "dg-request-id": request_id,
            "dg-model-name": order.model,
            "dg-model-uuid": messages.model_uuid(order.voice),
            "dg-char-count": str(len(text)),
        },
        stall_s=service.config.send_stall_s,
    )


async def _audio(speech: SpokenResponse, order: Order) -> AsyncGenerator[bytes]:
    encoder = StreamEncoder(order.format)
    if order.header:
        yield order.header
    async for event in speech.parts():
        if isinstance(event, events.Audio) and (payload := encoder.encode(event.samples, last=event.last)):
            yield payload


ROUTES: Sequence[BaseRoute] = (
    Route(PATH, create_speech, methods=["POST"]),
    WebSocketRoute(PATH, stream),
)

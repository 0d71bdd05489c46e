"""Deepgram's speech interface: its clients speak with our voices when their address is changed, and nothing else.

    POST /v1/speak    one text, audio out while it is being made
    POST /v1/auth/grant    a token for one connection of a page
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
from voiceagent.adapters.http.auth import brought_key, key_of
from voiceagent.adapters.http.speech_response import (
    SpeechRefused,
    SpeechResponse,
    SpokenResponse,
    notice_header,
    read_json,
)
from voiceagent.audio.encoders import StreamEncoder
from voiceagent.errors import InputError, NoCapacity
from voiceagent.protocol import commands, events
from voiceagent.service.service import FULL, Service

PATH = "/v1/speak"
UTTERANCE = "speech"


async def create_speech(request: Request) -> Response:
    """Audio, while it is being made."""
    request_id, retry_after = str(uuid.uuid4()), "1"
    try:
        return await _speak(request, request_id)
    except DeepgramRefusal as error:
        refusal = error
    except InputError as error:
        refusal = DeepgramRefusal(str(error), "PAYLOAD_ERROR")
    except SpeechRefused as error:
        code, status = ("TOO_MANY_REQUESTS", 429) if error.busy else ("INTERNAL_SERVER_ERROR", 500)
        code, status = ("INVALID_QUERY_PARAMETER", 400) if error.wrong else (code, status)
        refusal = DeepgramRefusal(str(error), code, status=status)
        retry_after = error.retry_after
    headers = {"dg-request-id": request_id, **({"Retry-After": retry_after} if refusal.status == 429 else {})}
    return JSONResponse(refusal.body(request_id), refusal.status, headers=headers)


async def grant(request: Request) -> Response:
    """A token for one connection, in place of the key: their clients show it as `Bearer`."""
    request_id = str(uuid.uuid4())
    service: Service = request.app.state.service
    try:
        key = key_of(request)
        if key is None or not brought_key(request):
            raise DeepgramRefusal("Invalid credentials.", "INVALID_AUTH", status=401)
        empty = request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers
        fields = {} if empty else await read_json(request, service.config.max_message_bytes)
        ttl_s = messages.decode_ttl(fields)
        token, lasts_s = service.keys.new_token(key, ttl_s)
        return JSONResponse({"access_token": token, "expires_in": lasts_s}, headers={"Cache-Control": "no-store"})
    except DeepgramRefusal as error:
        refusal = error
    except InputError as error:
        refusal = DeepgramRefusal(str(error), "PAYLOAD_ERROR")
    except NoCapacity as error:
        refusal = DeepgramRefusal(str(error), "TOO_MANY_REQUESTS", status=429)
    return JSONResponse(refusal.body(request_id), refusal.status, headers={"dg-request-id": request_id})


async def _speak(request: Request, request_id: str) -> Response:
    service: Service = request.app.state.service
    key = key_of(request)
    if key is None:
        raise DeepgramRefusal("Invalid credentials.", "INVALID_AUTH", status=401)
    order = messages.decode_order(
        request.query_params, service.engine.voices, service.config.voice_names, streamed=False
    )
    fields = await read_json(request, service.config.max_message_bytes)
    text = messages.decode_text(fields, service.config.limits.max_text_buffer)
    if service.full:
        raise DeepgramRefusal(FULL, "TOO_MANY_REQUESTS", status=429)
    start = commands.Start(
        UTTERANCE, order.voice, order.format, speed=order.speed, timestamps="none", speech=order.speech
    )
    speech = await SpokenResponse.begun(service, start, text, key)
    return SpeechResponse(
        speech,
        _audio(speech, order),
        media_type=order.media_type,
        headers={
            "dg-request-id": request_id,
            "dg-model-name": order.model,
            "dg-model-uuid": messages.model_uuid(order.voice),
            "dg-char-count": str(len(text)),
            **notice_header(order.notice),
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
    Route("/v1/auth/grant", grant, methods=["POST"]),
    WebSocketRoute(PATH, stream),
)

"""OpenAI's speech interface: its clients speak with our voices when their base_url is changed, and nothing else.

    POST /v1/audio/speech     audio or server-sent events, while the speech is being made
    GET  /v1/audio/voices     names that `voice` may have
    GET  /v1/models[/{id}]    names that `model` may have; any other is served too

docs/openai.md has a working client for each.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from voiceagent.adapters.elevenlabs import routes as elevenlabs
from voiceagent.adapters.http.auth import authorized, key_of
from voiceagent.adapters.http.speech_response import (
    SpeechRefused,
    SpeechResponse,
    SpokenResponse,
    notice_header,
    read_json,
)
from voiceagent.adapters.openai import messages
from voiceagent.adapters.openai.messages import OpenAIRefusal
from voiceagent.audio.encoders import StreamEncoder, media_type
from voiceagent.errors import InputError, RateLimited
from voiceagent.protocol import events
from voiceagent.service.service import FULL, Service

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


def _refusing(handler: Handler) -> Handler:
    """Checks the key, and answers what is refused in OpenAI's words."""

    async def answer(request: Request) -> Response:
        try:
            if not authorized(request):
                message = "Incorrect API key provided: give the client one of the tokens of this server as its api_key"
                raise OpenAIRefusal(message, code="invalid_api_key", status=401)
            return await handler(request)
        except OpenAIRefusal as refusal:
            return refusal.response()
        except InputError as error:
            return OpenAIRefusal(str(error)).response()
        except SpeechRefused as refused:
            return _refusal_of(refused).response()

    return answer


@_refusing
async def create_speech(request: Request) -> Response:
    """Audio, while it is being made."""
    service: Service = request.app.state.service
    asked = messages.decode_request(await read_json(request, service.config.max_message_bytes))
    start = asked.start(service.engine.voices, service.config.limits.max_text_buffer, service.config.voice_names)
    if service.full:
        raise OpenAIRefusal(FULL, code="rate_limit_exceeded", status=429)
    encoder = StreamEncoder(start.format)
    speech = await SpokenResponse.begun(service, start, asked.input, key_of(request))
    return SpeechResponse(
        speech,
        _sse(speech, encoder, asked.input) if asked.sse else _audio(speech, encoder),
        media_type="text/event-stream" if asked.sse else media_type(start.format),
        headers={"x-request-id": messages.request_id(), **notice_header(asked.notice)},
        stall_s=service.config.send_stall_s,
    )


@_refusing
async def voices(request: Request) -> Response:
    """Ours, and the names of OpenAI's that stand for them."""
    service: Service = request.app.state.service
    return JSONResponse(messages.voices_answer(service.engine.voices, service.config.voice_names))


@_refusing
async def models(request: Request) -> Response:
    """The models; ElevenLabs has the same address for its own."""
    if "xi-api-key" in request.headers:
        return JSONResponse(elevenlabs.models_answer())
    return JSONResponse({"object": "list", "data": [messages.model_card(name) for name in messages.MODELS]})


@_refusing
async def model(request: Request) -> Response:
    """One of them."""
    name = request.path_params["model"]
    if name not in messages.MODELS:
        known = ", ".join(messages.MODELS)
        raise OpenAIRefusal(
            f"unknown model {name!r}; models here: {known}", param="model", code="model_not_found", status=404
        )
    return JSONResponse(messages.model_card(name))


async def _audio(speech: SpokenResponse, encoder: StreamEncoder) -> AsyncGenerator[bytes]:
    async for event in speech.parts():
        if isinstance(event, events.Audio) and (payload := encoder.encode(event.samples, last=event.last)):
            yield payload


async def _sse(speech: SpokenResponse, encoder: StreamEncoder, text: str) -> AsyncGenerator[bytes]:
    try:
        async for event in speech.parts():
            if isinstance(event, events.Done):
                yield messages.done_event(text, event.audio_ms)
            elif payload := encoder.encode(event.samples, last=event.last):
                yield messages.delta_event(payload)
    except SpeechRefused as refused:
        yield messages.error_event(_refusal_of(refused))


def _refusal_of(refused: SpeechRefused) -> OpenAIRefusal:
    if refused.busy:
        kind = "tokens" if refused.code == RateLimited.code else "requests"
        return OpenAIRefusal(
            str(refused), code="rate_limit_exceeded", status=429, kind=kind, retry_after=refused.retry_after
        )
    if refused.wrong:
        return OpenAIRefusal(str(refused), code="invalid_value")
    return OpenAIRefusal(str(refused), code=refused.code, status=500, kind="server_error")


ROUTES: Sequence[BaseRoute] = (
    Route("/v1/audio/speech", create_speech, methods=["POST"]),
    Route("/v1/audio/voices", voices),
    Route("/v1/models", models),
    Route("/v1/models/{model}", model),
)

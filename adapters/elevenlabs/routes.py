"""ElevenLabs' interface: their clients speak with our voices when their address is changed, and nothing else.

POST /v1/text-to-speech/{voice_id}                          audio
POST /v1/text-to-speech/{voice_id}/stream                   the same
POST /v1/text-to-speech/{voice_id}/with-timestamps          one JSON object: audio, and when each character is spoken
POST /v1/text-to-speech/{voice_id}/stream/with-timestamps   such objects, one a line
WS   /v1/text-to-speech/{voice_id}/stream-input             text in pieces
WS   /v1/text-to-speech/{voice_id}/multi-stream-input       the turns of a conversation
POST /v1/single-use-token/{kind}                            a token for one connection of a page
GET  /v1/voices/{voice_id}, /v2/voices                      the voices; /v1/voices is in adapters/app.py

docs/elevenlabs.md has a working client for each.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from voiceagent.adapters.elevenlabs import messages
from voiceagent.adapters.elevenlabs.alignment import Alignment, CharacterTimes
from voiceagent.adapters.elevenlabs.messages import ElevenLabsRefusal, SpeechRequest
from voiceagent.adapters.elevenlabs.socket import multi_stream_input, stream_input
from voiceagent.adapters.http.auth import authorized, brought_key, key_of
from voiceagent.adapters.http.speech_response import (
    SpeechRefused,
    SpeechResponse,
    SpokenResponse,
    notice_header,
    read_json,
)
from voiceagent.audio.encoders import StreamEncoder, media_type
from voiceagent.audio.formats import SAMPLE_RATE_HZ, AudioFormat
from voiceagent.errors import InputError, NoCapacity
from voiceagent.options.languages import LANGUAGES, stock_facts
from voiceagent.protocol import events
from voiceagent.service.service import FULL, Service

CHARACTERS = ("characters", "character_start_times_seconds", "character_end_times_seconds")

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


def _refusing(handler: Handler) -> Handler:
    """Checks the key, and answers what is refused in the vendor's words."""

    async def answer(request: Request) -> Response:
        try:
            if not authorized(request):
                raise ElevenLabsRefusal("invalid_api_key", "Invalid API key", status=401)
            return await handler(request)
        except ElevenLabsRefusal as refusal:
            kind = {401: "authentication_error", 404: "not_found", 429: "rate_limit_error"}.get(refusal.status)
            detail = {"type": kind or "invalid_request", "code": refusal.reason, "status": refusal.reason}
            headers = {"Retry-After": refusal.retry_after} if refusal.status == 429 else None
            return JSONResponse({"detail": {**detail, "message": str(refusal)}}, refusal.status, headers)
        except (msgspec.ValidationError, InputError) as error:
            wrong = {"type": "value_error", "loc": ["body"], "msg": str(error)}
            return JSONResponse({"detail": [wrong]}, 422)

    return answer


@_refusing
async def speech(request: Request) -> Response:
    """Audio, while it is being made."""
    spoken = await _begun(request)

    async def body() -> AsyncGenerator[bytes]:
        async with aclosing(spoken.pieces()) as pieces:
            async for payload, _ in pieces:
                yield payload

    kind = "audio/opus" if spoken.format.encoding == "opus" else media_type(spoken.format)
    return spoken.answer(body(), kind)


@_refusing
async def speech_with_times(request: Request) -> Response:
    """The whole audio, and its characters."""
    spoken = await _begun(request)

    async def body() -> AsyncGenerator[bytes]:
        payloads: list[bytes] = []
        whole: dict[str, list[Any]] = {key: [] for key in CHARACTERS}
        async with aclosing(spoken.pieces()) as pieces:
            async for payload, alignment in pieces:
                payloads.append(payload)
                for key, values in (alignment.in_seconds() if alignment else {}).items():
                    whole[key].extend(values)
        yield _timed(b"".join(payloads), whole)

    return spoken.answer(body(), "application/json")


@_refusing
async def stream_with_times(request: Request) -> Response:
    """Pieces of audio with their characters, one JSON object a line; times from the start of the audio."""
    spoken = await _begun(request)

    async def body() -> AsyncGenerator[bytes]:
        async with aclosing(spoken.pieces()) as pieces:
            async for payload, alignment in pieces:
                yield _timed(payload, alignment.in_seconds() if alignment else None) + b"\n"

    return spoken.answer(body(), "application/json")


@_refusing
async def voice(request: Request) -> Response:
    """One voice."""
    service: Service = request.app.state.service
    return JSONResponse(voice_card(_asked(request, service)))


@_refusing
async def voices(request: Request) -> Response:
    """The voices, on one page."""
    service: Service = request.app.state.service
    return JSONResponse(voices_answer((*service.engine.voices, *service.config.voice_names)))


def _asked(request: Request, service: Service) -> str:
    """Our voice that the address names."""
    names = service.config.voice_names
    return messages.our_voice(request.path_params["voice_id"], service.engine.voices, names, reason="voice_not_found")


@_refusing
async def single_use_token(request: Request) -> Response:
    """A token for one connection of a page, in place of the key."""
    if not brought_key(request):
        raise ElevenLabsRefusal("invalid_api_key", "a token is given for a key alone", status=401)
    service: Service = request.app.state.service
    key = key_of(request)
    assert key is not None  # `brought_key` has seen it
    try:
        return JSONResponse({"token": service.keys.new_token(key)[0]})
    except NoCapacity as error:
        raise ElevenLabsRefusal("rate_limit_exceeded", str(error), status=429) from error


def voices_answer(names: Sequence[str]) -> dict[str, Any]:
    """The answer of `/v1/voices`: `id` for our clients, the rest for ElevenLabs'."""
    cards = [voice_card(name) for name in names]
    return {"voices": cards, "has_more": False, "total_count": len(cards), "next_page_token": None}


def voice_card(name: str) -> dict[str, Any]:
    """What is known of a voice."""
    language, sex = stock_facts(name)
    labels = {"language": language} | ({"gender": sex} if sex else {})
    return {"id": name, "voice_id": name, "name": name, "category": "premade", "labels": labels}


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
            "languages": [{"language_id": code, "name": name} for code, name in LANGUAGES.items()],
        }
    ]


@dataclass(frozen=True, slots=True)
class _Spoken:
    """Speech that has begun, and when its characters are spoken."""

    speech: SpokenResponse
    times: CharacterTimes
    format: AudioFormat
    chars: int
    stall_s: float
    notice: str

    async def pieces(self) -> AsyncGenerator[tuple[bytes, Alignment | None]]:
        """Bytes of the format and the characters that begin in them."""
        encoder = StreamEncoder(self.format)
        async with aclosing(self.speech.parts()) as parts:
            async for frame in parts:
                if isinstance(frame, events.Done):
                    return
                payload = encoder.encode(frame.samples, last=frame.last)
                if payload or frame.last:
                    until_s = (frame.pts_samples + len(frame.samples)) / SAMPLE_RATE_HZ
                    yield payload, self.times.take(until_s, last=frame.last)

    def answer(self, body: AsyncGenerator[bytes], kind: str) -> Response:
        """An answer whose client may go away."""
        headers = {"request-id": uuid.uuid4().hex, "character-cost": str(self.chars), **notice_header(self.notice)}
        return SpeechResponse(self.speech, body, media_type=kind, headers=headers, stall_s=self.stall_s)


async def _begun(request: Request) -> _Spoken:
    """Reads a request for speech and waits for its first sound.

    Raises:
        ElevenLabsRefusal: it cannot be met.
        InputError: the body is not JSON.
        msgspec.ValidationError: the body is not of the protocol's shape.
    """
    service: Service = request.app.state.service
    query = messages.decode_query(request.query_params)
    audio_format = messages.audio_format(query.output_format, wav=True)
    name = _asked(request, service)
    asked = msgspec.convert(await read_json(request, service.config.max_message_bytes), SpeechRequest)
    if not asked.text.strip():
        raise ElevenLabsRefusal("input_text_empty", "text is empty")
    limit = service.config.limits.max_text_buffer
    if len(asked.text) > limit:
        message = f"text has {len(asked.text)} characters; a request may have {limit}"
        raise ElevenLabsRefusal("max_character_limit_exceeded", message)
    if service.full:
        raise ElevenLabsRefusal("system_busy", FULL, status=429)
    start = messages.start("speech", name, audio_format, query, asked)
    times = CharacterTimes()
    times.add_text(asked.text)
    try:
        spoken = await SpokenResponse.begun(
            service, start, asked.text, key_of(request), lambda words: times.add_words(words.words)
        )
    except SpeechRefused as error:
        reason, status = messages.reason_of(error.code), 429 if error.busy else 400 if error.wrong else 500
        raise ElevenLabsRefusal(reason, str(error), status=status, retry_after=error.retry_after) from error
    return _Spoken(spoken, times, audio_format, len(asked.text), service.config.send_stall_s, messages.notice_of(asked))


def _timed(payload: bytes, alignment: dict[str, Any] | None) -> bytes:
    audio = base64.b64encode(payload).decode()
    return json.dumps({"audio_base64": audio, "alignment": alignment, "normalized_alignment": alignment}).encode()


_SPEECH = "/v1/text-to-speech/{voice_id}"

ROUTES: Sequence[BaseRoute] = (
    Route("/v1/single-use-token/{kind}", single_use_token, methods=["POST"]),
    Route(_SPEECH, speech, methods=["POST"]),
    Route(_SPEECH + "/stream", speech, methods=["POST"]),
    Route(_SPEECH + "/with-timestamps", speech_with_times, methods=["POST"]),
    Route(_SPEECH + "/stream/with-timestamps", stream_with_times, methods=["POST"]),
    WebSocketRoute(_SPEECH + "/stream-input", stream_input),
    WebSocketRoute(_SPEECH + "/multi-stream-input", multi_stream_input),
    Route("/v1/voices/{voice_id}", voice),
    Route("/v2/voices", voices),
)

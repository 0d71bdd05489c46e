"""Words of a recording changed over HTTP; errors in OpenAI's words, as at the addresses beside it.

    POST /v1/audio/edits    multipart/form-data: recording (WAV), transcript, and text (the new one) or edits; voice, format

docs/editing.md says what each is.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Sequence

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from voiceagent.adapters.http.auth import authorized, key_of
from voiceagent.adapters.http.speech_response import BODY_S, notice_header
from voiceagent.adapters.openai.messages import FORMATS, OpenAIRefusal, our_voice, request_id
from voiceagent.audio.encoders import StreamEncoder, media_type, require
from voiceagent.audio.formats import AudioFormat
from voiceagent.audio.pcm import FULL_SCALE, wav_header
from voiceagent.errors import InputError, ModelError, NoCapacity, VoiceAgentError
from voiceagent.service.edit_desk import EditDesk, EditedFile, with_replaced
from voiceagent.service.service import FULL, Service

PATH = "/v1/audio/edits"
BODY_BYTES_MAX = 24_000_000  # two minutes at 96 kHz
FIELDS = ("recording", "transcript", "text", "edits", "voice", "format")

log = logging.getLogger(__name__)


async def create_edit(request: Request) -> Response:
    """The whole recording, changed."""
    service: Service = request.app.state.service
    try:
        if not authorized(request):
            message = "Incorrect API key provided: give the client one of the tokens of this server as its api_key"
            raise OpenAIRefusal(message, code="invalid_api_key", status=401)
        desk = service.edit_desk
        if desk is None:
            raise OpenAIRefusal("this server edits no recordings", code="unsupported", status=501)
        if service.full or desk.full:
            raise OpenAIRefusal(FULL, code="rate_limit_exceeded", status=429)
        with service.client():
            return await _edit(request, service, desk)
    except OpenAIRefusal as refusal:
        return refusal.response()
    except NoCapacity as error:  # RateLimited, too
        return OpenAIRefusal(str(error), code="rate_limit_exceeded", status=429, kind="requests").response()
    except InputError as error:
        return OpenAIRefusal(str(error), code="invalid_value").response()
    except ModelError as error:
        return OpenAIRefusal(str(error), code="invalid_value", param="voice").response()
    except VoiceAgentError as error:
        log.exception("an edit failed")
        return OpenAIRefusal(str(error), code=error.code, status=500, kind="server_error").response()


async def _edit(request: Request, service: Service, desk: EditDesk) -> Response:
    form = await _form(request)
    try:
        transcript, to = _texts(form)
        recording = form.get("recording")
        if not isinstance(recording, UploadFile):
            raise OpenAIRefusal("recording is missing: send a WAV file under that name", param="recording")
        audio_format = _format(_text(form, "format") or "wav")
        voice = our_voice(
            _text(form, "voice") or service.engine.voices[0], service.engine.voices, service.config.voice_names
        )
        file = await recording.read()
    finally:
        await form.close()
    if key := key_of(request):
        key.check_text(len(to), asyncio.get_running_loop().time())
        key.spend(len(to))
    editing = asyncio.create_task(desk.edit(file, transcript, to, voice), name="edits.edit")
    leaving = asyncio.create_task(_gone(request), name="edits.leave")
    try:
        await asyncio.wait([editing, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not editing.done():  # nobody waits for it any longer
            return Response(status_code=499)
        edited = editing.result()
    finally:
        editing.cancel()
        leaving.cancel()
        await asyncio.gather(editing, leaving, return_exceptions=True)
    payload = await asyncio.to_thread(_encoded, edited, audio_format)
    spans = ", ".join(f"{start_s:.3f}-{end_s:.3f}" for start_s, end_s in edited.spans_s)
    headers = {"x-request-id": request_id(), "x-voiceagent-spans": spans, "Cache-Control": "no-store"}
    return Response(payload, media_type=media_type(audio_format), headers={**headers, **notice_header(_notice(edited))})


async def _form(request: Request) -> FormData:
    """The fields.

    Raises:
        InputError: there are too many bytes, too late, or they are no form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise InputError(
            "the body is not multipart/form-data: send a form with the fields recording, transcript and text"
        )
    taken = 0

    async def bounded() -> AsyncGenerator[bytes]:
        nonlocal taken
        async for piece in request.stream():
            taken += len(piece)
            if taken > BODY_BYTES_MAX:
                raise InputError(f"the body has more than {BODY_BYTES_MAX} bytes: edit a shorter part of the recording")
            yield piece

    try:
        async with asyncio.timeout(BODY_S):
            form = await MultiPartParser(request.headers, bounded(), max_files=1, max_fields=len(FIELDS)).parse()
    except ClientDisconnect as error:
        raise InputError("the body is not complete") from error
    except TimeoutError as error:
        raise InputError(f"the body has not arrived within {BODY_S:g} s") from error
    except (MultiPartException, KeyError, ValueError) as error:
        raise InputError(f"the body is no complete form: {getattr(error, 'message', None) or error}") from error
    if unknown := [name for name in form if name not in FIELDS]:
        await form.close()
        raise InputError(f"unknown field {unknown[0][:80]!r}; fields: {', '.join(FIELDS)}")
    return form


def _texts(form: FormData) -> tuple[str, str]:
    """What the recording says and what it shall say."""
    transcript, to, edits = (_text(form, name) for name in ("transcript", "text", "edits"))
    if not transcript.strip():
        raise OpenAIRefusal("transcript is missing: write what the recording says, word by word", param="transcript")
    if bool(to.strip()) == bool(edits.strip()):
        raise OpenAIRefusal("send either text, the whole new text, or edits, what to replace", param="text")
    if to.strip():
        return transcript, to
    wanted = 'edits is a list of what to replace: [{"from": "Tuesday", "to": "Thursday"}]'
    try:
        found = [(pair["from"], pair["to"]) for pair in json.loads(edits)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise OpenAIRefusal(wanted, param="edits") from error
    if not found or not all(isinstance(part, str) for pair in found for part in pair):
        raise OpenAIRefusal(wanted, param="edits")
    return transcript, with_replaced(transcript, found)


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    if not isinstance(value, str):
        raise OpenAIRefusal(f"{name} is a file; it must be text", param=name)
    return value


def _format(name: str) -> AudioFormat:
    if name not in FORMATS:
        raise OpenAIRefusal(f"unknown format {name[:80]!r}; choices: {', '.join(FORMATS)}", param="format")
    audio_format = AudioFormat(FORMATS[name])
    require(audio_format)
    return audio_format


def _encoded(edited: EditedFile, audio_format: AudioFormat) -> bytes:
    """The recording as a file; WAV and PCM have its very bits."""
    pcm = edited.pcm.astype("<i2").tobytes()
    if audio_format.encoding == "pcm_s16le":
        return pcm
    if audio_format.encoding == "wav":
        return wav_header(audio_format.sample_rate, len(edited.pcm)) + pcm
    return StreamEncoder(audio_format).encode((edited.pcm / FULL_SCALE).astype("float32"), last=True)


def _notice(edited: EditedFile) -> str:
    notices = []
    if edited.resampled:
        notices.append("the recording was resampled to 24 kHz, so its samples are not the same bit for bit")
    if not edited.spans_s:
        notices.append("nothing to change: both texts say the same")
    return "; ".join(notices)


async def _gone(request: Request) -> None:
    """Returns when the client has gone away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


ROUTES: Sequence[BaseRoute] = (Route(PATH, create_edit, methods=["POST"]),)

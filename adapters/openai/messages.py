"""What OpenAI's speech interface says: requests, errors, events, and the names of its voices."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import JSONResponse, Response

from voiceagent.adapters.openai.instructions import manner_of
from voiceagent.audio.encoders import require
from voiceagent.audio.formats import AudioFormat
from voiceagent.errors import InputError, UnknownVoice
from voiceagent.options import SPEED_MAX, SPEED_MIN
from voiceagent.options.vendor_voices import our_voice as voice_of
from voiceagent.options.vendor_voices import vendor_voices
from voiceagent.protocol.commands import Start

VOICES = tuple(voice.name for voice in vendor_voices() if voice.vendor == "OpenAI")
# Whatever model is asked for, ours speaks; these are the names that clients offer their users.
MODELS = ("voiceagent", "tts-1", "tts-1-hd", "gpt-4o-mini-tts")
FORMATS = {"mp3": "mp3", "opus": "opus", "aac": "aac", "flac": "flac", "wav": "wav", "pcm": "pcm_s16le"}
STREAM_FORMATS = ("audio", "sse")
THEIR_SPEED_MIN, THEIR_SPEED_MAX = 0.25, 4.0
UTTERANCE = "speech"
TOKENS_HZ = 25  # of speech, as our models write it
CHARACTERS_A_TOKEN = 4  # of text, by OpenAI's own rule of thumb
# The path where msgspec gives one, else the field that is missing at the top.
_PARAMETER = re.compile(r".*`\$\.(\w+)|.*field `(\w+)`")


class OpenAIRefusal(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status: int = 400,
        kind: str = "",
        retry_after: str = "1",
    ) -> None:
        super().__init__(message)
        self.status = status
        self._retry_after = retry_after
        self.error = {
            "message": message,
            "type": kind or "invalid_request_error",
            "param": param,
            "code": code,
        }

    def response(self) -> Response:
        """The answer."""
        headers = {"x-request-id": request_id(), **({"Retry-After": self._retry_after} if self.status == 429 else {})}
        return JSONResponse({"error": self.error}, self.status, headers=headers)


@dataclass(frozen=True, slots=True)
class _VoiceId:
    id: str


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """The body of a request for speech; what else it has is read past.

    instructions: how to speak, in words; instructions.py says what is understood.
    pitch, volume_db, liveliness: ours, for clients that can send more (`extra_body`).
    """

    input: str
    model: str = MODELS[0]
    voice: str | _VoiceId = "alloy"
    response_format: str = "mp3"
    speed: float = 1.0
    stream_format: str = "audio"
    lexicon: str = ""
    """Ours: the name of one of the service's lexicons."""
    language: str = "auto"
    """Ours: what `input` is written in, as "en" or "zh"; "auto" is what the voice speaks."""
    instructions: str = ""
    pitch: float = 1.0
    volume_db: float = 0.0
    liveliness: float = 1.0

    @property
    def notice(self) -> str:
        """What of it is not followed, or ""."""
        return manner_of(self.instructions).notice

    @property
    def sse(self) -> bool:
        """The audio is wanted as server-sent events."""
        return self.stream_format == "sse"

    def start(self, voices: Sequence[str], chars_max: int, names: Mapping[str, str] | None = None) -> Start:
        """How this is spoken.

        Raises:
            OpenAIRefusal: it cannot be.
        """
        if not self.input.strip():
            raise OpenAIRefusal("input is empty: give it the text to speak", param="input", code="empty_string")
        if len(self.input) > chars_max:
            message = f"input has {len(self.input)} characters; a request may have {chars_max}: send several"
            raise OpenAIRefusal(message, param="input", code="string_above_max_length")
        if self.stream_format not in STREAM_FORMATS:
            raise _no_choice("stream_format", self.stream_format, STREAM_FORMATS)
        if not THEIR_SPEED_MIN <= self.speed <= THEIR_SPEED_MAX:
            message = f"speed {self.speed} is not within {THEIR_SPEED_MIN} and {THEIR_SPEED_MAX}"
            raise OpenAIRefusal(message, param="speed", code="invalid_value")
        # as slow and as fast as our voices can speak
        manner = manner_of(self.instructions, min(max(self.speed, SPEED_MIN), SPEED_MAX))
        voice = our_voice(self.voice if isinstance(self.voice, str) else self.voice.id, voices, names)
        lexicon: dict[str, str | bool] | None = {"lexicon": self.lexicon} if self.lexicon else None
        audio_format = self._format()
        try:
            return Start(
                UTTERANCE,
                voice,
                audio_format,
                speed=manner.speed,
                pitch=manner.pitch * self.pitch,
                volume_db=manner.volume_db + self.volume_db,
                liveliness=manner.liveliness * self.liveliness,
                language=self.language,
                timestamps="none",
                speech=lexicon,
            )
        except ValueError as error:
            named = str(error).split(" ", 1)[0]
            param = named if named in ("pitch", "volume_db", "liveliness", "language") else "lexicon"
            raise OpenAIRefusal(str(error), param=param, code="invalid_value") from error

    def _format(self) -> AudioFormat:
        encoding = FORMATS.get(self.response_format)
        if encoding is None:
            raise _no_choice("response_format", self.response_format, FORMATS)
        audio_format = AudioFormat(encoding)
        try:
            require(audio_format)
        except InputError as error:
            message = f"{error}; without it, response_format can be wav or pcm"
            raise OpenAIRefusal(message, param="response_format", code="unsupported_value") from error
        return audio_format


def decode_request(fields: dict[str, Any]) -> SpeechRequest:
    """Reads the body of a request.

    Raises:
        OpenAIRefusal: a field is missing or of another type.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return msgspec.convert(given, SpeechRequest)
    except (ValueError, OverflowError) as error:  # msgspec's ValidationError is a ValueError
        found = _PARAMETER.match(str(error))
        param = (found[1] or found[2]) if found else None
        code = "missing_required_parameter" if "missing" in str(error) else "invalid_type"
        raise OpenAIRefusal(str(error), param=param, code=code) from error


def our_voice(name: str, voices: Sequence[str], names: Mapping[str, str] | None = None) -> str:
    """Our voice of that name, or the one that stands for theirs; `names` are the settings' own.

    Raises:
        OpenAIRefusal: no voice is called that, here or there.
    """
    try:
        return voice_of(name, voices, names)
    except (UnknownVoice, InputError) as error:
        known = ", ".join([*voices, *(names or ()), *VOICES])
        message = f"unknown voice {name[:80]!r}; voices here: {known}"
        raise OpenAIRefusal(message, param="voice", code="invalid_value") from error


def request_id() -> str:
    """A name for an answer, which their clients show with an error."""
    return f"req_{uuid.uuid4().hex}"


def voices_answer(voices: Sequence[str], names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Ours first, then the names that stand for them: the settings' own and theirs."""
    known = dict.fromkeys((*voices, *(names or ()), *VOICES))
    return {"voices": [{"id": name, "object": "voice", "name": name} for name in known]}


def model_card(name: str) -> dict[str, Any]:
    """What is known of a model."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "voiceagent"}


def delta_event(payload: bytes) -> bytes:
    """A piece of audio as a server-sent event."""
    return _event({"type": "speech.audio.delta", "audio": base64.b64encode(payload).decode()})


def done_event(text: str, audio_ms: int) -> bytes:
    """The last event; its tokens are those of our model for speech, and an estimate for text."""
    written, spoken = -(-len(text) // CHARACTERS_A_TOKEN), -(-audio_ms * TOKENS_HZ // 1000)
    usage = {"input_tokens": written, "output_tokens": spoken, "total_tokens": written + spoken}
    return _event({"type": "speech.audio.done", "usage": usage})


def error_event(refusal: OpenAIRefusal) -> bytes:
    """What went wrong after the answer had begun."""
    return _event({"error": refusal.error})


def _event(fields: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(fields)}\n\n".encode()


def _no_choice(param: str, value: str, choices: Sequence[str] | dict[str, str]) -> OpenAIRefusal:
    message = f"unknown {param} {value[:80]!r}; choices: {', '.join(choices)}"
    return OpenAIRefusal(message, param=param, code="invalid_value")

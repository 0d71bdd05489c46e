"""What an ElevenLabs client says and what it expects to hear: queries, messages, voices, formats, refusals.

Unknown fields are read past, as the vendor's server does.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from voiceagent.adapters.elevenlabs.alignment import Alignment
from voiceagent.adapters.elevenlabs.voice_settings import VoiceSettings
from voiceagent.adapters.http import sockets
from voiceagent.audio.encoders import require
from voiceagent.audio.formats import AudioFormat
from voiceagent.errors import InputError, NoCapacity, RateLimited, UnknownVoice
from voiceagent.options import AUTO, DEFAULT_VOICE
from voiceagent.options.vendor_voices import our_voice as voice_of
from voiceagent.options.vendor_voices import vendor_voices
from voiceagent.protocol import commands

INACTIVITY_MAX_S = 180.0
SCHEDULE_MIN, SCHEDULE_MAX = 50, 500
DEFAULT_FORMAT = "mp3_44100_128"

_FORMAT = re.compile(r"(?P<codec>pcm|mp3|opus|ulaw|alaw|wav)_(?P<rate>\d+)(?:_(?P<kbps>\d+))?")
_ENCODINGS = {"pcm": "pcm_s16le", "ulaw": "mulaw", "alaw": "alaw", "wav": "wav", "mp3": "mp3", "opus": "opus"}
_OFFERED = {
    "pcm": "pcm_{8000,16000,22050,24000,32000,44100,48000}",
    "mp3": "mp3_{22050_32,24000_48,44100_32,44100_64,44100_96,44100_128,44100_192}",
    "opus": "opus_48000_{32,64,96,128,192}",
    "ulaw": "ulaw_8000",
    "alaw": "alaw_8000",
    "wav": "wav_{8000,16000,22050,24000,32000,44100,48000}",
}
_REASONS = {
    NoCapacity.code: "too_many_concurrent_requests",
    RateLimited.code: "rate_limit_exceeded",
    InputError.code: "invalid_parameters",
    UnknownVoice.code: "voice_not_found",
}


class ElevenLabsRefusal(Exception):
    """A request that is not obeyed.

    Args:
        reason: the vendor's short name for it.
        message: for people.
        status: of an HTTP answer.
        close_code: of a WebSocket.
        retry_after: seconds, where the same request may be taken later.
    """

    def __init__(
        self, reason: str, message: str, *, status: int = 400, close_code: int = sockets.POLICY, retry_after: str = "1"
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after
        self.status = status
        self.close_code = close_code


def reason_of(code: str) -> str:
    """The vendor's short name for one of our errors."""
    return _REASONS.get(code, "internal_error")


class GenerationConfig(msgspec.Struct, frozen=True):
    """When the vendor's buffer is spoken. Ours closes at clauses anyway, so the numbers are checked and no more."""

    chunk_length_schedule: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for length in self.chunk_length_schedule or ():
            if not SCHEDULE_MIN <= length <= SCHEDULE_MAX:
                raise ValueError(f"chunk_length_schedule: {length} is not within {SCHEDULE_MIN} and {SCHEDULE_MAX}")


class DictionaryLocator(msgspec.Struct, frozen=True):
    """Names a pronunciation dictionary; ours have no versions."""

    pronunciation_dictionary_id: str
    version_id: str | None = None


class ClientMessage(msgspec.Struct, frozen=True):
    """One message of a client, on either WebSocket."""

    text: str | None = None
    voice_settings: VoiceSettings | None = None
    generation_config: GenerationConfig | None = None
    pronunciation_dictionary_locators: tuple[DictionaryLocator, ...] | None = None
    flush: bool | None = None
    try_trigger_generation: bool | None = None
    close_context: bool | None = None
    close_socket: bool | None = None
    context_id: str | None = None
    context_id_camel: str | None = msgspec.field(default=None, name="contextId")
    authorization: str | None = None
    api_key: str | None = msgspec.field(default=None, name="xi-api-key")
    api_key_snake: str | None = msgspec.field(default=None, name="xi_api_key")

    @property
    def context(self) -> str | None:
        """The context it speaks of, in whichever spelling; None is the default one."""
        return self.context_id if self.context_id is not None else self.context_id_camel

    @property
    def credentials(self) -> tuple[str, ...]:
        """Keys and tokens in it."""
        bearer = (self.authorization or "").removeprefix("Bearer ")
        return tuple(key for key in (self.api_key, self.api_key_snake, bearer) if key)


class SpeechRequest(msgspec.Struct, frozen=True):
    """The body of an HTTP request."""

    text: str
    voice_settings: VoiceSettings | None = None
    pronunciation_dictionary_locators: tuple[DictionaryLocator, ...] | None = None
    language_code: str | None = None
    seed: int | None = None


class Query(msgspec.Struct, frozen=True):
    """The parameters in an address."""

    output_format: str = DEFAULT_FORMAT
    language_code: str | None = None
    seed: int | None = None
    inactivity_timeout: float = 20.0
    auto_mode: bool = False
    sync_alignment: bool = False

    @property
    def inactivity_s(self) -> float:
        """How long a context may be left alone."""
        return min(max(self.inactivity_timeout, 1.0), INACTIVITY_MAX_S)


def decode_query(values: Mapping[str, str]) -> Query:
    """Reads the parameters of an address.

    Raises:
        ElevenLabsRefusal: a value is not of its kind.
    """
    try:
        return msgspec.convert(dict(values), Query, strict=False)
    except ValueError as error:
        raise ElevenLabsRefusal("invalid_parameters", f"query: {error}", status=422) from error


def decode_message(message: Mapping[str, Any]) -> ClientMessage:
    """Reads a WebSocket message, as ASGI hands it over.

    Raises:
        ElevenLabsRefusal: it is not JSON, or not of the protocol's shape.
    """
    try:
        # The standard parser takes lone surrogates: a client may cut its tokens inside a character.
        return msgspec.convert(json.loads(message.get("text") or message.get("bytes") or ""), ClientMessage)
    except (ValueError, RecursionError) as error:
        schema = "Could not parse input message, make sure it is a json and follows the schema outlined in protocol"
        raise ElevenLabsRefusal("invalid_input_message", f"{schema}: {error}") from error


def audio_format(name: str, *, wav: bool = False) -> AudioFormat:
    """The format of an `output_format`, as "mp3_44100_128" or "pcm_24000"; `wav` where HTTP offers it too.

    Raises:
        ElevenLabsRefusal: there is no such format, or this installation cannot make it.
    """
    offered = {codec: names for codec, names in _OFFERED.items() if wav or codec != "wav"}
    match = _FORMAT.fullmatch(name)
    if match is None or match["codec"] not in offered or (match["kbps"] is None) == (match["codec"] in ("mp3", "opus")):
        raise ElevenLabsRefusal(
            "invalid_output_format", f"output_format {name!r} is not one of {', '.join(offered.values())}"
        )
    bit_rate = int(match["kbps"]) * 1000 if match["kbps"] else None
    try:
        chosen = AudioFormat(_ENCODINGS[match["codec"]], int(match["rate"]), bit_rate)
        require(chosen)
    except (ValueError, InputError) as error:
        raise ElevenLabsRefusal("invalid_output_format", f"output_format {name!r}: {error}") from error
    return chosen


def our_voice(voice_id: str, voices: Sequence[str], names: Mapping[str, str] | None = None, *, reason: str) -> str:
    """The voice of ours that answers to an id: its own name, "default", one of the settings' `names`, or an id or name of theirs.

    Raises:
        ElevenLabsRefusal: none does.
    """
    if voice_id == "default" and voice_id not in voices:
        return DEFAULT_VOICE if DEFAULT_VOICE in voices else voices[0]
    try:
        return voice_of(voice_id, voices, names)
    except (UnknownVoice, InputError) as error:
        here = ", ".join((*voices, *(names or ())))
        theirs = ", ".join(voice.name.capitalize() for voice in vendor_voices() if voice.vendor == "ElevenLabs")
        message = (
            f"A voice with voice_id {voice_id[:80]} does not exist. Voices here: {here}; of ElevenLabs': {theirs}."
        )
        raise ElevenLabsRefusal(reason, message, status=404) from error


def start(
    utterance: str,
    voice: str,
    audio_format: AudioFormat,
    query: Query,
    request: ClientMessage | SpeechRequest,
    max_ahead_ms: int = 3_000,
) -> commands.Start:
    """The command that opens an utterance as a client wants it.

    Raises:
        ElevenLabsRefusal: a setting is out of range.
    """
    settings = request.voice_settings or VoiceSettings()
    language, seed = query.language_code, query.seed
    if isinstance(request, SpeechRequest):
        language, seed = request.language_code or language, seed if request.seed is None else request.seed
    try:
        manner = settings.manner()
        return commands.Start(
            utterance,
            voice=voice,
            format=audio_format,
            language=language or AUTO,
            speed=manner.speed,
            liveliness=manner.liveliness,
            seed=seed or 0,
            max_ahead_ms=max_ahead_ms,
            speech=_lexicon(request.pronunciation_dictionary_locators),
        )
    except ValueError as error:
        raise ElevenLabsRefusal("invalid_settings", str(error)) from error


def _lexicon(locators: Sequence[DictionaryLocator] | None) -> dict[str, str | bool] | None:
    """Their pronunciation dictionary is a lexicon of the service, and its id the name."""
    if not locators:
        return None
    if len(locators) > 1:
        message = "pronunciation_dictionary_locators has several entries; one is taken here: join them in one lexicon"
        raise ElevenLabsRefusal("invalid_parameters", message, status=422)
    return {"lexicon": locators[0].pronunciation_dictionary_id}


def notice_of(request: ClientMessage | SpeechRequest) -> str:
    """What of its settings is not followed, or ""."""
    return "" if request.voice_settings is None else request.voice_settings.manner().notice


def notice_message(notice: str, names: dict[str, str]) -> str:
    """A notice in the form of a message without audio: clients that do not know it read past it."""
    return _to_json({"audio": None, "isFinal": None, "is_final": None, "notice": notice, **names})


def audio_message(payload: bytes, alignment: Alignment | None, names: dict[str, str], *, from_start: bool) -> str:
    """A stretch of audio and its characters.

    Args:
        payload: bytes of the output format; may be empty.
        alignment: None where no character begins in it.
        names: the context, in both spellings, where there are contexts.
        from_start: time the normalised characters from the start of the context's audio, as clients that ask for
            `sync_alignment` read them. The others are relative to the message, always.
    """
    return _to_json(
        {
            "audio": base64.b64encode(payload).decode() if payload else None,
            "isFinal": None,
            "is_final": None,
            "alignment": alignment.in_ms() if alignment else None,
            "normalizedAlignment": alignment.in_ms(from_start=from_start) if alignment else None,
            **names,
        }
    )


def final_message(names: dict[str, str]) -> str:
    """The last message of a context, or of a connection without contexts."""
    last = {"audio": None, "isFinal": True, "is_final": True, "alignment": None, "normalizedAlignment": None}
    return _to_json({**last, **names})


def error_message(refusal: ElevenLabsRefusal, names: dict[str, str]) -> str:
    """What is said before a connection or a context is given up."""
    return _to_json({"message": str(refusal), "error": refusal.reason, "code": refusal.close_code, **names})


def _to_json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":"))

"""What Deepgram's speech interface says: parameters, messages, errors, and the names of its voices."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from uuid import NAMESPACE_URL, uuid5

from voiceagent.adapters.http import sockets
from voiceagent.audio.encoders import media_type, require
from voiceagent.audio.formats import AudioFormat
from voiceagent.audio.pcm import UNKNOWN_LENGTH, wav_header
from voiceagent.errors import InputError, ProtocolError, UnknownVoice
from voiceagent.options.languages import LANGUAGES, stock_facts
from voiceagent.options.vendor_voices import VendorVoice, vendor_voices
from voiceagent.options.vendor_voices import our_voice as voice_of
from voiceagent.protocol.wire import json_object
from voiceagent.version import __version__

DEFAULT_MODEL = "aura-2-thalia-en"
ENCODINGS = {
    "linear16": "pcm_s16le",
    "mulaw": "mulaw",
    "alaw": "alaw",
    "mp3": "mp3",
    "opus": "opus",
    "aac": "aac",
    "flac": "flac",
}
STREAMED = ("linear16", "mulaw", "alaw")
RATES_HZ = {"mulaw": 8_000, "alaw": 8_000, "mp3": 22_050, "aac": 22_050, "opus": 48_000}
CONTAINERS = {"linear16": ("wav", "none"), "mulaw": ("wav", "none"), "alaw": ("wav", "none"), "opus": ("ogg",)}
WAV_CODES = {"mulaw": 7, "alaw": 6}
SPEED_MIN, SPEED_MAX = 0.7, 1.5
# What is followed, ours (`lexicon`, `token`), and what has nothing to do with how a text is spoken.
KNOWN = frozenset("model encoding sample_rate container bit_rate speed lexicon token mip_opt_out tag".split())
SHOWN_MAX = 5
DEFAULT_TTL_S, TTL_MAX_S = 30, 3_600  # of a token; ours last `token_s` of the settings at most

MessageType: TypeAlias = Literal["Speak", "Flush", "Clear", "Close", "KeepAlive"]
MESSAGES: tuple[MessageType, ...] = ("Speak", "Flush", "Clear", "Close", "KeepAlive")


class DeepgramRefusal(Exception):
    """A request that is answered with a status, or a message that closes its connection."""

    def __init__(self, message: str, code: str, *, status: int = 400, close_code: int = sockets.POLICY) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.close_code = close_code

    def body(self, request_id: str) -> dict[str, str]:
        """What an HTTP answer says."""
        return {"err_code": self.code, "err_msg": str(self), "request_id": request_id}


@dataclass(frozen=True, slots=True)
class Order:
    """What the parameters of a request ask for."""

    model: str
    voice: str
    format: AudioFormat
    speed: float = 1.0
    header: bytes = b""
    """Comes before the audio, where a container has one."""
    lexicon: str = ""
    """Ours: the name of one of the service's lexicons."""
    notice: str = ""
    """What of the parameters is not followed."""

    @property
    def speech(self) -> dict[str, str | bool] | None:
        """What is spoken differently from the service's own policy."""
        return {"lexicon": self.lexicon} if self.lexicon else None

    @property
    def media_type(self) -> str:
        """What an HTTP answer calls the audio."""
        return "audio/wav" if self.header else media_type(self.format)


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """A message of a WebSocket's client."""

    type: MessageType
    text: str = ""


def decode_order(
    query: Mapping[str, str], voices: Sequence[str], names: Mapping[str, str] | None = None, *, streamed: bool
) -> Order:
    """Reads the parameters of a request; those that it does not know are named in the order's notice.

    Args:
        query: the parameters.
        voices: ours.
        names: what further names of voices mean.
        streamed: over a WebSocket, which has fewer encodings and no containers.

    Raises:
        DeepgramRefusal: one of them cannot be met.
    """
    model = query.get("model") or DEFAULT_MODEL
    encoding = query.get("encoding") or "linear16"
    choices = STREAMED if streamed else tuple(ENCODINGS)
    if encoding not in choices:
        raise _unsupported(f"unknown encoding {encoding[:80]!r}; choices: {', '.join(choices)}")
    speed = _number(query, "speed", 1.0)
    if not SPEED_MIN <= speed <= SPEED_MAX:
        raise _invalid(f"speed {speed:g} is not within {SPEED_MIN} and {SPEED_MAX}")
    if "callback" in query:
        raise _invalid("callback is not served here: the audio is the answer")
    rate = _integer(query, "sample_rate", RATES_HZ.get(encoding, 24_000))
    bit_rate = None if streamed or "bit_rate" not in query else _integer(query, "bit_rate", 0)
    try:
        audio_format = AudioFormat(ENCODINGS[encoding], rate, bit_rate)
        require(audio_format)
    except (ValueError, InputError) as error:
        raise _unsupported(str(error)) from error
    header = b"" if streamed else _header(query, encoding, rate)
    lexicon = query.get("lexicon", "")[:200]
    return Order(model, our_voice(model, voices, names), audio_format, speed, header, lexicon, _notice(query))


def _notice(query: Mapping[str, str]) -> str:
    unknown = [name for name in query if name not in KNOWN]
    if not unknown:
        return ""
    shown = ", ".join(repr(name[:40]) for name in unknown[:SHOWN_MAX]) + (
        " and more" if len(unknown) > SHOWN_MAX else ""
    )
    return f"not understood and not followed: {shown}; parameters here: {', '.join(sorted(KNOWN - {'token'}))}"


def our_voice(model: str, voices: Sequence[str], names: Mapping[str, str] | None = None) -> str:
    """Our voice of that name, or the one that stands for theirs; `names` are the settings' own.

    Raises:
        DeepgramRefusal: no model is called that, here or there, or none of our voices speaks its language.
    """
    try:
        return voice_of(model, voices, names)
    except (UnknownVoice, InputError) as error:
        theirs = ", ".join(f"aura-2-{voice.name}-{voice.language}" for voice in _spoken(voices))
        known = ", ".join((*voices, *(names or ())))
        spoken = {stock_facts(voice)[0] for voice in voices}
        if model.lower().startswith("aura-") and model[-2:].lower() not in spoken:
            speak = " and ".join(LANGUAGES.get(code, code) for code in sorted(spoken))
            raise _invalid(f"model {model[:80]!r} is of another language; {known} speak {speak}") from error
        raise _invalid(f"unknown model {model[:80]!r}; models here: {known}; of Deepgram's: {theirs}") from error


def _spoken(voices: Sequence[str]) -> list[VendorVoice]:
    """Their voices whose language one of ours speaks."""
    spoken = {stock_facts(voice)[0] for voice in voices}
    return [voice for voice in vendor_voices() if voice.vendor == "Deepgram" and voice.language in spoken]


def decode_text(fields: Mapping[str, Any], chars_max: int) -> str:
    """The text in the body of a request.

    Raises:
        DeepgramRefusal: there is none, or too much.
    """
    text = fields.get("text")
    if not isinstance(text, str):
        raise DeepgramRefusal('the body has no text: send {"text": "..."}', "PAYLOAD_ERROR")
    if not text.strip():
        raise DeepgramRefusal("text is empty: there is nothing to speak", "PAYLOAD_ERROR")
    if len(text) > chars_max:
        message = f"text has {len(text)} characters; a request may have {chars_max}: send several"
        raise DeepgramRefusal(message, "PAYLOAD_TOO_LARGE", status=413)
    return text


def decode_ttl(fields: Mapping[str, Any]) -> float:
    """For how many seconds a token is asked, in the body of a request.

    Raises:
        DeepgramRefusal: it is no number within 1 and 3600.
    """
    ttl_s = fields.get("ttl_seconds", DEFAULT_TTL_S)
    if isinstance(ttl_s, bool) or not isinstance(ttl_s, int | float) or not 1 <= ttl_s <= TTL_MAX_S:
        raise DeepgramRefusal(f"ttl_seconds is a number within 1 and {TTL_MAX_S}", "PAYLOAD_ERROR")
    return float(ttl_s)


def decode_message(message: Mapping[str, Any]) -> ClientMessage:
    """Reads a message as it came over the WebSocket.

    Raises:
        DeepgramRefusal: it is none of the protocol's.
    """
    text = message.get("text")
    if text is None:
        raise DeepgramRefusal("a binary message where JSON belongs", "MESSAGE-0000", close_code=sockets.UNSUPPORTED)
    try:
        fields = json_object(text)
    except ProtocolError as error:
        raise DeepgramRefusal(str(error), "DATA-0000") from error
    kind = fields.get("type")
    if kind not in MESSAGES:
        raise DeepgramRefusal(f"a message is a JSON object whose type is one of {', '.join(MESSAGES)}", "DATA-0000")
    if kind != "Speak":
        return ClientMessage(kind)
    if not isinstance(fields.get("text"), str):
        raise DeepgramRefusal('Speak has no text: {"type": "Speak", "text": "..."}', "DATA-0000")
    return ClientMessage("Speak", fields["text"])


def metadata(request_id: str, order: Order) -> str:
    """The first message of a connection."""
    fields = {
        "type": "Metadata",
        "request_id": request_id,
        "model_name": order.model,
        "model_version": __version__,
        "model_uuid": model_uuid(order.voice),
        "additional_model_uuids": [],
    }
    return json.dumps(fields)


def model_uuid(voice: str) -> str:
    """Always the same for a voice."""
    return str(uuid5(NAMESPACE_URL, f"voiceagent:{voice}"))


def answer(kind: Literal["Flushed", "Cleared"], number: int) -> str:
    """The answer to a Flush or a Clear."""
    return json.dumps({"type": kind, "sequence_id": number})


def warning(code: str, message: str) -> str:
    """A warning, in the words of their package and in those of their documentation."""
    named = {"description": message, "code": code, "warn_msg": message, "warn_code": code}
    return json.dumps({"type": "Warning", **named})


def _header(query: Mapping[str, str], encoding: str, rate: int) -> bytes:
    choices = CONTAINERS.get(encoding, ("none",))
    container = query.get("container") or choices[0]
    if container not in choices:
        raise _unsupported(f"no container {container[:80]!r} for {encoding}; choices: {', '.join(choices)}")
    if container != "wav":
        return b""
    if encoding == "linear16":
        return wav_header(rate)
    return struct.pack(
        "<4sI4s4sIHHIIHHH4sI",
        *(b"RIFF", UNKNOWN_LENGTH, b"WAVE"),
        *(b"fmt ", 18, WAV_CODES[encoding], 1, rate, rate, 1, 8, 0),
        *(b"data", UNKNOWN_LENGTH),
    )


def _number(query: Mapping[str, str], name: str, default: float) -> float:
    try:
        number = float(query.get(name, default))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _invalid(f"{name} {query[name][:80]!r} is not a number")
    return number


def _integer(query: Mapping[str, str], name: str, default: int) -> int:
    number = _number(query, name, default)
    if not number.is_integer():
        raise _invalid(f"{name} {query[name][:80]!r} is not a whole number")
    return int(number)


def _invalid(message: str) -> DeepgramRefusal:
    return DeepgramRefusal(message, "INVALID_QUERY_PARAMETER")


def _unsupported(message: str) -> DeepgramRefusal:
    return DeepgramRefusal(message, "UNSUPPORTED_AUDIO_FORMAT")

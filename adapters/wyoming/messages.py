"""What Wyoming events say: reading them within bounds, the description of this service, requests as commands.

The package's own reader takes any length that a peer announces and calls malformed input the end of the
stream; here it has a limit and an error that says what is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from voiceagent.audio.formats import AudioFormat
from voiceagent.errors import ProtocolError
from voiceagent.options import AUTO, DEFAULT_VOICE
from voiceagent.options.languages import stock_facts
from voiceagent.protocol import commands
from voiceagent.protocol.wire import json_object
from voiceagent.version import __version__
from wyoming.event import Event
from wyoming.info import Attribution, Info, TtsProgram, TtsVoice, TtsVoiceSpeaker
from wyoming.tts import Synthesize, SynthesizeStart, SynthesizeVoice

ATTRIBUTION = Attribution(name="voiceagent", url="")
TEXT_FORMATS = ("text", "ssml")

Request = TypeVar("Request", covariant=True)


class _Readable(Protocol[Request]):
    """A kind of event of the package."""

    @staticmethod
    def from_event(event: Event) -> Request: ...


async def read_event(reader: asyncio.StreamReader, max_bytes: int) -> Event | None:
    """The next event, or None where the peer hung up, in the middle of an event too.

    Raises:
        ProtocolError: malformed, or longer than `max_bytes`.
    """
    try:
        line = await reader.readuntil(b"\n")
        header = json_object(line, "the first line of an event")
        data = header.get("data") or {}
        if not isinstance(data, dict):
            raise ProtocolError("`data` of an event is a JSON object")
        if data_length := _length(header, "data_length", max_bytes):
            data = {**data, **json_object(await reader.readexactly(data_length), "the data of an event")}
        payload = None
        if payload_length := _length(header, "payload_length", max_bytes):
            payload = await reader.readexactly(payload_length)
    except asyncio.LimitOverrunError as error:
        raise ProtocolError(f"an event whose first line is longer than {max_bytes} bytes") from error
    except (asyncio.IncompleteReadError, OSError):
        return None
    kind = header.get("type")
    if not isinstance(kind, str):
        raise ProtocolError("an event without a `type`")
    return Event(kind, data, payload)


def _length(header: dict[str, Any], name: str, max_bytes: int) -> int:
    length = header.get(name) or 0
    if not isinstance(length, int) or not 0 <= length <= max_bytes:
        raise ProtocolError(f"{name} {str(length)[:40]} is not within 0 and {max_bytes}")
    return length


def read_request(kind: type[_Readable[Request]], event: Event) -> Request:
    """The event as the package has it, with every text in it a text.

    Raises:
        ProtocolError: something that it needs is missing or of another type.
    """
    given = {name: value for name, value in event.data.items() if value is not None}
    for name in ("text", "text_format"):
        if not isinstance(given.get(name, ""), str):
            raise ProtocolError(f"{event.type}: `{name}` is a text")
    voice = given.get("voice", {})
    if not isinstance(voice, dict) or not all(isinstance(value, str | None) for value in voice.values()):
        raise ProtocolError(f"{event.type}: `voice` is an object of texts: name, speaker, language")
    try:
        return kind.from_event(Event(event.type, given))
    except KeyError as error:
        raise ProtocolError(f"{event.type}: {error} is missing") from error


def start_of(
    request: Synthesize | SynthesizeStart, utterance_id: str, voices: Sequence[str], rate_hz: int
) -> commands.Start:
    """The command that opens the utterance of a request.

    Raises:
        ProtocolError: a voice, speaker, language or text format that is not here.
    """
    if request.text_format is not None and request.text_format not in TEXT_FORMATS:
        here = ", ".join(TEXT_FORMATS)
        raise ProtocolError(f"unknown text_format {request.text_format!r}; formats here: {here}", code="bad_request")
    asked = request.voice or SynthesizeVoice()
    voice = asked.name or (DEFAULT_VOICE if DEFAULT_VOICE in voices else voices[0])
    if asked.speaker and asked.speaker != voice:
        message = f"unknown speaker {asked.speaker!r}; the voice {voice!r} has one speaker: {voice}"
        raise ProtocolError(message, code="unknown_speaker")
    language = asked.language or AUTO
    try:
        audio_format = AudioFormat(sample_rate=rate_hz)
        return commands.Start(utterance_id, voice=voice, language=language, format=audio_format, timestamps="none")
    except ValueError as error:
        raise ProtocolError(str(error)) from error


def describe(voices: Sequence[str]) -> Info:
    """What this service is: one program, one voice for each of ours."""
    return Info(
        tts=[
            TtsProgram(
                name="voiceagent",
                description="Speech while the text is still being written",
                attribution=ATTRIBUTION,
                installed=True,
                version=__version__,
                supports_synthesize_streaming=True,
                voices=[
                    TtsVoice(
                        name=voice,
                        description=voice.capitalize(),
                        attribution=ATTRIBUTION,
                        installed=True,
                        version=__version__,
                        languages=[stock_facts(voice)[0]],
                        speakers=[TtsVoiceSpeaker(voice)],
                    )
                    for voice in voices
                ],
            )
        ]
    )

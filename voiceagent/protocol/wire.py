"""The native protocol's encoding: JSON for control, a 16-byte header before binary audio.

Knows no transport: WebSocket and MQTT carry the same bytes. Unknown fields are read past, as the
protocol demands of both sides.
"""

from __future__ import annotations

import json
import struct
from typing import Any, TypeAlias

import msgspec

from voiceagent.errors import ProtocolError
from voiceagent.protocol import commands, events, outputs

SUBPROTOCOL = "voiceagent.v1"
VERSION = 1
FLAG_LAST = 1
# version, flags, stream, sequence number, presentation time in samples; little-endian
HEADER = struct.Struct("<BBHIQ")

_COMMANDS: dict[str, type[Any]] = {
    command.type: command
    for command in (
        commands.Start,
        commands.Text,
        commands.Flush,
        commands.End,
        commands.Cancel,
        commands.Played,
        commands.Resume,
        commands.Ping,
        commands.Close,
    )
}

_EVENTS: dict[str, type[Any]] = {
    event.type: event
    for event in (
        events.Ready,
        events.Resumed,
        events.Started,
        events.Words,
        events.Flushed,
        events.Done,
        events.Cancelled,
        events.Warning_,
        events.Error,
        events.Pong,
    )
}

AudioHeader: TypeAlias = tuple[int, int, int, int]


def json_object(encoded: str | bytes | bytearray, what: str = "a message") -> dict[str, Any]:
    """The JSON object that somebody else has written.

    Args:
        what: it is, for the error.

    Raises:
        ProtocolError: not JSON, or not an object.
    """
    try:
        # The standard parser takes lone surrogates: a client may cut its tokens inside a character.
        fields = json.loads(encoded)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"{what} is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise ProtocolError(f"{what} is a JSON object, not {type(fields).__name__}")
    return fields


def decode_command(message: str | bytes) -> commands.Command:
    """Reads a control message.

    Raises:
        ProtocolError: not JSON, no known type, or a value that is missing or out of range.
    """
    fields = json_object(message)
    utterance = fields.get("id") if isinstance(fields.get("id"), str) else None
    kind = fields.pop("type", None)
    command = _COMMANDS.get(kind) if isinstance(kind, str) else None
    if command is None:
        known = ", ".join(_COMMANDS)
        raise ProtocolError(f"unknown type {_shown(kind)}; types here: {known}", utterance=utterance)
    try:
        decoded: commands.Command = msgspec.convert(fields, command)
    except (ValueError, OverflowError) as error:  # msgspec's ValidationError is a ValueError
        raise ProtocolError(f"{kind}: {error}", utterance=utterance) from error
    return decoded


def encode_command(command: commands.Command) -> str:
    """The control message of a command, as a client sends it."""
    return _to_json({"type": command.type, **msgspec.to_builtins(command)})


def encode_event(event: events.Event) -> str:
    """The control message of any event but `Audio`.

    Raises:
        TypeError: the event is `Audio`, which is binary.
    """
    if isinstance(event, events.Audio):
        raise TypeError("audio is binary: use encode_audio")
    if isinstance(event, events.Words):
        return _to_json({"type": event.type, "id": event.id, "words": [_word(word) for word in event.words]})
    fields = {"type": event.type, **msgspec.to_builtins(event)}
    if isinstance(event, events.Error) and event.retry_after_ms is None:
        del fields["retry_after_ms"]
    if isinstance(event, events.Ready):
        fields["voices_url"] = "/v1/voices"
    return _to_json(fields)


def decode_event(message: str) -> events.Event | None:
    """Reads a control message of the server, for clients; None is a type that this version does not know.

    Raises:
        ProtocolError: not JSON, or a value that is missing or of the wrong type.
    """
    try:
        fields = json.loads(message)
        kind = fields.pop("type")
        if kind == events.Words.type:
            fields["words"] = [_word_fields(word) for word in fields["words"]]
        event = _EVENTS.get(kind)
        return None if event is None else msgspec.convert(fields, event)
    except (ValueError, RecursionError, OverflowError, TypeError, KeyError, AttributeError) as error:
        raise ProtocolError(f"cannot read {_shown(message)}: {error}") from error


def encode_audio(frame: events.Audio, payload: bytes, pts_samples: int) -> bytes:
    """A binary message: the header, then the payload; `pts_samples` counts at the payload's rate."""
    flags = FLAG_LAST if frame.last else 0
    return HEADER.pack(VERSION, flags, frame.stream, frame.seq & 0xFFFFFFFF, pts_samples) + payload


def decode_audio(message: bytes) -> tuple[AudioHeader, bytes]:
    """Splits a binary message into (flags, stream, seq, pts_samples) and its payload, for clients.

    Raises:
        ProtocolError: shorter than a header, or another version.
    """
    if len(message) < HEADER.size:
        raise ProtocolError(f"an audio message has {HEADER.size} bytes or more, not {len(message)}")
    version, flags, stream, seq, pts_samples = HEADER.unpack_from(message)
    if version != VERSION:
        raise ProtocolError(f"audio version {version} is unknown; this is {VERSION}")
    return (flags, stream, seq, pts_samples), message[HEADER.size :]


def _word(word: outputs.WordTime) -> dict[str, Any]:
    fields = {
        "t": word.text,
        "s": round(word.start_s * 1000),
        "e": round(word.end_s * 1000),
        "c0": word.char_start,
        "c1": word.char_end,
    }
    if word.char_starts_s:
        fields["cs"] = [round(start_s * 1000) for start_s in word.char_starts_s]
    return fields


def _word_fields(word: dict[str, Any]) -> dict[str, Any]:
    return {
        "text": word["t"],
        "start_s": word["s"] / 1000,
        "end_s": word["e"] / 1000,
        "char_start": word["c0"],
        "char_end": word["c1"],
        "char_starts_s": [start / 1000 for start in word.get("cs", ())],
    }


def _to_json(fields: dict[str, Any]) -> str:
    try:
        return msgspec.json.encode(fields).decode()
    except UnicodeEncodeError:
        return json.dumps(fields)  # a lone surrogate in the text as sent: escaped, as it came


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."

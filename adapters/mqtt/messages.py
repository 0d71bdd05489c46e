"""What MQTT messages say: topics, requests and commands in, events and audio out.

voiceagent/v1/SITE/say             in   a text, spoken whole
voiceagent/v1/SITE/request         in   a `start` of the native protocol, with `text` and `end` if they are known
voiceagent/v1/SITE/command/AGENT   in   text, flush, end, cancel, played: to the agent that answered `started`
voiceagent/v1/SITE/stop            in   silence at the site
voiceagent/v1/SITE/voice, /speed   in   retained: what a request at this site means that does not say
voiceagent/v1/SITE/event           out  events of the native protocol
voiceagent/v1/SITE/audio/GEN       out  frames of the utterance with this generation
voiceagent/v1/SITE/state           out  retained: speaking or idle
voiceagent/agents/AGENT/status     out  retained: online or offline (also the last will)
voiceagent/agents/AGENT/for/SITE/.. in  requests that another agent passes on
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from aiomqtt import Message
from aiomqtt.topic import Topic
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from voiceagent.audio.encoders import StreamEncoder, media_type
from voiceagent.audio.formats import AudioFormat
from voiceagent.errors import ProtocolError
from voiceagent.protocol import commands, events, wire

ROOT = "voiceagent/v1"
AGENTS = "voiceagent/agents"
EVENT_EXPIRY_S = 60
# Of a site, an agent or an id: a topic has 65,535 bytes, and three of these must fit in it.
LEVEL_CHARS = 1_000
SAMPLE_BYTES = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be published."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """Where the answer to a request goes."""

    site: str
    topic: str | None = None
    """The response topic, where the requester named one."""
    correlation: bytes | None = None
    audio_at_site: bool = True

    @property
    def event_topics(self) -> tuple[str, ...]:
        """The site hears of what it plays, the requester of what it asked for."""
        site = (site_topic(self.site, "event"),) if self.audio_at_site else ()
        return (*site, self.topic) if self.topic is not None else site

    def audio_topic(self, generation: str) -> str:
        """Where the frames of an utterance go."""
        if self.audio_at_site or self.topic is None:
            return site_topic(self.site, "audio", generation)
        return self.topic


@dataclass(frozen=True, slots=True)
class Request:
    """An utterance that somebody asks for."""

    start: commands.Start
    reply: Reply
    text: str = ""
    end: bool = False
    """The text is all there is."""
    expires_s: float | None = None
    """It must begin within this time."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A command for an open utterance."""

    command: commands.Text | commands.Flush | commands.End | commands.Cancel | commands.Played
    number: int | None = None
    """Its place among the commands of the utterance, from 0, where the requester counts them."""


def site_topic(site: str, *levels: str) -> str:
    """A topic of a site."""
    return "/".join((ROOT, site, *levels))


def agent_topic(agent: str, *levels: str) -> str:
    """A topic of an agent."""
    return "/".join((AGENTS, agent, *levels))


def properties(
    *,
    expiry_s: int | None = None,
    content_type: str | None = None,
    correlation: bytes | None = None,
    response_topic: str | None = None,
) -> Properties:
    """Properties of a message to be published."""
    made = Properties(PacketTypes.PUBLISH)
    if expiry_s is not None:
        made.MessageExpiryInterval = expiry_s
    if content_type is not None:
        made.ContentType = content_type
    if correlation is not None:
        made.CorrelationData = correlation
    if response_topic is not None:
        made.ResponseTopic = response_topic
    return made


def read_reply(message: Message, site: str, allowed: tuple[str, ...]) -> Reply:
    """Where the answer to a message goes.

    Raises:
        ProtocolError: a response topic that the settings do not allow.
    """
    topic = getattr(message.properties, "ResponseTopic", None)
    if topic is None:
        return Reply(site)
    if not topic or any(character in topic for character in "+#\0") or topic.startswith("$"):
        raise ProtocolError(f"{topic!r} cannot be a response topic")
    if not any(Topic(topic).matches(pattern) for pattern in allowed):
        raise ProtocolError(f"response topic {topic!r} is not allowed here: [mqtt] response_topics")
    correlation = getattr(message.properties, "CorrelationData", None)
    return Reply(site, topic, correlation, audio_at_site=False)


def read_request(message: Message, reply: Reply, defaults: dict[str, Any], *, plain: bool) -> Request:
    """The utterance that a message asks for; what it leaves out is as in `defaults`.

    Args:
        plain: the payload is the text itself, not JSON.

    Raises:
        ProtocolError: not a request.
    """
    expires_s = getattr(message.properties, "MessageExpiryInterval", None)
    payload = bytes(message.payload)
    if plain:
        fields: dict[str, Any] = {"text": payload.decode("utf-8", "replace")}
    else:
        fields = wire.json_object(payload)
    utterance = fields.get("id") if isinstance(fields.get("id"), str) else None
    text = fields.pop("text", None)
    end = fields.pop("end", text is not None)
    audio = fields.pop("audio", "site" if reply.audio_at_site else "response")
    if not isinstance(text, str | None) or not isinstance(end, bool):
        raise ProtocolError("`text` is a text, `end` is true or false", utterance=utterance)
    if audio not in ("site", "response") or (audio == "response" and reply.topic is None):
        raise ProtocolError("`audio` is site, or response where there is a response topic", utterance=utterance)
    start = wire.decode_command(json.dumps({**defaults, **fields, "type": "start"}))
    assert isinstance(start, commands.Start)
    return Request(start, replace(reply, audio_at_site=audio == "site"), text or "", end, expires_s)


def read_piece(payload: bytes) -> Piece:
    """A command for an open utterance.

    Raises:
        ProtocolError: not one.
    """
    fields = wire.json_object(payload)
    utterance = fields.get("id") if isinstance(fields.get("id"), str) else None
    number = fields.pop("n", None)
    if not isinstance(number, int | None) or isinstance(number, bool):
        raise ProtocolError("`n` is a number", utterance=utterance)
    command = wire.decode_command(json.dumps(fields))
    if not isinstance(command, commands.Text | commands.Flush | commands.End | commands.Cancel | commands.Played):
        raise ProtocolError(f"{command.type} belongs elsewhere; here: text, flush, end, cancel, played")
    return Piece(command, number)


def event_messages(event: events.Event, reply: Reply, more: dict[str, Any]) -> list[Outgoing]:
    """An event for everybody whom it concerns, with what MQTT adds to it."""
    payload = json.dumps({**json.loads(wire.encode_event(event)), "site": reply.site, **more}).encode()
    made = properties(
        expiry_s=EVENT_EXPIRY_S, content_type="application/json", correlation=reply.correlation if reply.topic else None
    )
    return [Outgoing(topic, payload, qos=1, properties=made) for topic in reply.event_topics]


class AudioPackets:
    """The frames of an utterance as messages of bounded length, numbered anew.

    Args:
        stream: the number that the headers carry.
        max_bytes: longest payload, header included.
    """

    def __init__(
        self, audio_format: AudioFormat, topic: str, stream: int, *, max_bytes: int, expiry_s: int, reply: Reply
    ) -> None:
        self._encoder = StreamEncoder(audio_format)
        self._topic = topic
        self._stream = stream
        self._sample_bytes = SAMPLE_BYTES.get(audio_format.encoding, 0)
        whole = max(1, self._sample_bytes)
        self._room = (max_bytes - wire.HEADER.size) // whole * whole
        self._sent = 0
        if reply.audio_at_site:  # its format is in `started`: each message carries as little as it can
            self._properties = properties(expiry_s=expiry_s)
        else:
            content_type = f"{media_type(audio_format)};rate={audio_format.sample_rate}"
            self._properties = properties(expiry_s=expiry_s, content_type=content_type, correlation=reply.correlation)

    def of(self, frame: events.Audio) -> Iterator[Outgoing]:
        """The messages of a frame; a compressed one may have none."""
        begin_samples = self._encoder.samples_out
        encoded = self._encoder.encode(frame.samples, last=frame.last)
        for begin in range(0, max(len(encoded), int(frame.last)), self._room):
            payload = encoded[begin : begin + self._room]
            pts = begin_samples + (begin // self._sample_bytes if self._sample_bytes else 0)
            last = frame.last and begin + self._room >= len(encoded)
            packet = replace(frame, stream=self._stream, seq=self._sent, last=last)
            yield Outgoing(self._topic, wire.encode_audio(packet, payload, pts), properties=self._properties)
            self._sent += 1

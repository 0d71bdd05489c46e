"""Settings of the service: frozen, checked once, read from TOML.

An unknown key is an error that names the valid ones, so that a misspelt setting is never silently idle.
`configs/serve.toml` lists every key with its default and what it does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import msgspec

from voiceagent.audio.formats import SAMPLE_RATE_HZ, AudioFormat
from voiceagent.errors import ConfigError
from voiceagent.settings.buffering import BufferingName
from voiceagent.settings.engine import EngineConfig
from voiceagent.settings.keys import KeyConfig
from voiceagent.settings.policy import SpeechPolicy
from voiceagent.settings.toml import read_toml


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may ask for, and how much is kept for it.

    Raises:
        ValueError: a value is out of range.
    """

    max_text_buffer: int = 20_000
    """Characters of an utterance that may wait to be spoken."""
    max_open: int = 5
    """Utterances that may be open at once."""
    frame_ms: int = 80
    """Length of an audio frame."""
    backlog_ms: int = 10_000
    """Audio that may wait to be taken before the engine gets no more text."""
    chunks_ahead: int = 3
    """Chunks that the engine may have at once."""
    buffering: BufferingName = "auto"
    """What text waits for before it is spoken, where a client does not say."""

    def __post_init__(self) -> None:
        _within("max_text_buffer", self.max_text_buffer, 1, 10_000_000)
        _within("max_open", self.max_open, 1, 1_000)
        _within("frame_ms", self.frame_ms, 20, 100)
        _within("backlog_ms", self.backlog_ms, 100, 600_000)
        _within("chunks_ahead", self.chunks_ahead, 1, 100)


@dataclass(frozen=True, slots=True)
class WyomingConfig:
    """The Wyoming door, for Home Assistant.

    Raises:
        ValueError: a value is out of range.
    """

    enabled: bool = False
    host: str = "127.0.0.1"
    """The protocol knows no authentication: whoever reaches this address may use it."""
    port: int = 10_200
    """0 takes any free port."""
    sample_rate: int = SAMPLE_RATE_HZ
    announce: str | None = None
    """Name under which Home Assistant finds it by mDNS; None announces nothing."""

    def __post_init__(self) -> None:
        _within("port", self.port, 0, 65_535)
        _ = AudioFormat(sample_rate=self.sample_rate)


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """The MQTT door.

    Raises:
        ValueError: a value is out of range.
    """

    enabled: bool = False
    host: str = "127.0.0.1"
    port: int = 1_883
    username: str | None = None
    password_file: str | None = None
    """File whose first line is the password."""
    tls: bool = False
    ca_file: str | None = None
    """Certificates to trust; None is the system's."""
    agent: str | None = None
    """Name of this process among those that share the work; None is the name of the host."""
    sites: tuple[str, ...] = ("home",)
    """Sites that Home Assistant gets entities for; speech can be asked for at any site."""
    home_assistant: bool = True
    discovery_prefix: str = "homeassistant"
    hermes: bool = False
    """Answer `hermes/tts/say` of Rhasspy and Snips devices."""
    response_topics: tuple[str, ...] = ("#",)
    """Topic filters; a request may have its answer sent to a topic that matches one of them."""
    format: AudioFormat = field(default_factory=AudioFormat)
    """What the audio is where a request does not say."""
    max_payload_bytes: int = 4_096
    """Longest audio message."""
    max_ahead_ms: int = 2_000
    """How far sending may run ahead of playing where a request does not say."""
    max_waiting: int = 8
    """Utterances that may wait for their turn at a site; more are refused with an error event."""
    request_expiry_s: float = 60.0
    """How long an utterance may wait for its turn where its request has no message expiry."""
    idle_s: float = 30.0
    """An utterance that gets no text for this long is ended, so that the next one has its turn."""
    audio_expiry_s: int = 3
    """Message expiry of audio: a device that was away is not sent what is older."""
    reconnect_s: float = 30.0
    """Longest pause between attempts to reach the broker."""

    def __post_init__(self) -> None:
        _within("port", self.port, 1, 65_535)
        _within("max_payload_bytes", self.max_payload_bytes, 64, 1_048_576)
        _within("max_ahead_ms", self.max_ahead_ms, 100, 60_000)
        _within("max_waiting", self.max_waiting, 1, 1_000)
        _within("request_expiry_s", self.request_expiry_s, 1, 3_600)
        _within("idle_s", self.idle_s, 0.1, 3_600)
        _within("audio_expiry_s", self.audio_expiry_s, 1, 3_600)
        _within("reconnect_s", self.reconnect_s, 0.1, 3_600)
        for name in (*self.sites, *([self.agent] if self.agent is not None else [])):
            if not name or any(character in name for character in "/+#$\0"):
                raise ValueError(f"{name!r} cannot be a site or an agent: it becomes a level of a topic")


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """Settings of `voiceagent serve`.

    Raises:
        ValueError: a value is out of range.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    """0 takes any free port."""
    weights: str | None = None
    """Folder of the voices; None is the one that ships."""
    lexicon: str | None = None
    """TOML file that says how words are spoken; None is none."""
    lexicons: dict[str, str] = field(default_factory=dict)
    """Further ones by name, which an utterance may ask for in place of `lexicon`: `speech = {"lexicon": "medical"}`."""
    voice_names: dict[str, str] = field(default_factory=dict)
    """Further names of voices, at every door: what a client asks for, and the voice or blend that is meant."""
    max_connections: int = 64
    max_message_bytes: int = 262_144
    text_wait_s: float = 10.0
    """How long text that finds no room in a full buffer stands in line for it before it is refused."""
    send_stall_s: float = 60.0
    """How long a client may take not one byte of what is sent to it before it is disconnected."""
    handshake_s: float = 5.0
    """How long a connection may take to say what it wants, and where its key comes in a message to show the key."""
    engine_stall_s: float = 15.0
    """How long the engine may be silent while it has something to say before its clients are told to try again."""
    idle_timeout_s: float = 300.0
    """How long a connection may be without any message, in or out."""
    resume_window_s: float = 30.0
    """How long speech waits for a lost connection, and how much of what was sent is kept for it; 0 is not at all."""
    resume_max_bytes: int = 4_194_304
    """What is kept for one connection at most."""
    drain_s: float = 300.0
    """How long utterances may go on when the service is told to end."""
    hosts: tuple[str, ...] = ()
    """Names that this server has beside localhost and its addresses; where a key is needed and none is named, any will do."""
    origins: tuple[str, ...] = ()
    """Web pages (scheme://host:port) that may use this server; programs send no origin and always may."""
    auth_tokens: tuple[str, ...] = ()
    """Keys as they are: a client needs one of these, or one of `keys`; where there are none, everyone may connect."""
    keys: tuple[KeyConfig, ...] = ()
    """Keys by their hashes, each with limits of its own."""
    token_s: float = 60.0
    """How long a token that a page gets in place of a key is good; it opens one connection."""
    without_key: bool = False
    """Everyone may connect on an address that other machines reach too: something else keeps strangers out."""
    tls_cert: str | None = None
    """PEM certificate, with its chain; None is plain http and ws."""
    tls_key: str | None = None
    """PEM key of the certificate."""
    engine: EngineConfig = field(default_factory=EngineConfig)
    limits: Limits = field(default_factory=Limits)
    speech: SpeechPolicy = field(default_factory=SpeechPolicy)
    """What is spoken of markup; a client may change it for an utterance."""
    wyoming: WyomingConfig = field(default_factory=WyomingConfig)
    mqtt: MqttConfig = field(default_factory=MqttConfig)

    def __post_init__(self) -> None:
        _within("port", self.port, 0, 65_535)
        _within("max_connections", self.max_connections, 1, 100_000)
        _within("max_message_bytes", self.max_message_bytes, 1_024, 64 * 1024 * 1024)
        _within("text_wait_s", self.text_wait_s, 0, 3_600)
        _within("send_stall_s", self.send_stall_s, 0.01, 3_600)
        _within("handshake_s", self.handshake_s, 0.05, 60)
        _within("engine_stall_s", self.engine_stall_s, 0.05, 3_600)
        _within("idle_timeout_s", self.idle_timeout_s, 0.05, 86_400)
        _within("resume_window_s", self.resume_window_s, 0, 3_600)
        _within("resume_max_bytes", self.resume_max_bytes, 0, 1024 * 1024 * 1024)
        _within("drain_s", self.drain_s, 0, 3_600)
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together: a certificate and its key")
        if "*" in self.origins:
            raise ValueError('origins has "*": every page of the web could use this server; name those that may')
        if not all(token and token == token.strip() for token in self.auth_tokens):
            raise ValueError("auth_tokens has an empty token, or one with a leading or trailing space")
        _within("token_s", self.token_s, 1, 3_600)
        if len({key.name for key in self.keys}) < len(self.keys) or len({key.hash for key in self.keys}) < len(
            self.keys
        ):
            raise ValueError("keys has two of the same name or hash")

    @property
    def needs_key(self) -> bool:
        """Whether a client must show a key."""
        return bool(self.auth_tokens or self.keys)


SECTIONS = {
    "engine": EngineConfig,
    "limits": Limits,
    "speech": SpeechPolicy,
    "wyoming": WyomingConfig,
    "mqtt": MqttConfig,
}


def load_serve_config(path: Path) -> ServeConfig:
    """Reads a TOML file; what it leaves out keeps its default.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has a key or value that is not valid.
    """
    values = read_toml(path)
    _refuse_unknown(path, values, ServeConfig)
    for name, section in SECTIONS.items():
        if isinstance(keys := values.get(name), dict):
            _refuse_unknown(path, keys, section)
    for entry in values.get("keys", ()):
        if isinstance(entry, dict):
            _refuse_unknown(path, entry, KeyConfig)
    try:
        return msgspec.convert(values, ServeConfig)
    except ValueError as error:  # msgspec's ValidationError is a ValueError
        raise ConfigError(f"{path}: {error}") from error


def _refuse_unknown(path: Path, values: dict[str, Any], settings: type[Any]) -> None:
    known = [f.name for f in fields(settings)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{path}: unknown key {unknown[0]!r}; valid keys: {', '.join(known)}")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}, not within {low} and {high}")

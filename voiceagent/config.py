"""Settings of the service: frozen, checked once, read from TOML.

An unknown key is an error that names the valid ones, so that a misspelt setting is never silently idle.
`configs/serve.toml` lists every key with its default and what it does.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import msgspec

from voiceagent.errors import ConfigError


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

    def __post_init__(self) -> None:
        _within("max_text_buffer", self.max_text_buffer, 1, 10_000_000)
        _within("max_open", self.max_open, 1, 1_000)
        _within("frame_ms", self.frame_ms, 20, 100)
        _within("backlog_ms", self.backlog_ms, 100, 600_000)
        _within("chunks_ahead", self.chunks_ahead, 1, 100)


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
    max_connections: int = 64
    max_streams: int = 16
    """Utterances that the engine speaks at once, over all clients."""
    max_message_bytes: int = 262_144
    text_wait_s: float = 10.0
    """How long reading pauses for a client whose text buffer is full, before its text is refused."""
    send_stall_s: float = 10.0
    """How long a client may leave its audio unread before it is disconnected."""
    origins: tuple[str, ...] = ()
    """Web pages (scheme://host:port) that may connect; programs send no origin and always may."""
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        _within("port", self.port, 0, 65_535)
        _within("max_connections", self.max_connections, 1, 100_000)
        _within("max_streams", self.max_streams, 1, 10_000)
        _within("max_message_bytes", self.max_message_bytes, 1_024, 64 * 1024 * 1024)
        _within("text_wait_s", self.text_wait_s, 0, 3_600)
        _within("send_stall_s", self.send_stall_s, 0.01, 3_600)


def load_serve_config(path: Path) -> ServeConfig:
    """Reads a TOML file; what it leaves out keeps its default.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has a key or value that is not valid.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    _refuse_unknown(path, values, ServeConfig)
    if isinstance(limits := values.get("limits"), dict):
        _refuse_unknown(path, limits, Limits)
    try:
        return msgspec.convert(values, ServeConfig)
    except ValueError as error:  # msgspec's ValidationError is a ValueError
        raise ConfigError(f"{path}: {error}") from error


def _refuse_unknown(path: Path, values: dict[str, Any], settings: type[ServeConfig] | type[Limits]) -> None:
    known = [f.name for f in fields(settings)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{path}: unknown key {unknown[0]!r}; valid keys: {', '.join(known)}")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}, not within {low} and {high}")

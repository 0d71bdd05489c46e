"""Speech for a chatbot while it is still thinking: text streams in, speech streams out.

Importing this imports neither torch nor NumPy; they come with the first agent. It switches off the telemetry of
libraries that have some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from voiceagent.errors import (
    AudioDeviceError,
    ConfigError,
    ConnectionFailed,
    InputError,
    LanguageModelError,
    ModelError,
    NoCapacity,
    ProtocolError,
    RateLimited,
    SynthesisError,
    TextBufferFull,
    UnknownVoice,
    VoiceAgentError,
)
from voiceagent.telemetry import switch_off as _switch_telemetry_off
from voiceagent.version import __version__

_switch_telemetry_off()

if TYPE_CHECKING:
    from voiceagent.agent import AgentSession, Clip, Frame, VoiceAgent

__all__ = [
    "AgentSession",
    "AudioDeviceError",
    "Clip",
    "ConfigError",
    "ConnectionFailed",
    "Frame",
    "InputError",
    "LanguageModelError",
    "ModelError",
    "NoCapacity",
    "ProtocolError",
    "RateLimited",
    "SynthesisError",
    "TextBufferFull",
    "UnknownVoice",
    "VoiceAgent",
    "VoiceAgentError",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name in __all__:
        from voiceagent import agent

        return getattr(agent, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

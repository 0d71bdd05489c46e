"""The public surface is a list: who changes it changes this file too."""

from __future__ import annotations

import subprocess
import sys

import voiceagent

PUBLIC = [
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


def test_the_public_surface() -> None:
    assert list(voiceagent.__all__) == PUBLIC


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    for name in PUBLIC:
        value = getattr(voiceagent, name)
        assert isinstance(value, str) if name == "__version__" else value.__doc__


def test_every_error_that_is_raised_on_purpose_is_public() -> None:
    from voiceagent import errors

    ours = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.VoiceAgentError) and value.__module__ == errors.__name__
    }
    assert ours - set(PUBLIC) == set()


def test_looking_at_the_surface_loads_no_torch() -> None:
    program = "import sys, voiceagent; voiceagent.VoiceAgent; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"

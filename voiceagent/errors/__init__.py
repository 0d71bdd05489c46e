"""Everything that this component raises on purpose.

    VoiceAgentError
    ├── ConfigError          a setting is unknown or out of range
    ├── InputError           a file, text or argument that the user named cannot be used
    ├── ModelError           weights are missing, cut short or not ours
    │   └── UnknownVoice     no voice of that name is here
    ├── ConnectionFailed     the server is not there, turned us away, or went away
    ├── LanguageModelError   who writes the text did not, or not to its end
    ├── NoCapacity           every stream is taken; later it may work
    │   ├── TextBufferFull   so much text waits that more was not taken
    │   └── RateLimited      a key has said as much as it may for now
    ├── ProtocolError        a message of the peer that cannot be obeyed
    ├── SynthesisError       the engine failed in the middle of an utterance
    └── AudioDeviceError     no sound card that could play or record

Every message says what is wrong and, where there is one, the way to mend it. Causes are chained.
"""

from __future__ import annotations

from collections.abc import Iterable


class VoiceAgentError(Exception):
    """Base of the tree: catch this one to catch all."""

    code = "internal"
    """Short name of the error on the wire."""
    retryable = False
    """True where the same request may work later."""


class ConfigError(VoiceAgentError):
    """A setting is unknown or out of range; the message names the valid ones."""

    code = "bad_config"


class InputError(VoiceAgentError):
    """A file, text or argument that the user named cannot be used."""

    code = "bad_input"


class ModelError(VoiceAgentError):
    """Weights are missing, cut short or not in a format that we read."""

    code = "model_unavailable"


class UnknownVoice(ModelError):
    """No voice of that name is here."""

    code = "unknown_voice"

    def __init__(self, voice: str, known: Iterable[str] = ()) -> None:
        self.voice = voice
        self.known = tuple(known)
        here = ", ".join(self.known) or "none"
        super().__init__(f"unknown voice {voice!r}; voices here: {here}")


class LanguageModelError(VoiceAgentError):
    """Who writes the text cannot be reached, refused, or broke off; what came before is good."""

    code = "language_model_failed"
    retryable = True


class NoCapacity(VoiceAgentError):
    """Every stream is taken; the request may work later."""

    code = "no_capacity"
    retryable = True


class TextBufferFull(NoCapacity):
    """So much text waits to be spoken that more was not taken."""

    code = "text_buffer_full"

    @classmethod
    def of(cls, limit: int, chars: int) -> TextBufferFull:
        """The error for so many characters where `limit` may wait."""
        return cls(f"more than {limit} characters wait to be spoken; these {chars} were not taken")


class RateLimited(NoCapacity):
    """A key has been used as much as it may be for now; the message says when there is more."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """When the same request will be taken; None where it never will, because it is too much at once."""
        self.retryable = retry_after_s is not None


class ConnectionFailed(VoiceAgentError):
    """The server is not there, turned us away, or went away and what was under way could not be resumed."""

    code = "connection_failed"
    retryable = True


class ProtocolError(VoiceAgentError):
    """A message of the peer that cannot be obeyed; the connection stays."""

    code = "bad_message"

    def __init__(self, message: str, *, utterance: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.utterance = utterance
        """The utterance it is about, if the message named one."""
        if code is not None:
            self.code = code


class SynthesisError(VoiceAgentError):
    """The engine failed in the middle of an utterance; what was delivered before is good."""

    code = "synthesis_failed"
    retryable = True


class AudioDeviceError(VoiceAgentError):
    """No sound card that could play or record, or no PortAudio to reach it."""

    code = "no_audio_device"


def first_of(error: BaseException) -> BaseException:
    """The error itself, or the first of those that a task group has wrapped."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

"""An error event becomes the exception of its code."""

from __future__ import annotations

import pytest

from voiceagent.errors import InputError, NoCapacity, ProtocolError, SynthesisError, TextBufferFull, VoiceAgentError
from voiceagent.protocol import events
from voiceagent.protocol.writing import exception_of


@pytest.mark.parametrize("kind", [InputError, NoCapacity, SynthesisError, TextBufferFull])
def test_codes_are_exceptions(kind: type[VoiceAgentError]) -> None:
    error = exception_of(events.Error("u1", kind.code, "it did not work", retryable=kind.retryable), "heart")
    assert type(error) is kind
    assert str(error) == "it did not work"


def test_who_waits_for_capacity_waits_for_room_too() -> None:
    assert issubclass(TextBufferFull, NoCapacity)
    assert str(TextBufferFull.of(100, 7)) == "more than 100 characters wait to be spoken; these 7 were not taken"


def test_an_unknown_code_is_the_protocols() -> None:
    error = exception_of(events.Error("u1", "odd", "what", retryable=False), "heart")
    assert isinstance(error, ProtocolError)
    assert error.code == "odd"

"""The client's half of the encoding: what a server says is read back as it was meant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voiceagent.audio.formats import AudioFormat
from voiceagent.errors import ProtocolError
from voiceagent.protocol import events, outputs, wire

EVENTS: list[events.Event] = [
    events.Ready("s", {"max_text_buffer": 20_000, "max_open": 5}, ("heart", "joe")),
    events.Started("u", 3, AudioFormat("pcm_f32le", 16_000)),
    events.Words("u", (outputs.WordTime("Hello", 0.0, 0.31, 0, 5), outputs.WordTime("you", 0.31, 0.5, 6, 9))),
    events.Flushed("u", -1),
    events.Done("u", 4_120, 61, None, 51),
    events.Cancelled("u", 2_300, 1_240, "a", "b\ud800"),
    events.Warning_(None, "notice", "skipped"),
    events.Error("u", "no_capacity", "later", retryable=True),
    events.Pong(1.5),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_events_survive_the_wire(event: events.Event) -> None:
    assert wire.decode_event(wire.encode_event(event)) == event


def test_what_a_newer_server_says_is_read_past() -> None:
    assert wire.decode_event('{"type": "mood", "id": "u"}') is None
    assert wire.decode_event('{"type": "pong", "t": 1, "more": []}') == events.Pong(1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.fixed_dictionaries(
    {"type": st.sampled_from([event.type for event in EVENTS])},
    optional=dict.fromkeys(("id", "session", "limits", "words", "format", "stream", "seq", "code", "message"), JSON),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON | FIELDS)
def test_no_message_does_more_than_a_protocol_error(value: Any) -> None:
    try:
        wire.decode_event(json.dumps(value))
    except ProtocolError:
        return

"""Whatever comes from outside is read, or refused by an error that is meant for it: any bytes, any JSON."""

from __future__ import annotations

import contextlib
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from voiceagent.adapters.deepgram import messages as deepgram
from voiceagent.adapters.elevenlabs import messages as elevenlabs
from voiceagent.errors import InputError, ProtocolError
from voiceagent.protocol import wire

FIELDS = "type id text voice format speed seed played_ms session token have speech context_id flush voice_settings"
NAMES = st.sampled_from([*FIELDS.split(), "start", "cancel", "Speak", "xi_api_key"]) | st.text(max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=8,
)
MESSAGES = st.dictionaries(NAMES, VALUES, max_size=6).map(json.dumps) | VALUES.map(json.dumps) | st.text(max_size=60)


@settings(deadline=None, max_examples=300)
@given(MESSAGES)
def test_any_text_is_a_message_or_refused(text: str) -> None:
    received = {"type": "websocket.receive", "text": text}
    with contextlib.suppress(ProtocolError):
        wire.decode_command(text)
    with contextlib.suppress(ProtocolError):
        wire.decode_event(text)
    with contextlib.suppress(deepgram.DeepgramRefusal):
        deepgram.decode_message(received)
    with contextlib.suppress(elevenlabs.ElevenLabsRefusal):
        elevenlabs.decode_message(received)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(sent: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        wire.decode_audio(sent)
    with contextlib.suppress(ProtocolError, InputError):
        wire.json_object(sent)
    with contextlib.suppress(deepgram.DeepgramRefusal):
        deepgram.decode_message({"type": "websocket.receive", "bytes": sent})
    with contextlib.suppress(elevenlabs.ElevenLabsRefusal):
        elevenlabs.decode_message({"type": "websocket.receive", "bytes": sent})

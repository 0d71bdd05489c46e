from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voiceagent.audio.encoders import StreamEncoder
from voiceagent.audio.formats import SAMPLE_RATE_HZ, SAMPLE_RATES_HZ, AudioFormat
from voiceagent.audio.pcm import to_f32le, to_s16le
from voiceagent.errors import ProtocolError
from voiceagent.protocol import commands, events, outputs, wire

COMMANDS: list[commands.Command] = [
    commands.Start("u", voice="joe", speed=1.5, seed=3, steps=4, format=AudioFormat("pcm_f32le", 16_000)),
    commands.Text("u", "Hel\ud83d"),
    commands.Flush("u"),
    commands.End("u"),
    commands.Cancel("u", 1240),
    commands.Cancel(),
    commands.Played("u", 800),
    commands.Ping(1),
    commands.Close(),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.type)
def test_commands_survive_the_wire(command: commands.Command) -> None:
    assert wire.decode_command(wire.encode_command(command)) == command


def test_words_are_short_on_the_wire() -> None:
    word = outputs.WordTime("Hello", 0.0, 0.3104, 0, 5)
    message = json.loads(wire.encode_event(events.Words("u1", (word,))))
    assert message == {"type": "words", "id": "u1", "words": [{"t": "Hello", "s": 0, "e": 310, "c0": 0, "c1": 5}]}


def test_events_have_the_names_of_the_protocol() -> None:
    cancelled = json.loads(wire.encode_event(events.Cancelled("u1", 2300, 1240, "a", "b\ud800")))
    assert cancelled == {
        "type": "cancelled",
        "id": "u1",
        "sent_ms": 2300,
        "played_ms": 1240,
        "text_spoken": "a",
        "text_remaining": "b\ud800",
    }
    error = json.loads(wire.encode_event(events.Error(None, "bad_message", "no")))
    assert error == {
        "type": "error",
        "id": None,
        "code": "bad_message",
        "message": "no",
        "retryable": False,
        "fatal": False,
    }
    assert json.loads(wire.encode_event(events.Warning_("u", "notice", "skipped")))["type"] == "warning"


def test_the_audio_header_has_16_bytes_little_endian() -> None:
    frame = events.Audio("u", 258, 3, 0, np.zeros(1, np.float32), last=True)
    message = wire.encode_audio(frame, b"\x01\x02", 2**40)
    assert message.hex() == "01010201" + "03000000" + "0000000000010000" + "0102"
    assert wire.decode_audio(message) == ((wire.FLAG_LAST, 258, 3, 2**40), b"\x01\x02")
    with pytest.raises(ProtocolError):
        wire.decode_audio(message[:15])
    with pytest.raises(ProtocolError):
        wire.decode_audio(b"\x02" + message[1:])
    with pytest.raises(TypeError):
        wire.encode_event(frame)


FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.fixed_dictionaries(
    {"type": st.sampled_from(["start", "text", "flush", "end", "cancel", "played", "ping", "close", "sing"])},
    optional=dict.fromkeys(("id", "text", "format", "speed", "seed", "steps", "ms", "t", "played_ms", "voice"), JSON),
)


@FUZZ
@given(JSON | FIELDS)
def test_no_json_does_more_than_a_protocol_error(value: Any) -> None:
    try:
        wire.decode_command(json.dumps(value))
    except ProtocolError:
        return


@FUZZ
@given(st.binary(max_size=40) | st.text(max_size=40))
def test_no_bytes_do_more_than_a_protocol_error(message: bytes | str) -> None:
    try:
        wire.decode_command(message)
    except ProtocolError:
        return


def test_samples_beyond_full_scale_or_not_a_number_are_tamed() -> None:
    samples = np.array([0, 1, -1, 2, -2, np.nan, np.inf, -np.inf], np.float32)
    full = 32767
    assert np.frombuffer(to_s16le(samples), "<i2").tolist() == [0, full, -full, full, -full, 0, full, -full]
    assert np.isfinite(np.frombuffer(to_f32le(samples), "<f4")).all()


@pytest.mark.parametrize("rate", [r for r in SAMPLE_RATES_HZ if r != SAMPLE_RATE_HZ])
def test_frame_by_frame_equals_the_whole(rate: int) -> None:
    import soxr

    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 24_000).astype(np.float32)
    encoder = StreamEncoder(AudioFormat("pcm_f32le", rate))
    framed = b"".join(encoder.encode(noise[i : i + 1920]) for i in range(0, 24_000, 1920))
    framed += encoder.encode(noise[:0], last=True)
    whole = soxr.resample(noise, 24_000, rate)
    samples = np.frombuffer(framed, "<f4")
    assert len(samples) == encoder.samples_out
    assert abs(len(samples) - len(whole)) <= 1
    n = min(len(samples), len(whole))
    assert np.max(np.abs(samples[:n] - whole[:n])) < 1e-5

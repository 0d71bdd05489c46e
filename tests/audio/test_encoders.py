"""Every format decodes back to what was said: FFmpeg, through PyAV, is the judge."""

from __future__ import annotations

import gc
import io
import re
import wave
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voiceagent.audio import encoders, pcm
from voiceagent.audio.encoders import StreamEncoder, available_encodings, media_type
from voiceagent.audio.formats import COMPRESSED, ENCODINGS, OPUS_RATES_HZ, SAMPLE_RATES_HZ, AudioFormat
from voiceagent.errors import InputError
from voiceagent.errors.extras import install_hint

RAW = {"pcm_s16le": "s16le", "pcm_f32le": "f32le", "mulaw": "mulaw", "alaw": "alaw"}
EVERY_FORMAT = [
    AudioFormat(encoding, rate)
    for encoding in ENCODINGS
    for rate in (OPUS_RATES_HZ if encoding == "opus" else SAMPLE_RATES_HZ)
]
Signal = NDArray[np.float32]


def voice_like(seconds: float = 1.5) -> Signal:
    """A gliding harmonic tone that swells: nothing in it repeats, so a shift or a gap shows in a correlation."""
    t = np.arange(round(seconds * 24_000)) / 24_000
    phase = 2 * np.pi * (120 * t + 40 * t**2)
    tone = sum(np.sin(k * phase) / k for k in range(1, 12))
    return (0.15 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))).astype(np.float32)


def framed(encoder: StreamEncoder, samples: Signal, frame: int = 1920) -> list[bytes]:
    """Payloads of 80 ms frames and of the empty last one."""
    payloads = [encoder.encode(samples[i : i + frame]) for i in range(0, len(samples), frame)]
    return [*payloads, encoder.encode(samples[:0], last=True)]


def decoded(audio_format: AudioFormat, data: bytes) -> tuple[Signal, int]:
    """What FFmpeg hears in the bytes, as floats, and at which rate."""
    raw = RAW.get(audio_format.encoding)
    options = {"sample_rate": str(audio_format.sample_rate)} if raw else {}
    parts = []
    with av.open(io.BytesIO(data), "r", format=raw, options=options) as container:
        for frame in container.decode(audio=0):
            rate = frame.sample_rate
            plane = frame.to_ndarray().reshape(-1)
            parts.append(plane.astype(np.float32) / (32768 if plane.dtype == np.int16 else 1))
    return np.concatenate(parts), rate


@pytest.mark.parametrize("audio_format", EVERY_FORMAT, ids=lambda f: f"{f.encoding}-{f.sample_rate}")
def test_every_format_decodes_to_what_was_said(audio_format: AudioFormat) -> None:
    import soxr

    said = voice_like()
    heard, rate = decoded(audio_format, b"".join(framed(StreamEncoder(audio_format), said)))
    # Codecs put their own delay before the speech and fill up their last block.
    most_added_s = 0.3 if audio_format.encoding in ("mp3", "aac") else 0.002
    assert len(said) / 24_000 - 0.002 <= len(heard) / rate <= len(said) / 24_000 + most_added_s
    said, heard = (soxr.resample(signal, hz, 8_000) for signal, hz in ((said, 24_000), (heard, rate)))
    product = np.correlate(heard, said, mode="full")
    norm = np.linalg.norm(heard) * np.linalg.norm(said)
    assert product.max() / norm > 0.97
    delay_s = (int(product.argmax()) - len(said) + 1) / 8_000
    assert -0.001 <= delay_s <= most_added_s


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_bytes_leave_while_the_speech_goes_on(encoding: str) -> None:
    payloads = framed(StreamEncoder(AudioFormat(encoding)), voice_like(4.0))
    sizes = [len(payload) for payload in payloads]
    silent_frames = max(len(run) for run in "".join("x" if size else "." for size in sizes[:-1]).split("x"))
    assert silent_frames <= 2, sizes
    assert sum(sizes[:25]) >= 0.35 * sum(sizes), "half of the speech has gone in, and much of the bytes are out"


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("frame", [1, 333, 4800])
def test_how_the_speech_is_cut_changes_nothing_that_is_heard(encoding: str, frame: int) -> None:
    said = voice_like(0.1 if frame == 1 else 0.5)
    audio_format = AudioFormat(encoding, 16_000)
    whole, _ = decoded(audio_format, b"".join(framed(StreamEncoder(audio_format), said, len(said))))
    cut, _ = decoded(audio_format, b"".join(framed(StreamEncoder(audio_format), said, frame)))
    assert len(whole) == len(cut)
    assert np.max(np.abs(whole - cut)) < 1e-3


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_stream_of_nothing_ends_well_and_one_may_be_left(encoding: str) -> None:
    nothing = np.zeros(0, np.float32)
    assert isinstance(StreamEncoder(AudioFormat(encoding)).encode(nothing, last=True), bytes)
    left = StreamEncoder(AudioFormat(encoding))
    left.encode(voice_like(0.3))
    del left
    gc.collect()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_no_sound_does_not_reach_the_codec(encoding: str) -> None:
    bad = np.array([np.nan, np.inf, -np.inf, 9.0, -9.0] * 1000, np.float32)
    audio_format = AudioFormat(encoding, 16_000 if encoding in COMPRESSED else 24_000)
    heard, _ = decoded(audio_format, b"".join(framed(StreamEncoder(audio_format), bad)))
    assert np.isfinite(heard).all()


@pytest.mark.parametrize(
    ("encoding", "bit_rate"),
    [("mp3", 8_000), ("mp3", 320_000), ("opus", 6_000), ("opus", 256_000), ("aac", 8_000), ("aac", 256_000)],
)
@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
def test_every_bit_rate_that_is_taken_works(encoding: str, bit_rate: int, rate: int) -> None:
    audio_format = AudioFormat(encoding, rate, bit_rate)
    heard, heard_rate = decoded(audio_format, b"".join(framed(StreamEncoder(audio_format), voice_like(0.5))))
    assert len(heard) / heard_rate == pytest.approx(0.5, abs=0.3)


def test_more_bits_are_more_bytes() -> None:
    def size(bit_rate: int) -> int:
        return len(b"".join(framed(StreamEncoder(AudioFormat("mp3", 24_000, bit_rate)), voice_like())))

    assert size(32_000) * 3 < size(128_000)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"encoding": "speex"}, "pcm_s16le, pcm_f32le, mulaw, alaw, wav, mp3, opus, aac, flac"),
        ({"sample_rate": 12_345}, "8000, 11025"),
        ({"encoding": "opus", "sample_rate": 44_100}, "8000, 16000, 24000, 48000"),
        ({"encoding": "mp3", "bit_rate": 1}, "8000 and 320000"),
        ({"encoding": "flac", "bit_rate": 64_000}, "mp3, opus, aac"),
    ],
)
def test_a_format_that_is_none_is_refused_with_what_there_is(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        AudioFormat(**wrong)


def test_without_pyav_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "find_spec", lambda name: None)
    assert available_encodings() == ("pcm_s16le", "pcm_f32le", "mulaw", "alaw", "wav")
    with pytest.raises(InputError, match=re.escape(install_hint("files"))):
        StreamEncoder(AudioFormat("mp3"))
    assert StreamEncoder(AudioFormat("wav")).encode(np.zeros(1, np.float32))


def test_every_encoding_has_a_media_type() -> None:
    assert all(media_type(AudioFormat(encoding)).startswith("audio/") for encoding in ENCODINGS)


def test_a_wav_stream_is_read_by_the_standard_library() -> None:
    said = voice_like(0.2)
    data = b"".join(framed(StreamEncoder(AudioFormat("wav", 24_000)), said))
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        assert file.readframes(len(said) + 10) == pcm.to_s16le(said)


LAWS = {"mulaw": (pcm.mulaw_values, pcm.to_mulaw), "alaw": (pcm.alaw_values, pcm.to_alaw)}


@pytest.mark.parametrize("law", LAWS)
def test_g711_codes_stand_for_what_ffmpeg_says(law: str) -> None:
    heard, _ = decoded(AudioFormat(law, 8_000), bytes(range(256)))
    assert np.array_equal(np.rint(heard * 32768).astype(np.int16), LAWS[law][0]())


@pytest.mark.parametrize("law", LAWS)
@settings(max_examples=200, deadline=None)
@given(values=st.lists(st.integers(-32767, 32767), min_size=1, max_size=50))
def test_g711_takes_the_nearest_code(law: str, values: list[int]) -> None:
    meaning, to_bytes = LAWS[law]
    codes = np.frombuffer(to_bytes(np.array(values, np.float32) / np.float32(32767)), np.uint8)
    error = np.abs(meaning()[codes].astype(int) - values)
    least = np.abs(meaning().astype(int)[:, np.newaxis] - values).min(axis=0)
    assert error.tolist() == least.tolist()

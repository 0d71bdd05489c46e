"""The measuring sticks, held against sounds whose length, loudness and breaks are known."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("psutil")

import codec
import latency
import quality
import underruns
from instruments import listening
from instruments.machine import DATA
from instruments.pretend_llm import speak_slowly, tokens_of
from instruments.serving import Connection
from judging import evaluation
from judging.evaluation import read_sentences
from support.fakes import FakeChunker, FakeEngine
from support.loopback import serving

from voiceagent import agent
from voiceagent.model.codec.codec import Codec
from voiceagent.model.config import CodecConfig
from voiceagent.protocol.outputs import WordTime

RATE_HZ = 24_000


def tone(seconds: float, hz: float = 220.0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


def test_silence_is_never_audible() -> None:
    assert listening.first_audible_s(np.zeros(2400, np.float32)) is None
    assert listening.first_audible_s(np.zeros(0, np.float32)) is None


def test_leading_silence_counts() -> None:
    samples = np.concatenate([np.zeros(RATE_HZ // 2, np.float32), tone(0.2)])
    assert listening.first_audible_s(samples) == pytest.approx(0.5, abs=0.001)


def test_a_click_is_no_sound() -> None:
    samples = np.zeros(RATE_HZ, np.float32)
    samples[100] = 0.02
    samples[RATE_HZ // 2 :] = tone(0.5)
    assert listening.first_audible_s(samples) == pytest.approx(0.5, abs=0.001)


def test_sound_comes_when_a_player_gets_to_it() -> None:
    silence, speech = np.zeros(2400, np.float32), tone(0.1)
    early = [listening.Arrival(5.0, silence), listening.Arrival(5.05, speech)]
    late = [listening.Arrival(5.0, silence), listening.Arrival(5.4, speech)]
    assert listening.first_sound_at(early) == pytest.approx(5.1, abs=0.001)
    assert listening.first_sound_at(late) == pytest.approx(5.4, abs=0.001)
    assert listening.first_sound_at([listening.Arrival(5.0, silence)]) is None
    assert listening.first_sound_at([]) is None


def test_tokens_join_to_the_text() -> None:
    for text in ("Hello, Dr. Alvarez! It costs $29.50.", "naïveté_x  \n\n ok", "", " 👍 12345 extraordinarily"):
        assert "".join(tokens_of(text)) == text


async def test_a_pretend_model_keeps_its_rate() -> None:
    begin_s = asyncio.get_running_loop().time()
    tokens = [token async for token in speak_slowly("one two three", 100)]
    assert tokens == ["one", " two", " three"]
    assert 0.019 <= asyncio.get_running_loop().time() - begin_s < 1


def test_a_smooth_join_is_no_seam() -> None:
    seams = listening.find_seams(tone(2.0), [4800 * i for i in range(1, 10)])
    assert (seams.joins, seams.peaks) == (9, 0)


def test_a_jump_is_a_seam_and_only_where_it_is() -> None:
    samples = np.concatenate([tone(0.5), tone(0.503) + 0.1, tone(0.5)]).astype(np.float32)
    first, second = RATE_HZ // 2, RATE_HZ // 2 + round(0.503 * RATE_HZ)
    seams = listening.find_seams(samples, [first, second, 6000])
    assert (seams.joins, seams.peaks) == (3, 2)
    assert seams.expected < 0.1


def test_joins_at_the_edges_are_left_out() -> None:
    assert listening.find_seams(tone(0.1), [0, 1, 2399]).joins == 0


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    words = (WordTime("hello", 0.1, 0.4, 0, 5),)
    listening.draw(tmp_path / "a" / "b.png", "hello", [("ours", tone(0.5), words), ("teacher", tone(0.01), ())])
    assert (tmp_path / "a" / "b.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A fake voice and judges that need no model."""
    for module in (agent, quality):
        monkeypatch.setattr(module, "load_engine", lambda *_, **__: FakeEngine(threaded=True))
    defaults = {**(agent.VoiceAgent.__init__.__kwdefaults__ or {}), "make_chunker": FakeChunker}
    monkeypatch.setattr(agent.VoiceAgent.__init__, "__kwdefaults__", defaults)
    monkeypatch.setattr(evaluation, "Transcriber", lambda **_: lambda *_: "hello")
    monkeypatch.setattr(evaluation, "naturalness", lambda *_, **__: evaluation.Naturalness(4.0, 3.5, 4.1, 3.2))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.usefixtures("no_weights")
def test_quality_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "picture.png"
    quality.main(["--limit", "2", "--peer", "none", "--rate", "0", "--picture", str(picture)])
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(last["sets"]) == {"librispeech_like", "conversation"}
    assert set(last["sets"]["conversation"]) == {"ours, whole text", "ours, 0 tokens/s"}
    assert last["sets"]["conversation"]["ours, whole text"]["sentences"] == 2
    assert last["machine"]["cores"] >= 1
    assert picture.exists()


@pytest.mark.usefixtures("no_weights")
async def test_latency_in_process() -> None:
    options = argparse.Namespace(voice="heart", rate=0.0, weights=None)
    figures = await latency.measure_in_process(["One two three. Four.", "Five."], options)
    assert figures["first_token_to_sound_ms"]["count"] == 2
    assert 0 < figures["whole_sentence_to_sound_ms"]["p50"] < 5000
    assert figures["real_time_factor"] < 1


async def test_latency_over_websocket() -> None:
    with serving(FakeEngine()) as address:
        async with Connection(address, "heart") as connection:
            seconds = [await connection.sound_of("One two. Three.", rate) for rate in (None, 200.0)]
    assert all(second is not None and 0 < second < 5 for second in seconds)
    assert latency.percentiles_ms([*seconds, None])["silent"] == 1


async def test_a_gap_in_the_middle_of_a_turn_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(underruns, "TURN_CHARS", 200)
    tally = underruns.Tally()
    with serving(FakeEngine(word_s=0.02, latency_s=0.03, threaded=True)) as address:
        async with Connection(address, "heart") as connection:
            await underruns.converse(connection, tally, 0.0, time.perf_counter() + 0.2, skip=0)
    assert tally.turns == 1
    assert tally.audio_seconds > 0.5
    assert tally.underruns > 0
    assert tally.starved_seconds > 0.1


def test_turns_are_long_and_differ_from_client_to_client() -> None:
    first, second = (list(islice(underruns.turns(skip), 60)) for skip in (0, 7))
    assert all(len(text) >= underruns.TURN_CHARS for text in first)
    assert first[0] != second[0]


def test_what_goes_through_a_codec_is_measured() -> None:
    sizes = {"encoder_frame_width": 16, "encoder_width": 16, "token_width": 16, "frame_width": 16}
    small = Codec(CodecConfig(**sizes)).eval()  # type: ignore[arg-type]
    clips = [("a", "one", tone(0.5)), ("b", "two", tone(0.31))]
    out, digits, factor = codec.through_codec(small, "joe", clips)
    assert [len(samples) for _, _, samples in out] == [12_000, 7_440]
    assert [len(clip) for clip in digits] == [13, 8]
    assert factor > 0
    assert codec.streaming_difference(small, "joe", digits[0]) < 1e-3


def test_use_of_the_codebook() -> None:
    use = codec.codebook_use([torch.tensor([[0, 1], [1, 1]]), torch.tensor([[0, 1], [1, 1]])], (2, 3))
    assert (use["tokens"], use["codes"], use["codes_used"], use["token_entropy_bits"]) == (4, 6, 2, 1.0)
    assert use["digit_levels_used"] == [2, 1]
    assert use["digit_entropy_bits"] == [1.0, 0.0]


@pytest.mark.parametrize("name", ["librispeech_like", "conversation"])
def test_the_sets_are_whole(name: str) -> None:
    rows = read_sentences(DATA / f"{name}.tsv")
    assert len(rows) == 100
    assert len({key for key, _ in rows}) == len({text for _, text in rows}) == 100


def test_read_speech_has_no_digits_and_the_length_of_its_model() -> None:
    texts = [text for _, text in read_sentences(DATA / "librispeech_like.tsv")]
    assert not any(character.isdigit() for text in texts for character in text)
    assert all(8 <= len(text.split()) <= 35 for text in texts)

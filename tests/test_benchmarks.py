"""The measuring sticks, held against sounds whose length, loudness and breaks are known."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("psutil")

import listening
from machine import DATA
from pretend_llm import speak_slowly, tokens_of

from voiceagent.events import WordTime
from voiceagent.training.evaluation import read_sentences

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


@pytest.mark.parametrize("name", ["librispeech_like", "conversation"])
def test_the_sets_are_whole(name: str) -> None:
    rows = read_sentences(DATA / f"{name}.tsv")
    assert len(rows) == 100
    assert len({key for key, _ in rows}) == len({text for _, text in rows}) == 100


def test_read_speech_has_no_digits_and_the_length_of_its_model() -> None:
    texts = [text for _, text in read_sentences(DATA / "librispeech_like.tsv")]
    assert not any(character.isdigit() for text in texts for character in text)
    assert all(8 <= len(text.split()) <= 35 for text in texts)

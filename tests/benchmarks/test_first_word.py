"""What the benchmark of first words counts, on clips and transcripts that are made up."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("whisper_normalizer")
pytest.importorskip("rapidfuzz")

from instruments.silence import pauses_of
from judging.hearing import Hearing
from judging.wer import first_word_errors, paired

from voiceagent.training.sentences import split_of

RATE_HZ = 24_000


@pytest.mark.parametrize(
    ("heard", "first", "everything"),
    [
        ("where the road ends", 0, 0),
        ("with a road ends", 2, 2),
        ("oh where the road ends", 1, 1),
        ("road ends", 2, 2),
        ("where the rude ends", 0, 1),
        ("", 2, 4),
    ],
)
def test_errors_in_the_first_words_are_told_apart(heard: str, first: int, everything: int) -> None:
    errors = first_word_errors("Where the road ends.", heard, 2)
    assert (errors.first, errors.all, errors.words) == (first, everything, 4)


def test_a_difference_is_paired_by_sentence() -> None:
    assert paired([1, 2, 0], [1, 2, 0], [4, 4, 4]) == (25.0, 0.0, 0.0)
    rate, excess, error = paired([2, 0, 1, 0], [1, 0, 0, 0], [10, 10, 10, 10])
    assert (rate, excess) == (7.5, 5.0)
    assert 0 < error < 5
    assert paired([], [], []) == (0.0, 0.0, 0.0)


def tone(seconds: float) -> np.ndarray:
    return np.asarray(np.sin(np.arange(round(seconds * RATE_HZ)) * 0.1), np.float32)


@given(st.lists(st.integers(15, 60), max_size=5), st.integers(0, 50), st.integers(0, 50))
def test_pauses_are_the_silence_inside(pauses: list[int], lead: int, tail: int) -> None:
    def silence(frames: int) -> np.ndarray:
        return np.zeros(frames * RATE_HZ // 100, np.float32)

    parts = [silence(lead), tone(0.4)]
    for frames in pauses:
        parts += [silence(frames), tone(0.4)]
    found = pauses_of(np.concatenate([*parts, silence(tail)]), RATE_HZ)
    assert found.count == len(pauses)
    assert found.seconds == pytest.approx(sum(pauses) / 100, abs=0.01 * len(pauses) + 1e-9)


@pytest.mark.parametrize("samples", [0, 100, 24_000])
def test_silence_has_no_pauses(samples: int) -> None:
    assert pauses_of(np.zeros(samples, np.float32), RATE_HZ).count == 0


def test_sentences_are_those_that_training_holds_back(tmp_path: Path) -> None:
    first_word = pytest.importorskip("first_word")
    lines = [f"this is a sentence with the name {chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(600)]
    with gzip.open(tmp_path / "some.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join([*lines, "one with 2 figures in it"]))
    texts = {split: [text for _, text in first_word.held_back(tmp_path, split, 50)] for split in ("dev", "test")}
    for split, found in texts.items():
        assert found
        assert all(split_of(text) == split for text in found)


def test_what_was_heard_is_kept(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper")
    cache = tmp_path / "heard.jsonl"
    hearing = Hearing("tiny.en", None, cache=cache)
    calls = []
    hearing._transcriber = lambda samples, rate: calls.append(rate) or "yes"  # type: ignore[assignment,func-returns-value]
    assert [hearing(tone(0.1), RATE_HZ), hearing(tone(0.1), RATE_HZ)] == ["yes", "yes"]
    assert calls == [RATE_HZ]
    assert json.loads(cache.read_text())["heard"] == "yes"
    cache.write_text(cache.read_text() + '{"key": "cut')
    assert Hearing("tiny.en", None, cache=cache)(tone(0.1), RATE_HZ) == "yes"
    with pytest.raises(ValueError, match="unknown recogniser"):
        Hearing.installed("huge")

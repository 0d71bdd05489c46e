"""Word times from attention: the best path through it never goes back."""

from __future__ import annotations

import numpy as np
import pytest

from voiceagent.model.symbols import encode
from voiceagent.training.prefix.attention_times import FloatArray, monotonic_path, onsets_s, word_times_s

TRUTH = np.repeat(np.arange(12), 2)  # two tokens a phoneme


@pytest.fixture
def attention() -> FloatArray:
    """A head that follows the text."""
    made = np.full((24, 12), 0.01)
    made[np.arange(24), TRUTH] = 0.9
    return made


def test_a_path_through_attention_never_goes_back(attention: FloatArray) -> None:
    assert (monotonic_path(attention) == TRUTH).all()
    attention[10] = 0.01
    attention[10, 0] = 0.9  # one look back
    path = monotonic_path(attention)
    assert (np.diff(path) >= 0).all()
    assert abs(path - TRUTH).max() <= 1


def test_a_phoneme_begins_where_the_path_reaches_it() -> None:
    assert onsets_s(TRUTH, 12).tolist() == pytest.approx([n * 0.08 for n in range(12)])


def test_words_begin_and_end_with_their_sounding_phonemes(attention: FloatArray) -> None:
    symbols, owners = encode("_æbæ bæb, .æ"), [-1, 0, 0, 0, -1, 1, 1, 1, 1, -1, 2, 2]
    times = word_times_s(attention, symbols, owners, 3)
    assert [pytest.approx(time) for time in times] == [(0.08, 0.32), (0.4, 0.64), (0.88, 0.96)]


def test_a_word_that_has_no_phonemes_is_a_point_in_time(attention: FloatArray) -> None:
    symbols, owners = encode("_æbæ bæb, .æ"), [-1, 0, 0, 0, -1, 2, 2, 2, 2, -1, -1, -1]
    assert [pytest.approx(time) for time in word_times_s(attention, symbols, owners, 4)] == [
        (0.08, 0.32),
        (0.32, 0.32),
        (0.4, 0.64),
        (0.64, 0.64),
    ]


@pytest.mark.parametrize("tokens", [0, 1, 2])
def test_too_little_speech_for_a_text_is_an_error(tokens: int) -> None:
    with pytest.raises(ValueError, match=f"12 phonemes do not fit into {tokens} tokens"):
        monotonic_path(np.full((tokens, 12), 0.1))

"""Stress, pitch and volume of a chunk, frame by frame."""

from __future__ import annotations

import numpy as np
import pytest

from voiceagent.engine.delivery import FRAMES_HZ, STRESS_DURATION, delayed, rows_of
from voiceagent.model.codec.delivery import DURATION, GAIN, PITCH
from voiceagent.options import SpeakOptions
from voiceagent.text.chunk import Delivery

WORDS_S = ((2.05, 2.25), (2.25, 2.65), (2.70, 3.00))
PLAIN, ITSELF = SpeakOptions("heart"), Delivery()


def test_nothing_asked_for_is_no_rows() -> None:
    assert rows_of(PLAIN, ITSELF, WORDS_S, (), 2.0, 120) is None
    assert rows_of(PLAIN, ITSELF, WORDS_S, (False, False, False), 2.0, 120) is None


def test_a_stressed_word_is_longer_higher_and_louder_and_its_neighbours_are_not() -> None:
    rows = rows_of(PLAIN, ITSELF, WORDS_S, (False, True, False), 2.0, 120)
    assert rows is not None
    inside = slice(25, 65)
    assert (rows[inside, DURATION] == STRESS_DURATION).all()
    assert np.median(rows[inside, PITCH]) > 1.1
    assert (rows[inside, GAIN] > 0).all()
    outside = np.delete(rows, np.s_[inside], axis=0)
    assert (outside == [1.0, 1.0, 0.0]).all()
    assert np.abs(np.diff(np.log2(rows[:, PITCH]))).max() < 1 / 12  # no step of a semitone: a smooth contour


def test_words_sound_later_by_what_came_before() -> None:
    rows = rows_of(PLAIN, ITSELF, WORDS_S, (False, True, False), 2.0, 120)
    assert rows is not None
    more_s = 0.4 * (STRESS_DURATION - 1)
    (first, second, third) = delayed(WORDS_S, rows, 2.0, 0.5)
    assert first == pytest.approx((2.55, 2.75))
    assert second == pytest.approx((2.75, 3.15 + more_s), abs=1 / FRAMES_HZ)
    assert third == pytest.approx((3.20 + more_s, 3.50 + more_s), abs=1 / FRAMES_HZ)


def test_utterance_and_text_add_up_within_bounds() -> None:
    rows = rows_of(SpeakOptions("heart", pitch=1.5, volume_db=6.0), Delivery(1.2, -2.0), (), (), 0.0, 8)
    assert rows is not None
    np.testing.assert_allclose(rows[:, PITCH], 1.8)
    np.testing.assert_allclose(rows[:, GAIN], 4.0 * np.log(10) / 20)
    most = rows_of(SpeakOptions("heart", pitch=2.0), Delivery(2.0), (), (), 0.0, 8)
    assert most is not None
    assert (most[:, PITCH] == 2.0).all()

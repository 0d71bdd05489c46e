"""What an utterance and its text ask for, frame by frame: a chunk's stress, pitch and volume as rows for the codec.

A stressed word is 1.3 times as long; its F0 rises by three semitones and falls back, and it is 1.5 dB louder. Its
neighbours keep their tokens, durations and F0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from voiceagent.model.codec.delivery import DURATION, GAIN, PITCH, Floats, plain_rows
from voiceagent.options import PITCH_MAX, PITCH_MIN, SpeakOptions
from voiceagent.text.chunk import Delivery

FRAMES_HZ = 100
STRESS_DURATION = 1.3
STRESS_PITCH = 2.0 ** (3 / 12)
STRESS_DB = 1.5
STRESS_SLOPE = 0.3  # of a word, at either end
NEPERS_A_DB = math.log(10) / 20

Times = Sequence[tuple[float, float]]


def rows_of(
    options: SpeakOptions, delivery: Delivery, words_s: Times, stressed: Sequence[bool], start_s: float, frames: int
) -> Floats | None:
    """Rows (frames, ROW) of a chunk, or None: nothing is changed.

    words_s: start and end of each word, of the same clock as `start_s`, where the chunk's first frame is.
    """
    pitch = min(max(options.pitch * delivery.pitch, PITCH_MIN), PITCH_MAX)
    gain = (options.volume_db + delivery.volume_db) * NEPERS_A_DB
    if pitch == 1.0 and gain == 0.0 and options.liveliness == 1.0 and not any(stressed):
        return None
    rows = plain_rows(frames)
    rows[:, PITCH], rows[:, GAIN] = pitch, gain
    for (begin_s, end_s), stress in zip(words_s, stressed, strict=False):
        first, last = (round((at - start_s) * FRAMES_HZ) for at in (begin_s, end_s))
        first, last = max(0, first), min(frames, last)
        if stress and first < last:
            swell = _swell(last - first)
            rows[first:last, DURATION] = STRESS_DURATION
            rows[first:last, PITCH] *= STRESS_PITCH**swell
            rows[first:last, GAIN] += STRESS_DB * NEPERS_A_DB * swell
    return rows


def _swell(frames: int) -> Floats:
    """From 0 to 1 and back (frames,), smoothly."""
    way = (np.arange(frames) + 0.5) / frames
    edge = np.minimum(np.minimum(way, 1.0 - way) / STRESS_SLOPE, 1.0)
    return 0.5 - 0.5 * np.cos(np.pi * edge)


def delayed(words_s: Times, rows: Floats, start_s: float, before_s: float) -> tuple[tuple[float, float], ...]:
    """When words sound once the frames before them have been stretched; those before the chunk by `before_s` in all."""
    grown_s = np.concatenate(([0.0], np.cumsum(rows[:, DURATION] - 1.0))) / FRAMES_HZ

    def heard(at_s: float) -> float:
        return at_s + before_s + float(np.interp((at_s - start_s) * FRAMES_HZ, np.arange(len(grown_s)), grown_s))

    return tuple((heard(begin_s), heard(end_s)) for begin_s, end_s in words_s)

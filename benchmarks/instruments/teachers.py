"""The voices that ours are compared with: the teacher of each, from its own package, text in and 24 kHz samples out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from voiceagent.agent import Clip
from voiceagent.protocol.outputs import WordTime
from voiceagent.training.teachers import BOUNDARY, SAMPLE_RATE_HZ, Heart, Joe, TaughtUtterance, Teacher

TEACHER_OF = {"heart": "hibari", "joe": "joe-us-piper"}


class TeacherVoice:
    """A teacher that reads whole texts, sentence by sentence, with hibari's front end."""

    def __init__(self, name: str) -> None:
        from hibari import Hibari

        self._phonemize = Hibari().phonemize
        self._voice: Teacher = Heart(seed=0) if name == "hibari" else Joe(seed=0)

    def __call__(self, text: str) -> Clip:
        """Speech of `text` with the times of its words, which are named by their phonemes."""
        samples, words, start_s = [np.zeros(0, np.float32)], list[WordTime](), 0.0
        for phonemes in self._phonemize(text):
            utterance = self._voice(phonemes)
            words += word_times(utterance, start_s)
            samples.append(utterance.samples.astype(np.float32))
            start_s += len(utterance.samples) / SAMPLE_RATE_HZ
        return Clip(np.concatenate(samples), tuple(words))


def word_times(utterance: TaughtUtterance, start_s: float) -> Iterator[WordTime]:
    """Words of a teacher's sentence that begins at `start_s`; spaces and the silence around it belong to none."""
    ends_s = start_s + np.cumsum(utterance.durations_s)
    word, begin_s, last_s = "", start_s, start_s
    for symbol, end_s in zip(utterance.phonemes, ends_s, strict=True):
        if symbol in (" ", BOUNDARY):
            if word:
                yield WordTime(word, begin_s, last_s, 0, 0)
            word, begin_s = "", float(end_s)
        else:
            word += symbol
        last_s = float(end_s)

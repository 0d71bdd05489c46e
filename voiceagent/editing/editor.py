"""Edit recordings: the words of a text, the models, and files, around `voiceagent.editing.edit`.

Imports torch; `VoiceAgent.edit` and the command import this module when they are called.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from voiceagent.audio.formats import SAMPLE_RATE_HZ
from voiceagent.audio.pcm import FULL_SCALE, to_int16
from voiceagent.editing import edit as editing
from voiceagent.editing.edit import Edited, Samples
from voiceagent.editing.transcript import Spoken
from voiceagent.errors import InputError
from voiceagent.model.weights import load, load_aligner, voice_vector
from voiceagent.text.chunker import Chunker
from voiceagent.text.phonemes.phonemizer import MisakiPhonemizer, Phonemizer

LONGEST_S = 120.0
RATES_HZ = range(8_000, 192_001)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A mono recording as it lies in its file."""

    pcm: np.ndarray  # (n,) int16 at 24 kHz
    resampled: bool = False

    @property
    def samples(self) -> Samples:
        """(n,) float32 in [-1, 1]."""
        return (self.pcm / FULL_SCALE).astype(np.float32)


class Editor:
    """Changes what recordings say.

    Args:
        weights: folder of voices; by default those that ship.
        phonemizer: turns text into phonemes.

    Raises:
        ModelError: the weights cannot be read.
    """

    def __init__(self, *, weights: Path | None = None, phonemizer: Phonemizer | None = None) -> None:
        torch.set_num_threads(1)
        self._voices = load(weights)
        self._aligner = load_aligner(weights)
        self._phonemize: Phonemizer = phonemizer or MisakiPhonemizer()

    def words(self, text: str) -> Spoken:
        """A text as its spoken words."""
        chunker = Chunker()
        said = [self._phonemize(chunk) for chunk in (*chunker.feed(text), *chunker.end())]
        words = [word for part in said for word in part.words]
        return Spoken(tuple(word.text for word in words), tuple(word.phonemes for word in words))

    def edit(self, samples: Samples, transcript: str, to: str, *, voice: str = "heart") -> Edited:
        """A recording (n,) at 24 kHz that says `transcript` -> the recording that says `to`.

        Raises:
            UnknownVoice: no voice of that name.
            InputError: the transcript does not fit, or the recording is no row of samples of 0.1 s to two minutes.
        """
        voice_vector(self._voices, voice)
        samples = _checked(samples)
        if not SAMPLE_RATE_HZ // 10 <= len(samples) <= LONGEST_S * SAMPLE_RATE_HZ:
            raise InputError(
                f"a recording of 0.1 to {LONGEST_S:g} s can be edited, not of {len(samples) / SAMPLE_RATE_HZ:.2f} s"
            )
        return editing.edit(self._voices, self._aligner, samples, self.words(transcript), self.words(to), voice=voice)


def _checked(samples: Samples) -> Samples:
    """The samples as the models want them."""
    samples = np.asarray(samples)
    if samples.ndim != 1 or samples.dtype.kind != "f" or not np.isfinite(samples).all():
        raise InputError(
            "a recording is a row of mono samples, floats in [-1, 1] at 24 kHz: "
            "average channels, divide 16-bit integers by 32767"
        )
    return samples.astype(np.float32, copy=False)


def read_recording(path: Path) -> Recording:
    """Read a WAV file, mono.

    Raises:
        InputError: it is not there, not a WAV file, not mono, or too long.
    """
    try:
        with path.open("rb") as file:
            return recording_of(file, str(path))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def recording_of(file: BinaryIO, name: str) -> Recording:
    """The recording in a WAV file that is open; errors call it `name`.

    Raises:
        InputError: it is not a WAV file, not mono, or too long.
    """
    try:
        with wave.open(file, "rb") as opened:
            channels, width, rate = opened.getnchannels(), opened.getsampwidth(), opened.getframerate()
            if channels == 1 and width == 2 and rate in RATES_HZ:
                data = opened.readframes(round(LONGEST_S * rate) + 1)
    except (wave.Error, EOFError) as error:
        raise InputError(
            f"{name} is not a PCM WAV file ({error}): convert it, e.g. ffmpeg -i IN -ac 1 -ar 24000 out.wav"
        ) from error
    if channels != 1 or width != 2:
        raise InputError(
            f"{name} has {channels} channels of {8 * width} bits: "
            "make it mono with 16, e.g. ffmpeg -i IN -ac 1 -ar 24000 out.wav"
        )
    if rate not in RATES_HZ:
        raise InputError(f"{name} has {rate} samples a second: resample it, e.g. ffmpeg -i IN -ac 1 -ar 24000 out.wav")
    pcm = np.frombuffer(data[: len(data) // 2 * 2], "<i2")
    if len(pcm) > LONGEST_S * rate:
        raise InputError(f"{name} is longer than {LONGEST_S:g} s: cut it, e.g. ffmpeg -i IN -t {LONGEST_S:g} out.wav")
    if rate == SAMPLE_RATE_HZ:
        return Recording(pcm)
    import soxr

    return Recording(soxr.resample(pcm, rate, SAMPLE_RATE_HZ), resampled=True)


def as_pcm(edited: Edited, original: Recording) -> np.ndarray:
    """The new recording as int16 (n,); what was kept has the very bits of the original."""
    pcm: np.ndarray = to_int16(edited.samples)
    for run in edited.kept:
        pcm[run.new : run.new + run.length] = original.pcm[run.old : run.old + run.length]
    return pcm

"""What somebody said, as text: PocketSphinx, whose model is in its package, or faster-whisper with a model of yours.

A recogniser is a function from samples to words; it may take a second, so call it on a thread, one turn at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from voiceagent.errors import InputError
from voiceagent.errors.extras import install_hint

if TYPE_CHECKING:
    from voiceagent.audio.formats import Samples

Recogniser: TypeAlias = "Callable[[Samples], str]"
"""(n,) float32 at 16 kHz to words; empty where there are none."""

DEFAULT = "pocketsphinx"
WHISPER = "whisper:"


def make_recogniser(name: str = DEFAULT) -> Recogniser:
    """Loads a recogniser.

    Args:
        name: `pocketsphinx`, or `whisper:` and a model: its name, or a folder with it.

    Raises:
        InputError: it is not installed, or there is none of that name.
    """
    if name == DEFAULT:
        return _pocketsphinx()
    if name.startswith(WHISPER) and name != WHISPER:
        return _whisper(name.removeprefix(WHISPER))
    raise InputError(f"no recogniser {name!r}: use {DEFAULT}, or {WHISPER}tiny.en, or {WHISPER}/path/to/model")


def _pocketsphinx() -> Recogniser:
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise InputError(f"speech recognition needs more: {install_hint('local')}") from error
    decoder = Decoder(loglevel="FATAL")

    def recognise(samples: Samples) -> str:
        pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
        if not pcm:
            return ""
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
        best = decoder.hyp()
        return str(best.hypstr) if best is not None else ""

    return recognise


def _whisper(model: str) -> Recogniser:
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise InputError(f"whisper needs more: {install_hint('whisper')}") from error
    try:
        whisper = WhisperModel(model, compute_type="int8", cpu_threads=os.cpu_count() or 1)
    except Exception as error:  # a download that fails, a folder without a model: each has an exception of its own
        raise InputError(f"whisper model {model!r} cannot be loaded: {error}") from error

    def recognise(samples: Samples) -> str:
        # Greedy and without memory: a turn is short, and a wrong guess must not breed others.
        segments, _ = whisper.transcribe(samples, beam_size=1, language="en", condition_on_previous_text=False)
        return " ".join(segment.text.strip() for segment in segments)

    return recognise

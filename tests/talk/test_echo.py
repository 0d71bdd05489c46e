"""Our own voice in a synthetic room: quiet enough afterwards that it does not interrupt itself."""

from __future__ import annotations

import numpy as np
import pytest
from support.cards import Samples
from support.spoken import BARGE_IN, LONG, spoken

from voiceagent.talk.echo import BLOCK, EchoCanceller
from voiceagent.talk.turns import HEARING_RATE_HZ, WINDOW, Begun, TurnDetector, Windows, silero

pytest.importorskip("livekit.rtc", reason="the extra echo is not installed")
pytestmark = pytest.mark.weights

DELAY = HEARING_RATE_HZ * 60 // 1000


@pytest.fixture(scope="module")
def lines() -> dict[str, Samples]:
    return spoken()


def echo_of(played: Samples) -> Samples:
    """In a room: 60 ms later, half as loud, with 200 ms of decaying reflections."""
    rng = np.random.default_rng(0)
    t = np.arange(HEARING_RATE_HZ // 5) / HEARING_RATE_HZ
    room = np.concatenate([np.zeros(DELAY), 0.3 * rng.standard_normal(len(t)) * np.exp(-t / 0.04)])
    room[DELAY] = 1.0
    echo = np.convolve(played, room)[: len(played)]
    level = np.sqrt(np.mean(played**2) / np.mean(echo**2))
    return np.asarray(0.5 * level * echo, np.float32)


def cleaned(played: Samples, heard: Samples) -> Samples:
    canceller = EchoCanceller()
    out = []
    for begin in range(0, len(heard), BLOCK):
        canceller.played(played[begin : begin + BLOCK], HEARING_RATE_HZ)
        out.append(canceller.clean(heard[begin : begin + BLOCK]))
    return np.concatenate(out)


def interruptions(samples: Samples) -> list[float]:
    """Seconds at which speech long enough to interrupt is found."""
    detector = TurnDetector(silero())
    events = [detector.hear(window, detector.settings.barge_in_ms) for window in Windows().cut(samples)]
    return [at * WINDOW / HEARING_RATE_HZ for at, event in enumerate(events) if isinstance(event, Begun)]


def test_our_own_echo_does_not_interrupt_and_a_person_does(lines: dict[str, Samples]) -> None:
    played = np.concatenate([lines[LONG], lines[LONG]])
    echo = echo_of(played)
    assert interruptions(echo), "without cancellation it would"
    alone = cleaned(played, echo)
    assert interruptions(alone) == []
    after = 3 * HEARING_RATE_HZ
    n = min(len(alone), len(echo))
    reduction_db = 10 * np.log10(np.mean(echo[after:n] ** 2) / (np.mean(alone[after:n] ** 2) + 1e-12))
    assert reduction_db > 12  # 22 with the voices of 2026-11-22, 55 with those before
    both = echo.copy()
    begin = len(lines[LONG]) + HEARING_RATE_HZ
    both[begin : begin + len(lines[BARGE_IN])] += lines[BARGE_IN]
    (at_s,) = interruptions(cleaned(played, both))
    assert 0 < at_s - begin / HEARING_RATE_HZ < 1.0


def test_what_is_played_at_another_rate_is_the_reference_too(lines: dict[str, Samples]) -> None:
    import soxr

    played = np.concatenate([lines[LONG], lines[LONG]])
    echo = echo_of(played)
    fast = soxr.resample(played, HEARING_RATE_HZ, 24_000)
    canceller = EchoCanceller()
    out = []
    for begin in range(0, len(echo), 333):
        canceller.played(fast[begin * 3 // 2 : (begin + 333) * 3 // 2], 24_000)
        out.append(canceller.clean(echo[begin : begin + 333]))
    assert abs(len(np.concatenate(out)) - len(echo)) < BLOCK
    assert interruptions(np.concatenate(out)) == []

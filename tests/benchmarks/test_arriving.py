"""How text comes, and what a listener makes of it."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

pytest.importorskip("psutil")

import buffering
from instruments import arriving
from instruments.listening import SAMPLE_RATE_HZ, Arrival
from instruments.pretend_llm import ARRIVALS
from instruments.simulation import Speed, Text, Timed
from support.fakes import FakeEngine
from support.loopback import serving

TEXT = "This is one. This is two, of course! And this is three. The last one is the fourth."


@pytest.mark.parametrize("name", ARRIVALS)
def test_pieces_join_to_the_text_and_time_goes_on(name: str) -> None:
    for seed in range(20):
        schedule = ARRIVALS[name](TEXT, seed)
        assert "".join(piece for _, piece in schedule) == TEXT
        times = [at_s for at_s, _ in schedule]
        assert times == sorted(times)
        assert times[0] == 0.0


def test_a_tool_is_called_behind_the_first_sentence() -> None:
    before = "".join(piece for at_s, piece in ARRIVALS["tool call of 5 s"](TEXT, 0) if at_s < 5.0)
    assert before == "This is one."


def test_a_gap_is_what_a_player_without_a_buffer_lacks() -> None:
    sound = np.full(SAMPLE_RATE_HZ // 2, 0.2, np.float32)
    heard = arriving.heard(1.0, [Arrival(1.2, sound), Arrival(1.6, sound), Arrival(2.45, sound, last=True)])
    assert heard.first_sound_s == pytest.approx(0.2)
    assert heard.gaps == 1
    assert heard.silence_s == pytest.approx(0.25)
    assert arriving.heard(1.0, []).first_sound_s is None


def test_listeners_share_the_utterances() -> None:
    with serving(FakeEngine(word_s=0.5, threaded=True)) as address:
        results = asyncio.run(arriving.measure(address, "heart", 2, 5, ["100 tokens/s"], "low"))
    figures = results["100 tokens/s"]
    assert figures["utterances"] == 5
    assert figures["first_sound_ms"]["p50"] > 0
    arriving.show_arrivals("two", results)


def test_the_curve_goes_from_the_soonest_sound_to_no_gap() -> None:
    words = []
    for number, word in enumerate(TEXT.split()):
        begin = TEXT.index(word) if number != 4 else TEXT.index("is two")
        words.append(Timed(begin, begin + len(word), 0.3 * number, 0.3 * number + 0.25))
    said = {TEXT: Text(TEXT, tuple(sorted(words)), 0.3 * len(words))}
    found = [
        buffering.run([TEXT] * 4, said, "stall of 2 s", 1, Speed(), name) for name in ("low", "auto", "safe", "whole")
    ]
    sounds_ms = [figures["first_sound_ms"]["p50"] for figures in found]
    assert sounds_ms == sorted(sounds_ms)
    assert found[0]["gaps"] > 0
    assert found[-1]["gaps"] == 0

"""The load benchmark against a fake engine, and its figures against calls made up by hand."""

from __future__ import annotations

import json
import time
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("psutil")

import load
from instruments import calling
from instruments.calling import Call, Caller, open_loop, poisson, streams, summary
from instruments.listening import SAMPLE_RATE_HZ, Arrival
from judging import evaluation
from support.fakes import FakeEngine
from support.loopback import running, serving

from voiceagent.settings.serve import ServeConfig

TEXT = "One two three. Four five."


def heard(sent_s: float, *frames: tuple[float, float], loud: bool = True) -> Call:
    """A call whose frames are (arrival, length) in seconds."""
    call = Call(TEXT, due_s=sent_s - 0.1, sent_s=sent_s)
    call.arrivals = [
        Arrival(at_s, np.full(round(length_s * SAMPLE_RATE_HZ), 0.2 if loud else 0.0, np.float32))
        for at_s, length_s in frames
    ]
    return call


def test_calls_come_at_random_at_their_rate() -> None:
    dues = poisson(5.0, 400.0, ["a", "b"], seed=1)
    assert len(dues) == pytest.approx(2000, rel=0.1)
    assert all(earlier.at_s < later.at_s for earlier, later in pairwise(dues))
    gaps = np.diff([due.at_s for due in dues])
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.15)  # exponential, not regular
    assert {due.text for due in dues} == {"a", "b"}
    assert dues == poisson(5.0, 400.0, ["a", "b"], seed=1)
    assert dues != poisson(5.0, 400.0, ["a", "b"], seed=2)


def test_figures_of_calls() -> None:
    good = heard(10.0, (10.2, 1.0), (10.9, 1.0))
    starved = heard(11.0, (11.4, 0.5), (12.9, 0.5))  # runs dry at 11.9, a second before more comes
    silent = heard(12.0, (12.1, 1.0), loud=False)
    refused, failed = Call(TEXT, 13.0), Call(TEXT, 13.0)
    refused.refused, failed.failed = True, "broken"
    figures = summary([[good, starved, silent, refused, failed]])
    assert (figures["calls"], figures["refused"], figures["failed"], figures["silent"]) == (5, 1, 1, 1)
    assert figures["first_sound_ms"] == {"p50": 200.0, "p95": 400.0, "p99": 400.0}
    assert figures["lag_ms"]["p95"] == pytest.approx(100.0)
    assert (figures["underruns"], figures["calls_with_underruns"]) == (1, 1)
    assert figures["most_starved_ms"] == pytest.approx(1000.0)
    assert figures["gap_ms"]["p99"] == pytest.approx(1500.0)
    assert figures["real_time_factor"]["p95"] == pytest.approx(1.9)
    assert figures["audio_seconds"] == 4.0
    assert figures["audio_seconds_per_second"] == pytest.approx(4.0 / (12.9 - 9.9), abs=0.01)
    assert figures["most_at_once"] == 2


def test_nothing_heard_is_no_good_figure() -> None:
    refused = Call(TEXT, 1.0)
    refused.refused = True
    figures = summary([[refused], []])
    assert figures["refused"] == 1
    assert figures["first_sound_ms"]["p95"] is None
    assert figures["audio_seconds_per_second"] == 0.0


async def test_calls_do_not_wait_for_each_other() -> None:
    with serving(FakeEngine(latency_s=0.05, threaded=True)) as address:
        caller = Caller(f"ws://{address}", "heart", 0, 3000)
        began_s = time.perf_counter()
        calls = await open_loop([calling.Due(0.0, TEXT), calling.Due(0.05, TEXT), calling.Due(0.1, TEXT)], caller)
    assert all(call.arrivals and not call.refused and call.failed is None for call in calls)
    assert all(call.sent_s >= call.due_s for call in calls)
    assert calls[1].sent_s < calls[0].arrivals[-1].at_s
    assert all(call.audio_s == pytest.approx(1.0) for call in calls)
    assert calls[0].due_s - began_s < 1


async def test_refusals_and_failures_are_counted_and_the_others_go_on() -> None:
    engine = FakeEngine(latency_s=0.2, threaded=True, max_streams=1)
    with running(engine) as server:
        caller = Caller(server.ws, "heart", 0, 3000)
        calls = await open_loop([calling.Due(0.0, TEXT), calling.Due(0.3, TEXT)], caller)
        await Caller(server.ws, "nobody", 0, 3000)(stranger := Call(TEXT, 0.0))
    assert [call.refused for call in calls] == [False, True]
    assert calls[0].failed is None
    assert "nobody" in (stranger.failed or "")
    assert not stranger.refused


async def test_a_server_that_is_full_refuses() -> None:
    with running(FakeEngine(latency_s=0.2, threaded=True), ServeConfig(max_connections=1)) as server:
        caller = Caller(server.ws, "heart", 0, 3000)
        calls = await open_loop([calling.Due(0.0, TEXT), calling.Due(0.3, TEXT)], caller)
    assert [call.refused for call in calls] == [False, True]


async def test_streams_speak_turn_after_turn() -> None:
    with serving(FakeEngine(word_s=0.05)) as address:
        caller = Caller(f"ws://{address}", "heart", 0, 3000)
        calls = await streams(3, 1.5, lambda skip: iter([f"{TEXT} {skip}."] * 5), caller, seed=1)
    assert len(calls) > 3
    assert len({call.text for call in calls}) == 3
    assert all(call.arrivals for call in calls)


async def test_a_peer_answers_one_after_the_other_in_one_piece() -> None:
    def speak(text: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        time.sleep(0.1)
        return np.full(2400, 0.2, np.float32)

    calls = await open_loop([calling.Due(0.0, TEXT)] * 3, load.Peer(speak))
    figures = summary([calls])
    assert figures["underruns"] == 0
    assert [len(call.arrivals) for call in calls] == [1, 1, 1]
    assert sorted(call.first_sound_s() or 0 for call in calls)[-1] > 0.2


def test_from_end_to_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(evaluation, "Transcriber", lambda **_: lambda *_: "hello")
    monkeypatch.setattr(load, "hibari", lambda: load.Peer(lambda text: np.full(2400, 0.2, np.float32)))
    monkeypatch.setattr(load, "turns", lambda skip: iter([TEXT] * 9))
    with serving(FakeEngine(word_s=0.02, threaded=True)) as address:
        few = [
            "--rates",
            "8",
            "--streams",
            "2",
            "--seconds",
            "0.6",
            "--seeds",
            "2",
            "--judge",
            "3",
            "--tokens-per-s",
            "0",
            "--arrivals",
            "0",
        ]
        load.main([*few, "--peer", "hibari", "--url", f"ws://{address}"])
    made = json.loads(capsys.readouterr().out.splitlines()[-1])["loads"]
    assert set(made) == {"8 calls/s", "2 streams", "hibari-tts, 8 calls/s"}
    for figures in made.values():
        assert figures["calls"] > 0
        assert figures["refused"] == figures["failed"] == 0
        assert figures["first_sound_ms"]["p50"] > 0
        assert [set(seed) for seed in figures["first_sound_ms_by_seed"]] == [{"p50", "p95", "p99"}] * 2
        assert len(figures["underruns_by_seed"]) == len(figures["audio_seconds_per_second_by_seed"]) == 2
        assert 1 <= figures["judged"] <= 3
        assert figures["wer_percent"] > 50
    assert made["8 calls/s"]["calls"] == made["hibari-tts, 8 calls/s"]["calls"]


def test_spread_is_between_seeds() -> None:
    seeds = [{"p95": 100.0}, {"p95": None}, {"p95": 140.0}]
    figures = {"first_sound_ms": {"p95": 130.0}, "first_sound_ms_by_seed": seeds}
    assert load.with_spread(figures, "p95") == "130.0 ± 20"
    assert load.with_spread(figures | {"first_sound_ms": {"p95": None}}, "p95") is None


def test_nobody_there_is_one_line() -> None:
    with pytest.raises(SystemExit, match="does not speak"):
        load.main(["--url", "ws://127.0.0.1:9", "--rates", "1", "--seconds", "0.1"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rates", "0"],
        ["--rates", "x"],
        ["--streams", "1.5"],
        ["--seeds", "0"],
        ["--peer", "parent", "--parent", "nowhere.pt"],
    ],
    ids=str,
)
def test_what_cannot_be_measured_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load.main(arguments)
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err

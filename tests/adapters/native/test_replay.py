from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceagent.adapters.native.replay import ENDED_KEPT, OVERHEAD_BYTES, Gap, Message, ReplayLog


def spoken(log: ReplayLog, frames: int, utterance: str = "u", *, size: int = 10) -> list[Message]:
    """An utterance as it is sent: `started`, then for each frame its words and itself, then `done`."""
    log.begin(utterance)
    sent: list[Message] = ["started"]
    log.add("started", utterance=utterance)
    for seq in range(frames):
        log.add(f"words {seq}", utterance=utterance)
        frame = bytes([seq]) * size
        log.add(frame, utterance=utterance, seq=seq, duration_s=0.08)
        sent += [f"words {seq}", frame]
    log.add("done", utterance=utterance)
    log.end(utterance, cancelled=False)
    return [*sent, "done"]


def test_everything_after_a_frame_comes_again_in_order() -> None:
    log = ReplayLog(30.0, 1_000_000)
    sent = spoken(log, 5)
    assert log.since("u", -1) == sent
    assert log.since("u", 2) == sent[sent.index(b"\2" * 10) + 1 :]
    assert log.since("u", 4) == ["done"]
    assert log.since("u", 99) == ["done"], "a client that claims too much still learns the end"


def test_only_the_last_seconds_are_kept_and_a_gap_is_told() -> None:
    log = ReplayLog(0.8, 1_000_000)
    sent = spoken(log, 100)
    kept = log.since("u", 89)
    assert kept == sent[sent.index(bytes([89]) * 10) + 1 :]
    for too_early in (-1, 0, 50, 88):
        with pytest.raises(Gap):
            log.since("u", too_early)


def test_of_a_cancelled_utterance_only_that_is_left() -> None:
    log = ReplayLog(30.0, 1_000_000)
    log.begin("u")
    log.add("started", utterance="u")
    log.add(b"frame", utterance="u", seq=0, duration_s=0.08)
    log.add("cancelled", utterance="u")
    log.end("u", cancelled=True)
    assert log.since("u", -1) == log.since("u", 0) == ["cancelled"]


def test_an_id_that_is_used_again_starts_anew() -> None:
    log = ReplayLog(30.0, 1_000_000)
    spoken(log, 3)
    log.begin("u")
    log.add("started again", utterance="u")
    assert log.since("u", -1) == ["started again"]


def test_what_was_missed_is_what_is_open_and_what_is_named() -> None:
    log = ReplayLog(30.0, 1_000_000)
    spoken(log, 1, "over")
    spoken(log, 1, "over, and its end missed")
    log.add("started", utterance="open")
    assert log.missed({"over, and its end missed": 0, "never heard of": 3}) == ["over, and its end missed", "open"]
    assert "over" in log
    assert "never heard of" not in log


def test_utterances_that_are_over_are_forgotten_in_time() -> None:
    log = ReplayLog(30.0, 1_000_000)
    log.add("started", utterance="open")
    for number in range(100):
        spoken(log, 1, str(number))
    assert len(log.missed({str(number): -1 for number in range(100)})) == ENDED_KEPT + 1
    assert "open" in log


@settings(max_examples=60, deadline=None)
@given(
    keep_bytes=st.integers(0, 3_000),
    utterances=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 400)), min_size=1, max_size=6),
    have=st.integers(-1, 12),
)
def test_memory_is_bounded_and_what_is_kept_is_exact(
    keep_bytes: int, utterances: list[tuple[int, int]], have: int
) -> None:
    log = ReplayLog(30.0, keep_bytes)
    total = 0
    for number, (frames, size) in enumerate(utterances):
        sent = spoken(log, frames, str(number), size=size)
        total += sum(len(message) + OVERHEAD_BYTES for message in sent)
        assert log.size <= keep_bytes
        try:
            again = log.since(str(number), have)
        except Gap:
            assert total > keep_bytes
            continue
        have_here = min(have, frames - 1)
        begin = sent.index(bytes([have_here]) * size) + 1 if have_here >= 0 else 0
        assert again == sent[begin:]

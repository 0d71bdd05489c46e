"""One utterance in the state machine: its text, its frames, its words, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.fakes import FakeEngine
from support.session_client import Client, of

from voiceagent.errors import ProtocolError, SynthesisError
from voiceagent.protocol import commands, events, outputs
from voiceagent.session.utterance import FLUSHES_MAX
from voiceagent.settings.serve import Limits
from voiceagent.text.chunk import Chunk


def test_an_utterance_from_start_to_done() -> None:
    taken = Client().speak("Hello there. Fine.")
    assert [event.type for event in taken if event.type not in ("audio", "words")] == ["ready", "started", "done"]
    assert taken[-1].type == "done"
    frames = of(events.Audio, taken)
    assert [frame.seq for frame in frames] == list(range(len(frames)))
    assert [frame.last for frame in frames] == [False] * (len(frames) - 1) + [True]
    ends = np.cumsum([0] + [len(frame.samples) for frame in frames])
    assert [frame.pts_samples for frame in frames] == ends[:-1].tolist()
    done = of(events.Done, taken)[0]
    assert done == events.Done("u", 600, len("Hello there. Fine."), 0, len(frames) - 1)


def test_words_come_before_the_audio_they_are_in() -> None:
    taken = Client().speak("Hello there. Fine.")
    at_s = 0.0
    said = []
    for event in taken:
        if isinstance(event, events.Words):
            assert all(word.start_s >= at_s - 1e-9 for word in event.words)
            said += [(word.text, word.char_start, word.char_end) for word in event.words]
        elif isinstance(event, events.Audio):
            at_s += len(event.samples) / 24_000
    assert said == [("Hello", 0, 5), ("there", 6, 11), ("Fine", 13, 17)]


def test_timestamps_can_be_turned_off() -> None:
    assert not of(events.Words, Client().speak("Hello there.", timestamps="none"))


@pytest.mark.parametrize("length", [0, 1, 479, 480, 1919, 1920, 1921, 2399, 2400, 4800, 24_001])
def test_frames_are_20_to_100_ms_and_lose_nothing(length: int) -> None:
    client = Client()
    client.feed(commands.Start("u"))
    samples = np.arange(length, dtype=np.float32)
    client.late.append((1, outputs.Speech(samples, chunk_done=True)))
    frames = of(events.Audio, client.take())
    joined = np.concatenate([frame.samples for frame in frames]) if frames else samples[:0]
    assert np.array_equal(joined, samples)
    assert all(480 <= len(frame.samples) <= 2400 for frame in frames[:-1])
    assert all(len(frame.samples) <= 2400 for frame in frames)


@pytest.mark.parametrize("text", ["", " ", "\n", "...", "?!", "😀😀", "\x00", "\ud800"])
def test_text_without_words_is_done_with_a_warning_or_spoken(text: str) -> None:
    client = Client()
    taken = client.speak(text)
    done = of(events.Done, taken)
    assert len(done) == 1
    assert done[0].chars == len(text)
    if not done[0].audio_ms:
        assert [warning.code for warning in of(events.Warning_, taken)] == ["nothing_to_say"]
    assert of(events.Done, client.speak("Next one.", "v"))[0].audio_ms == 400


def test_flush_speaks_what_waits_and_keeps_the_utterance_open() -> None:
    client = Client()
    client.feed(commands.Start("u"), commands.Text("u", "One two"))
    assert not of(events.Audio, client.take())
    client.feed(commands.Flush("u"))
    taken = client.take()
    assert of(events.Flushed, taken) == [events.Flushed("u", of(events.Audio, taken)[-1].seq)]
    client.feed(commands.Flush("u"))
    assert of(events.Flushed, client.take()) == [events.Flushed("u", of(events.Audio, taken)[-1].seq)]
    client.feed(commands.Text("u", " three"), commands.End("u"))
    assert of(events.Done, client.take())[0].audio_ms == 600


def test_buffering_none_speaks_every_piece_at_once() -> None:
    client = Client()
    client.feed(commands.Start("u", buffering="none"), commands.Text("u", "One"))
    assert of(events.Audio, client.take())


@pytest.mark.parametrize(("buffering", "spoken"), [("auto", True), ("sentence", False)])
def test_text_that_waits_too_long_is_spoken_unless_sentences_are_wanted(buffering: Any, spoken: bool) -> None:
    client = Client()
    client.feed(commands.Start("u", buffering=buffering), commands.Text("u", "One two"))
    client.take()
    client.now += 0.4
    assert not client.take()
    client.now += 0.2
    assert bool(of(events.Audio, client.take())) is spoken


def test_max_buffer_ms_is_the_clients_own_deadline() -> None:
    client = Client()
    client.feed(commands.Start("u", max_buffer_ms=2000), commands.Text("u", "One two"))
    client.take()
    client.now += 1.9
    assert not client.take()
    client.now += 0.2
    assert of(events.Audio, client.take())


def test_text_may_wait_while_the_listener_still_has_something_to_hear() -> None:
    client = Client(FakeEngine(word_s=4.0))
    client.feed(commands.Start("u"), commands.Text("u", "Long. And then"))
    client.take()
    client.now += 3.5
    assert not client.take(), "half a second is still to be heard"
    wait_s = client.session.wait_s(client.now)
    assert wait_s is not None
    assert 0 < wait_s < 0.5, "what waits must be made before that is over"
    client.now += wait_s + 1e-6
    assert of(events.Audio, client.take())


def test_pacing_stays_within_max_ahead_and_follows_the_clock() -> None:
    client = Client(paced=True)
    client.speak("a b c d e f g h i j k l m n o p q r s t. " * 5, max_ahead_ms=1000)
    sent_s = sum(len(frame.samples) for frame in of(events.Audio, client.take())) / 24_000
    for _ in range(40):
        wait_s = client.session.wait_s(client.now)
        assert wait_s is not None
        client.now += wait_s + 1e-6
        sent_s += sum(len(frame.samples) for frame in of(events.Audio, client.take())) / 24_000
        assert sent_s - (client.now - 100.0) <= 1.0 + 0.1 + 1e-3


def test_played_gives_credit_before_the_clock_does() -> None:
    client = Client(FakeEngine(word_s=1.0), paced=True)
    first = client.speak("a b c d e f.", max_ahead_ms=1000)
    client.feed(commands.Played("u", 1000))
    assert of(events.Audio, client.take())
    assert of(events.Audio, first)


def test_the_engine_gets_no_more_text_while_audio_waits_to_be_taken() -> None:
    client = Client(FakeEngine(word_s=2.0), paced=True, limits=Limits(backlog_ms=4000))
    client.speak("One two. " * 50, max_ahead_ms=100)
    assert len(client.engine.spoken) <= 6
    assert not client.session.has_room("u", 20_000)


def test_the_engine_has_at_most_three_chunks() -> None:
    client = Client()
    client.hold = True
    client.speak("One. Two. Three. Four. Five.")
    assert len(client.engine.spoken) == 3


def test_what_is_wrong_is_said_and_the_next_request_works() -> None:
    client = Client(FakeEngine(max_streams=1))
    client.take()
    client.feed(commands.Start("x", voice="nobody"))
    assert [(e.id, e.code) for e in of(events.Error, client.take())] == [("x", "unknown_voice")]
    client.feed(commands.Text("x", "dropped silently"))
    assert client.take() == []
    client.feed(commands.Text("y", "never started"))
    assert [(e.id, e.code) for e in of(events.Error, client.take())] == [("y", "bad_message")]
    client.feed(commands.Start("a"), commands.Start("a"), commands.Start("b"))
    assert [(e.id, e.code) for e in of(events.Error, client.take())] == [("a", "bad_message"), ("b", "no_capacity")]
    client.feed(commands.Text("a", "One."), commands.End("a"))
    assert of(events.Done, client.take())
    client.session.refuse(None, ProtocolError("not JSON"))
    assert of(events.Error, client.take())[0].code == "bad_message"
    assert of(events.Done, client.speak("Still here.", "z"))


def test_text_after_end_is_refused() -> None:
    client = Client(paced=True)
    client.hold = True
    client.feed(commands.Start("u"), commands.Text("u", "One."), commands.End("u"), commands.Text("u", "Two."))
    assert "ended" in of(events.Error, client.take())[0].message


def test_20_000_characters_are_taken_and_one_more_is_refused() -> None:
    client = Client()
    client.hold = True
    client.feed(commands.Start("u"), commands.Text("u", "a" * 20_000), commands.Text("u", "b"))
    errors = of(events.Error, client.take())
    assert [(error.code, error.retryable) for error in errors] == [("text_buffer_full", True)]
    client.hold = False
    client.feed(commands.End("u"))
    assert of(events.Done, client.take())[0].chars == 20_000


def test_an_engine_that_refuses_a_chunk_ends_the_utterance() -> None:
    class Stopped(FakeEngine):
        def speak(self, stream: int, chunk: Chunk) -> None:
            raise SynthesisError("the engine has stopped")

    taken = Client(Stopped()).speak("Hello.")
    assert [error.code for error in of(events.Error, taken)] == ["synthesis_failed"]


def test_notices_become_warnings() -> None:
    client = Client()
    client.feed(commands.Start("u"))
    client.late.append((1, outputs.Notice("text in another script was skipped")))
    assert of(events.Warning_, client.take())[0].message == "text in another script was skipped"


def test_ping() -> None:
    client = Client()
    client.feed(commands.Ping(7))
    assert client.take()[-1] == events.Pong(7)


def test_time_alone_brings_nothing_to_an_idle_session() -> None:
    client = Client()
    client.take()
    assert client.session.wait_s(client.now) is None


def test_unread_answers_congest_the_session() -> None:
    client = Client()
    client.feed(*(commands.Ping(i) for i in range(300)))
    assert client.session.congested
    client.take()
    assert not client.session.congested


def test_characters_have_times_where_they_are_asked_for() -> None:
    (words,) = of(events.Words, Client().speak("Four.", timestamps="char"))
    assert words.words[0].char_starts_s == pytest.approx((0.0, 0.05, 0.1, 0.15))
    (plain,) = of(events.Words, Client().speak("Four."))
    assert plain.words[0].char_starts_s == ()


def test_flushes_are_answered_one_by_one_and_too_many_are_refused() -> None:
    client = Client()
    client.hold = True
    client.feed(commands.Start("u"), commands.Text("u", "One."), *[commands.Flush("u")] * (FLUSHES_MAX + 300))
    assert client.session.congested
    errors = of(events.Error, client.take())
    assert [(error.code, error.retryable) for error in errors] == [("no_capacity", True)] * 300
    client.hold = False
    assert len(of(events.Flushed, client.take())) == FLUSHES_MAX
    client.feed(commands.Flush("u"), commands.End("u"))
    taken = client.take()
    assert len(of(events.Flushed, taken)) == 1
    assert of(events.Done, taken)


def test_flushes_of_silence_are_bounded_too() -> None:
    client = Client()
    client.feed(commands.Start("u"), *[commands.Flush("u")] * (FLUSHES_MAX + 300))
    assert client.session.congested
    taken = client.take()
    assert (len(of(events.Flushed, taken)), len(of(events.Error, taken))) == (FLUSHES_MAX, 300)

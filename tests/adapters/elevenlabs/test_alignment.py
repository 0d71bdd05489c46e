"""Characters and their times: what clients add up must be the audio, whatever the text and the frames."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from voiceagent.adapters.elevenlabs.alignment import Alignment, CharacterTimes
from voiceagent.protocol.outputs import WordTime


def taken(times: CharacterTimes, frames_s: list[float]) -> list[Alignment]:
    """All alignments of an utterance whose frames end at these times."""
    got = [times.take(end_s) for end_s in frames_s] + [times.take(frames_s[-1], last=True)]
    return [alignment for alignment in got if alignment is not None]


def test_a_word_is_shared_out_and_its_marks_stand_at_its_end() -> None:
    times = CharacterTimes()
    times.add_text("Hi, you. ")
    times.add_words([WordTime("Hi", 0.1, 0.3, 0, 2), WordTime("you", 0.5, 0.8, 4, 7)])
    first, second = taken(times, [0.4, 1.0])
    assert first.in_ms() == {
        "chars": ("H", "i", ",", " "),
        "charStartTimesMs": [100, 200, 300, 300],
        "charDurationsMs": [100, 100, 0, 100],
    }
    assert second.in_ms() == {
        "chars": ("y", "o", "u", ".", " "),
        "charStartTimesMs": [100, 200, 300, 400, 400],
        "charDurationsMs": [100, 100, 100, 0, 200],
    }
    assert second.in_ms(from_start=True)["charStartTimesMs"] == [500, 600, 700, 800, 800]
    assert second.in_seconds() == {
        "characters": ("y", "o", "u", ".", " "),
        "character_start_times_seconds": [0.5, 0.6, 0.7, 0.8, 0.8],
        "character_end_times_seconds": [0.6, 0.7, 0.8, 0.8, 1.0],
    }


def test_silence_between_messages_counts_towards_the_next_one() -> None:
    times = CharacterTimes()
    times.add_text("One two")
    times.add_words([WordTime("One", 0.0, 0.2, 0, 3)])
    first = times.take(0.2)
    assert first is not None
    assert "".join(first.chars) == "One "
    assert times.take(0.5) is None
    times.add_words([WordTime("two", 0.6, 0.8, 4, 7)])
    later = times.take(0.8)
    assert later is not None
    assert later.begin_ms == 200
    assert later.in_ms()["charStartTimesMs"] == [400, 467, 533]


def test_silence_at_the_end_is_a_space() -> None:
    times = CharacterTimes()
    times.add_text("Hi")
    times.add_words([WordTime("Hi", 0.0, 0.2, 0, 2)])
    assert times.take(0.2) is not None
    assert times.take(0.9) is None
    end = times.take(1.0, last=True)
    assert end is not None
    assert end.in_ms() == {"chars": (" ",), "charStartTimesMs": [0], "charDurationsMs": [800]}


def test_a_hyphenated_word_is_not_taken_for_marks() -> None:
    times = CharacterTimes()
    times.add_text("well-known ")
    times.add_words([WordTime("well", 0.0, 0.2, 0, 4)])
    first = times.take(0.3)
    times.add_words([WordTime("known", 0.3, 0.5, 5, 10)])
    second = times.take(0.6)
    assert first is not None
    assert second is not None
    assert "".join(first.chars) == "well-"
    assert "".join(second.chars) == "known "


def test_text_that_is_not_spoken_keeps_its_place() -> None:
    times = CharacterTimes()
    times.add_text("See ```x = 1``` there.")
    times.add_words([WordTime("See", 0.0, 0.2, 0, 3), WordTime("there", 0.2, 0.4, 16, 21)])
    assert (
        "".join(char for alignment in taken(times, [0.2, 0.4]) for char in alignment.chars) == "See ```x = 1``` there."
    )


def test_nothing_said_is_nothing_aligned() -> None:
    assert CharacterTimes().take(0.0, last=True) is None


WORDS = st.lists(st.tuples(st.text("abé'1", min_size=1, max_size=6), st.sampled_from([" ", ", ", "... ", "\n\n", "-"])))


@settings(max_examples=50, deadline=None)
@given(
    words=WORDS,
    durations_s=st.lists(st.floats(0.0, 0.7), min_size=1),
    frame_s=st.floats(0.02, 0.5),
    tail_s=st.floats(0.0, 1.0),
)
def test_spans_add_up_to_the_audio_and_characters_to_the_text(
    words: list[tuple[str, str]], durations_s: list[float], frame_s: float, tail_s: float
) -> None:
    times, text, now_s = CharacterTimes(), "", 0.0
    timed = []
    for number, (word, gap) in enumerate(words):
        duration_s = durations_s[number % len(durations_s)]
        timed.append(WordTime(word, now_s, now_s + duration_s, len(text), len(text) + len(word)))
        text += word + gap
        now_s += duration_s + (0.3 if gap.startswith("...") else 0.0)
    total_s = now_s + tail_s
    times.add_text(text)
    got: list[Alignment] = []
    at_s = 0.0
    while at_s < total_s:
        at_s = min(at_s + frame_s, total_s)
        times.add_words([word for word in timed if word.start_s < at_s])
        timed = [word for word in timed if word.start_s >= at_s]
        got += [alignment] if (alignment := times.take(at_s)) else []
    times.add_words(timed)
    got += [alignment] if (alignment := times.take(total_s, last=True)) else []
    assert "".join("".join(alignment.chars) for alignment in got).strip() == text.strip()
    spans = [edges["charStartTimesMs"][-1] + edges["charDurationsMs"][-1] for edges in (a.in_ms() for a in got)]
    assert sum(spans) == (round(total_s * 1000) if got else 0)
    for alignment in got:
        assert list(alignment.edges_ms) == sorted(alignment.edges_ms)
        assert len(alignment.edges_ms) == len(alignment.chars) + 1

"""Lengths: the token grid, fractions carried over, word times."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from support.tiny_voice import tiny_model

from voiceagent.model.lm.language_model import align
from voiceagent.model.lm.planning import plan_chunk
from voiceagent.model.lm.script import PhonemeChunk, Rhythm, Script, expected, spell

VOICE = torch.tensor([0])


def test_alignment_finds_the_sounding_phoneme() -> None:
    starts, ends = torch.tensor([[0.0, 0.05, 0.09]]), torch.tensor([[0.05, 0.09, 0.16]])
    grid = align(starts, ends, 0, 4)
    assert grid.phoneme[0].tolist() == [[0, 0], [1, 1], [2, 2], [2, 2]]
    assert grid.timing[0, 1].tolist() == pytest.approx([0.0, 0.04, 0.02, 0.02], abs=1e-6)


def test_fractions_are_carried_over() -> None:
    torch.manual_seed(0)
    model, script, total = tiny_model(), Script(), 0
    for index in range(12):
        stretch, script = plan_chunk(model, script, PhonemeChunk(["ˈæpᵊl", "tɹˈi"], final=index == 11), VOICE)
        total += len(stretch.conditioning)
    assert total == script.tokens
    assert abs(total - script.clock_s * 25) < 1


def test_speed_scales_length() -> None:
    torch.manual_seed(0)
    model = tiny_model()
    words = ["wˈʌn", "tˈu", "θɹˈi", "fˈɔɹ", "fˈIv."]
    slow, _ = plan_chunk(model, Script(), PhonemeChunk(words, final=True, speed=0.5), VOICE)
    fast, _ = plan_chunk(model, Script(), PhonemeChunk(words, final=True, speed=2.0), VOICE)
    assert len(slow.conditioning) == pytest.approx(4 * len(fast.conditioning), abs=4)


def test_pause_is_silence_of_that_length() -> None:
    torch.manual_seed(0)
    model = tiny_model()
    plain, _ = plan_chunk(model, Script(), PhonemeChunk(["wˈʌn."], final=True), VOICE)
    paused, _ = plan_chunk(model, Script(), PhonemeChunk(["wˈʌn."], final=True, pause_s=0.4), VOICE)
    assert len(paused.conditioning) - len(plain.conditioning) == pytest.approx(10, abs=1)


def test_words_follow_each_other_in_time() -> None:
    torch.manual_seed(0)
    stretch, script = plan_chunk(
        tiny_model(), Script(), PhonemeChunk(["wˈʌn,", "tˈu.", "—", "θɹˈi"], ["fˈɔɹ"], final=False), VOICE
    )
    times = stretch.word_times_s
    assert len(times) == 4
    assert all(start <= end for start, end in times)
    assert all(a[1] <= b[0] + 1e-9 for a, b in pairwise(times))
    assert times[-1][1] <= script.clock_s


def test_what_was_said_before_moves_nothing_that_is_planned() -> None:
    torch.manual_seed(0)
    model = tiny_model()
    first, script = plan_chunk(model, Script(), PhonemeChunk(["wˈʌn"], final=False), VOICE)
    second, _ = plan_chunk(model, script, PhonemeChunk(["tˈu"], final=True), VOICE)
    assert second.word_times_s[0][0] >= first.word_times_s[0][1]


@pytest.mark.parametrize(
    ("words", "following"),
    [
        (["wˈʌn,"], True),
        (["wˈʌn", "tˈu;"], True),
        (["wˈʌn", "—"], True),
        (["wˈʌn"], False),
        (["wˈʌn."], True),
    ],
)
def test_a_pause_is_planned_as_if_something_followed(words: list[str], following: bool) -> None:
    torch.manual_seed(0)
    model = tiny_model()
    symbols, _, _ = spell(words, [], opened=False, final=False)
    assert bool(expected(symbols)) == following
    alone, _ = plan_chunk(model, Script(), PhonemeChunk(words, final=False), VOICE)
    known, _ = plan_chunk(model, Script(), PhonemeChunk(words, ["fˈɔɹ"], final=False), VOICE)
    assert len(alone.word_times_s) == len(known.word_times_s) == len(words)


def test_sentences_are_as_far_apart_however_they_are_cut_into_stretches() -> None:
    torch.manual_seed(0)
    model, rhythm = tiny_model(), Rhythm(sentence_tail_s=0.2, sentence_lead_s=0.3)

    def tokens(stretches: list[list[str]], rhythm: Rhythm) -> int:
        script = Script()
        for index, words in enumerate(stretches):
            _, script = plan_chunk(model, script, PhonemeChunk(words, final=index == len(stretches) - 1), VOICE, rhythm)
        return script.tokens

    for cut in ([["wˈʌn.", "tˈu.", "θɹˈi."]], [["wˈʌn."], ["tˈu."], ["θɹˈi."]], [["wˈʌn.", "tˈu."], ["θɹˈi."]]):
        assert tokens(cut, rhythm) - tokens(cut, Rhythm()) == pytest.approx(2 * 0.5 * 25, abs=1)
    assert tokens([["wˈʌn."]], rhythm) == tokens([["wˈʌn."]], Rhythm())


def test_the_scale_is_on_all_durations() -> None:
    torch.manual_seed(0)
    model, words = tiny_model(), ["wˈʌn", "tˈu", "θɹˈi,", "fˈɔɹ"]
    plain, _ = plan_chunk(model, Script(), PhonemeChunk(words, final=True), VOICE)
    slow, _ = plan_chunk(model, Script(), PhonemeChunk(words, final=True), VOICE, Rhythm(scale=2.0))
    for (_, end), (_, later) in zip(plain.word_times_s, slow.word_times_s, strict=True):
        assert later == pytest.approx(2 * end, abs=1e-6)

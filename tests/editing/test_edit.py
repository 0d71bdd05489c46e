"""Editing: alignment, what is kept, what is regenerated, and how it is put in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.tiny_voice import tiny_voices

from voiceagent.editing import transcript
from voiceagent.editing.edit import _stretches, edit, rewrite, same_words
from voiceagent.editing.splicing import FADE, LAG, Patch, splice
from voiceagent.editing.transcript import Spoken, time_words
from voiceagent.errors import InputError
from voiceagent.model.decode.infill import fill, runs
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.lm.aligner import SILENT, Aligner, AlignerConfig, agreement, best_path
from voiceagent.model.lm.script import spell
from voiceagent.model.symbols import ENGLISH, SYMBOLS
from voiceagent.model.weights import load_aligner, save_aligner

OLD = Spoken(("one", "two", "three."), ("wˈʌn", "tˈu", "θɹˈi."))


def spoken(*words: str) -> Spoken:
    return Spoken(words, tuple("wˈʌn" if word != "many" else "mˈɛni" for word in words))


def log_p(symbols: str, labels: list[int]) -> np.ndarray:
    """Labels that are sure of the symbol at that place of a text."""
    p = np.full((len(labels), ENGLISH), -8.0, np.float32)
    for t, at in enumerate(labels):
        p[t, SYMBOLS.index(symbols[at])] = -0.01
    return p


def test_the_path_follows_what_is_heard_and_skips_what_is_silent() -> None:
    text = "_wˈʌn tˈu._"
    heard = [0, 0, 1, 1, 3, 3, 3, 4, 6, 6, 8, 8, 8, 10]  # neither stress marks nor the gap nor the full stop sound
    spent = best_path(log_p(text, heard), [SYMBOLS.index(s) for s in text])
    assert spent.tolist() == [2, 2, 0, 3, 1, 0, 2, 0, 3, 0, 1]


def test_every_sounding_phoneme_gets_a_label_even_where_it_is_not_heard() -> None:
    text = "_wˈʌn_"
    symbols = [SYMBOLS.index(s) for s in text]
    p = log_p(text, [0, 0, 1, 1, 4, 4, 5])  # no vowel
    spent = best_path(p, symbols)
    assert spent[3] == 1
    fit = agreement(p, symbols, spent)
    assert fit[1] == pytest.approx(0.0)
    assert fit[3] < -7


def test_more_phonemes_than_time_is_an_error() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        best_path(np.zeros((3, ENGLISH), np.float32), [SYMBOLS.index(s) for s in "wʌntu"])


SOUNDS = str.maketrans("aegoqrxyc", "æɛɡɑkɹzjk")


def said(text: str) -> Spoken:
    """A text whose words sound as they are written."""
    words = tuple(text.split())
    return Spoken(words, tuple(word.lower().translate(SOUNDS) for word in words))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Go home now.", "go right home, now", [(0, 0), (1, 2), (2, 3)]),
        ("it is, it is", "it is it is not", [(0, 0), (1, 1), (2, 2), (3, 3)]),
        ("the dog and the dog", "and the dog", [(2, 0), (3, 1), (4, 2)]),
        ("its end", "it's end", [(1, 1)]),
        ("one \u2014 two", "one two", [(0, 0), (2, 1)]),
    ],
    ids=["case and marks", "repeated words", "the right one of two", "an apostrophe counts", "a dash is no word"],
)
def test_words_that_stay(old: str, new: str, expected: list[tuple[int, int]]) -> None:
    assert same_words(said(old), said(new)) == expected


def test_the_words_of_a_number_are_told_apart_by_their_sound() -> None:
    old = Spoken(("1990", "1990"), ("nˌIntˈin", "nˈIndi"))
    new = Spoken(("1990", "1990", "1990"), ("nˈIn", "hˈʌndɹəd", "nˈIndi."))
    assert same_words(old, new) == [(1, 2)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("one two, three", "one bed, three", [("two", "bed")]),
        ("one two three", "one bed two three", [("", "bed ")]),
        ("one two three", "one three", [("two ", "")]),
        ("one two three", "bed two three", [("one", "bed")]),
        ("one two three", "one two bed", [("three", "bed")]),
        ("one two three", "two three", [("one ", "")]),
        ("one two three", "one two", [(" three", "")]),
        ("one two. three", "one two three bed", [("", " bed")]),
        ("one two.", "one two, bed.", [("", ", bed")]),
        ("one two three", "zebra", [("one two three", "zebra")]),
        ("one two three", "bed two lamp", [("one", "bed"), ("three", "lamp")]),
        ("One, two three.", "one two, three!", []),
        ("one \u2014 two", "one two", []),
    ],
    ids=[
        "substitution, the pause stays",
        "insertion",
        "deletion",
        "first word",
        "last word, the silence at the end stays",
        "first word gone",
        "last word gone",
        "added at the end",
        "added before a full stop",
        "all new",
        "two at once",
        "marks alone are no change",
        "nor is a dash",
    ],
)
def test_only_what_differs_is_changed(old: str, new: str, expected: list[tuple[str, str]]) -> None:
    was = said(old)
    symbols, changes = rewrite(was, said(new))
    before = was.spell()[0]

    def letters(row: list[int]) -> str:
        return "".join(SYMBOLS[symbol] for symbol in row)

    assert [(letters(before[change.old]), letters(symbols[change.new])) for change in changes] == [
        (left.translate(SOUNDS), right.translate(SOUNDS)) for left, right in expected
    ]
    again, at = list[int](), 0
    for change in changes:
        again += [*before[at : change.old.start], *symbols[change.new]]
        at = change.old.stop
    assert again + before[at:] == symbols


@pytest.mark.parametrize(
    ("mask", "expected"), [([0, 0], []), ([1, 0, 1, 1], [(0, 1), (2, 4)]), ([0, 1, 1, 0], [(1, 3)]), ([], [])]
)
def test_runs(mask: list[int], expected: list[tuple[int, int]]) -> None:
    assert runs(torch.tensor(mask, dtype=torch.bool)) == expected


def test_only_masked_tokens_change_and_they_see_both_sides() -> None:
    voices = tiny_voices()
    for name, weight in voices.model.transformer.named_parameters():
        if "o_proj" in name:
            torch.nn.init.normal_(weight)  # so that what is attended to matters
    tokens = torch.randint(0, 5, (40, 6), generator=torch.Generator().manual_seed(1))
    masked = torch.zeros(40, dtype=torch.bool)
    masked[[*range(5, 9), *range(20, 31)]] = True
    conditioning = torch.randn(40, 32, generator=torch.Generator().manual_seed(2))
    options = DecodingOptions(steps=3)
    filled = fill(voices.model, tokens, masked, conditioning, options)
    assert torch.equal(filled[~masked], tokens[~masked])
    assert torch.equal(filled, fill(voices.model, tokens, masked, conditioning, options))
    later = tokens.clone()
    later[35:] = (later[35:] + 2) % 5
    assert not torch.equal(fill(voices.model, later, masked, conditioning, options)[masked], filled[masked])


def test_long_recordings_are_filled_in_windows() -> None:
    voices = tiny_voices()
    length = 2 * voices.model.config.context_tokens + 10
    masked = torch.zeros(length, dtype=torch.bool)
    masked[[3, 4, length // 2, length - 1]] = True
    tokens = torch.zeros(length, 6, dtype=torch.long)
    filled = fill(voices.model, tokens, masked, torch.randn(length, 32), DecodingOptions(steps=2))
    assert torch.equal(filled[~masked], tokens[~masked])


def test_splicing_keeps_what_it_says_it_keeps() -> None:
    rng = np.random.default_rng(0)
    recording, made = rng.normal(0, 0.1, 48_000).astype(np.float32), rng.normal(0, 0.1, 50_000).astype(np.float32)
    result, kept = splice(recording, made, [Patch((10_000, 11_000), (14_000, 15_000), 0, 2_000)])
    assert len(kept) == 2
    for run in kept:
        assert np.array_equal(result[run.new : run.new + run.length], recording[run.old : run.old + run.length])
    assert kept[0].new == kept[0].old == 0
    assert kept[1].old + kept[1].length == len(recording)
    assert kept[1].new + kept[1].length == len(result)
    assert abs(len(result) - 50_000) <= 500


@pytest.mark.parametrize("shift", [-2_000, 0, 2_000])
def test_patches_at_both_ends(shift: int) -> None:
    """Nothing of what a patch at the very beginning or end replaces is left but the fade."""
    rng = np.random.default_rng(0)
    recording, made = np.ones(24_000, np.float32), rng.normal(0, 0.1, 24_000 + shift).astype(np.float32)
    first, kept = splice(recording, made, [Patch((0, 0), (10_000, 11_000), 0, shift)])
    assert first[FADE:7_500].max() < 0.9
    assert [run.old + run.length for run in kept] == [24_000]
    last, kept = splice(recording, made, [Patch((10_000, 11_000), (24_480, 25_440), 0, shift)])
    assert last[11_000 + FADE :].max() < 0.9
    assert [run.old for run in kept] == [0]


def test_a_patch_of_the_same_wave_leaves_no_seam() -> None:
    wave = np.sin(np.arange(48_000) * 2 * np.pi * 131 / 24_000).astype(np.float32) * 0.3
    result, _ = splice(wave, np.roll(wave, 57), [Patch((10_000, 11_000), (14_000, 15_000), 0, 0)])
    inside = np.abs(np.diff(wave, 2)).max()
    assert np.abs(np.diff(result, 2)).max() < 1.3 * inside


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrained aligner agrees with nothing."""
    monkeypatch.setattr(transcript, "FIT", -1e9)
    monkeypatch.setattr(transcript, "UNSAID", -1e9)


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(
    "to",
    [
        spoken("one", "many", "three."),
        spoken("many", "two", "three."),
        spoken("one", "two", "many."),
        spoken("two", "three."),
        spoken("one", "two"),
        spoken("one", "many", "two", "three."),
        spoken("one", "three."),
        spoken("many", "one", "two", "three.", "many"),
        spoken("two"),
        spoken("many", "many"),
        spoken("many", "two", "many"),
    ],
    ids=[
        "substitution",
        "first word",
        "last word",
        "first word gone",
        "last word gone",
        "insertion",
        "deletion",
        "both ends",
        "most of it gone",
        "all new",
        "two at once",
    ],
)
def test_edits_keep_the_rest_bit_for_bit(to: Spoken) -> None:
    torch.manual_seed(0)
    voices, aligner = tiny_voices(), Aligner(AlignerConfig()).eval()
    recording = (np.random.default_rng(0).normal(0, 0.1, 60_000)).astype(np.float32)
    edited = edit(voices, aligner, recording, OLD, to, voice="heart")
    assert edited.spans
    assert np.isfinite(edited.samples).all()
    for run in edited.kept:
        assert np.array_equal(edited.samples[run.new : run.new + run.length], recording[run.old : run.old + run.length])
    assert 0 <= edited.unchanged < 1
    edges = [edge for run in edited.kept for edge in (run.new, run.new + run.length)]
    assert edges == sorted(edges)
    grown_s = sum((span.end_s - span.start_s) - (span.old_end_s - span.old_start_s) for span in edited.spans)
    drift = len(edited.samples) - len(recording) - grown_s * 24_000
    assert abs(drift) <= len(edited.spans) * 2 * (LAG + FADE) + 1


@pytest.mark.usefixtures("trusting")
def test_nothing_to_change_changes_nothing() -> None:
    torch.manual_seed(0)
    voices, aligner = tiny_voices(), Aligner(AlignerConfig()).eval()
    recording = np.random.default_rng(0).normal(0, 0.1, 60_000).astype(np.float32)
    for to in (OLD, Spoken(("One,", "two", "three!"), ("wˈʌn,", "tˈu", "θɹˈi!"))):
        edited = edit(voices, aligner, recording, OLD, to, voice="joe")
        assert np.array_equal(edited.samples, recording)
        assert edited.unchanged == 1.0
        assert not edited.spans


def test_a_transcript_that_does_not_fit_is_refused_with_its_words() -> None:
    torch.manual_seed(0)
    voices, aligner = tiny_voices(), Aligner(AlignerConfig()).eval()
    with torch.no_grad():
        aligner.out.bias[SYMBOLS.index("ʒ")] = aligner.out.bias[ENGLISH + SYMBOLS.index("ʒ")] = 20.0  # hears one sound
    recording = np.random.default_rng(0).normal(0, 0.1, 60_000).astype(np.float32)
    with pytest.raises(InputError, match=r"'one', 'two', 'three\."):
        edit(voices, aligner, recording, OLD, spoken("one"), voice="heart")
    with pytest.raises(InputError, match="longer than the recording"):
        edit(voices, aligner, recording[:2400], OLD, spoken("one"), voice="heart")
    for silent in (Spoken((), ()), Spoken(("",), ("—",))):
        with pytest.raises(InputError, match="nothing left to say"):
            edit(voices, aligner, recording, OLD, silent, voice="heart")
        with pytest.raises(InputError, match="transcript is empty"):
            edit(voices, aligner, recording, silent, OLD, voice="heart")


class Hearing(Aligner):
    """An aligner that hears what it is told."""

    def __init__(self, heard: np.ndarray) -> None:
        super().__init__(AlignerConfig())
        self.heard = heard

    def log_probabilities(self, values: torch.Tensor) -> np.ndarray:
        return self.heard


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("two bed", "said at the beginning"),
        ("one bed", r"said after 'one' \(0\.16 to 0\.36 s\)"),
        ("one two", "said after 'two'"),
    ],
)
def test_a_word_that_the_transcript_lacks_is_noticed(written: str, place: str) -> None:
    text = "_ɑnɛ twɑ bɛd_"
    heard = log_p(text, [at for at in range(len(text)) for _ in range(2)])
    silent = sorted(SILENT)
    heard[:, silent] = heard[:, silent].max(1, keepdims=True)
    aligner = Hearing(heard)
    timed = time_words(aligner, torch.zeros(1, len(text), 6), said("one two bed"))
    assert timed.labels.tolist() == [2] * len(text)
    with pytest.raises(InputError, match=place):
        time_words(aligner, torch.zeros(1, len(text), 6), said(written))


def test_changes_with_a_short_word_between_are_one_stretch() -> None:
    old, new = said("one a two bed lamp"), said("zoo a bid bed lamp")
    _, changes = rewrite(old, new)
    assert len(changes) == 2
    labels = np.full(len(old.spell()[0]), 3)
    (stretch,) = _stretches(changes, labels, 60)
    assert (stretch.change.old.start, stretch.change.old.stop) == (changes[0].old.start, changes[1].old.stop)
    labels[5] = 40  # a long "a" keeps them apart
    assert len(_stretches(changes, labels, 90)) == 2


def test_the_aligner_is_read_back(tmp_path: Path) -> None:
    aligner = Aligner(AlignerConfig())
    save_aligner(tmp_path, aligner)
    values = torch.rand(1, 9, 6)
    again = load_aligner(tmp_path).log_probabilities(values)
    assert again.shape == (18, ENGLISH)
    assert np.allclose(again, aligner.eval().log_probabilities(values), atol=0.02)


def test_spelling_knows_the_owners() -> None:
    symbols, owners, _ = spell(OLD.phonemes, (), opened=False, final=True)
    assert "".join(SYMBOLS[s] for s in symbols) == "_wˈʌn tˈu θɹˈi._"
    assert [owners[i] for i in (0, 1, 5, 6, 9, 10, len(owners) - 1)] == [-1, 0, -1, 1, -1, 2, -1]

"""Word error rate that forgives spelling and nothing else, and judgements that are made once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("whisper_normalizer")
pytest.importorskip("rapidfuzz")

from judging import evaluation
from judging.evaluation import Judgement, JudgementCache, Judges, evaluate, read_sentences
from judging.wer import corpus_rate, count_errors, standard_error, word_error_rate


@pytest.mark.parametrize(
    ("reference", "heard"),
    [
        ("I have 2 dogs.", "i have two dogs"),
        ("It's at 7:30 pm.", "It is at seven thirty p.m."),
        ("It's at 7:30 pm.", "it's at 7.30 PM"),
        ("At seven o'clock, we cannot stay.", "At 7 o'clock we can't stay"),
        ("It is 5 0 7 2.", "it is 5072"),
        ("Oh, the colour of it!", "oh the color of it"),
        ("Mr. Brown paid $29.50.", "Mister Brown paid twenty nine dollars and fifty cents"),
        ("In 1984 we lost 25%.", "in nineteen eighty four we lost twenty five percent"),
    ],
)
def test_spelling_is_forgiven(reference: str, heard: str) -> None:
    assert count_errors(reference, heard).errors == 0


def test_edits_are_told_apart() -> None:
    errors = count_errors("the cat sat on the mat", "the cat sat in the big")
    assert (errors.substitutions, errors.deletions, errors.insertions, errors.words) == (2, 0, 0, 6)
    assert count_errors("red green blue", "").deletions == 3
    assert count_errors("", "hello there").insertions == 2


def test_the_rate_is_over_all_words_not_over_sentences() -> None:
    assert word_error_rate(["a b c d e f g h i", "z"], ["a b c d e f g h i", "y"]) == pytest.approx(0.1)
    assert word_error_rate([], []) == 0.0
    with pytest.raises(ValueError, match="zip"):
        word_error_rate(["a"], [])


def test_the_standard_error_is_repeatable_and_shrinks() -> None:
    errors = [count_errors("alpha beta gamma delta", heard) for heard in ("alpha beta gamma delta", "alpha beta")]
    few, many = standard_error(errors * 5), standard_error(errors * 80)
    assert few == standard_error(errors * 5)
    assert 0 < many < few
    assert corpus_rate(errors) == 0.25
    assert standard_error(errors[:1]) == 0.0


class CountingJudges(Judges):
    """Hears the same words in everything, and counts how often it really listened."""

    def __init__(self, path: Path) -> None:
        super().__init__(cache=JudgementCache(path))
        self.listened = 0


@pytest.fixture
def judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CountingJudges:
    made = CountingJudges(tmp_path / "judgements.jsonl")

    class Hearing:
        def __init__(self, *, threads: int) -> None:
            del threads

        def __call__(self, samples: object, sample_rate: int) -> str:
            del samples, sample_rate
            made.listened += 1
            return "hello world"

    monkeypatch.setattr(evaluation, "Transcriber", Hearing)
    monkeypatch.setattr(evaluation, "naturalness", lambda *_, **__: evaluation.Naturalness(4.0, 3.5, 4.1, 3.2))
    return made


def clip(value: float, count: int = 2400) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.full(count, value, np.float32)


def test_a_report_adds_up(judges: CountingJudges) -> None:
    report = evaluate(
        [("a", "Hello, world!", clip(0.1)), ("b", "hello word", clip(0.2))], judges=judges, progress=False
    )
    assert report.wer == 0.25
    assert report.summary()["wer_percent"] == 25.0
    assert report.seconds == pytest.approx(0.2)
    assert (report.p808, report.ovrl) == (4.0, 3.2)
    assert [row.errors for row in report.sentences] == [0, 1]
    assert report.worst(1)[0].id == "b"


def test_the_same_audio_is_judged_once_even_by_another_run(judges: CountingJudges, tmp_path: Path) -> None:
    pairs = [("a", "hello world", clip(0.1)), ("b", "another text", clip(0.1)), ("c", "hello", clip(0.1, 2401))]
    evaluate(pairs, judges=judges, progress=False)
    assert judges.listened == 2
    again = Judges(cache=JudgementCache(tmp_path / "judgements.jsonl"))
    evaluate(pairs, judges=again, progress=False)
    assert judges.listened == 2


def test_a_cut_line_in_the_cache_costs_one_judgement_only(tmp_path: Path) -> None:
    path = tmp_path / "judgements.jsonl"
    cache = JudgementCache(path)
    cache.put("whole", Judgement("hello", 4.0, 3.0, 3.0, 3.0))
    with path.open("a") as file:
        file.write('{"key": "cut", "hea')
    assert JudgementCache(path).get("whole") == Judgement("hello", 4.0, 3.0, 3.0, 3.0)
    assert JudgementCache(path).get("cut") is None


def test_no_sentences_give_an_empty_report(judges: CountingJudges) -> None:
    report = evaluate([], judges=judges, progress=False)
    assert (report.wer, report.wer_error, report.sentences) == (0.0, 0.0, ())
    assert np.isnan(report.p808)


def test_sentence_files(tmp_path: Path) -> None:
    path = tmp_path / "text.tsv"
    path.write_text("# comment\n\na1\tHello there.\nJust a line\n", encoding="utf-8")
    assert read_sentences(path) == [("a1", "Hello there."), ("0004", "Just a line")]


def test_the_command_line(
    tmp_path: Path, judges: CountingJudges, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "a1.wav", clip(0.1), 24_000)
    text = tmp_path / "text.tsv"
    text.write_text("a1\tHello world\nb2\tMissing\n")
    monkeypatch.setattr(evaluation, "Judges", lambda **_: judges)
    argv = ["evaluation", "--wavs", str(tmp_path), "--text", str(text)]
    monkeypatch.setattr("sys.argv", argv)
    with pytest.raises(SystemExit, match=r"1 of 2 waves are missing.*b2\.wav"):
        evaluation.main()
    monkeypatch.setattr("sys.argv", [*argv, "--limit", "1", "--json", str(tmp_path / "out.json")])
    evaluation.main()
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["wer_percent"] == 0.0
    assert json.loads((tmp_path / "out.json").read_text())["rows"][0]["heard"] == "hello world"

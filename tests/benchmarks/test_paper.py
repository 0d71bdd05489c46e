"""The paper's benchmark: every table on a tiny voice, and its measures on cases whose answer is known."""

from __future__ import annotations

import argparse
import functools
import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import hibari
import numpy as np
import pytest
import torch

pytest.importorskip("psutil")

import paper
from judging import evaluation
from reproduction import dependence as paper_dependence
from reproduction import lengths as paper_lengths
from reproduction import stand as paper_stand
from reproduction.plots import draw
from reproduction.results import HEADINGS, load
from reproduction.stand import Stand
from support.tiny_voice import tiny_model, tiny_prefix, tiny_voices

from voiceagent.model import weights
from voiceagent.model.lm.aligner import Aligner, AlignerConfig
from voiceagent.text.phonemes.phonemizer import MisakiPhonemizer
from voiceagent.training import teachers
from voiceagent.training.language_model import LanguageModelTraining
from voiceagent.training.prefix.train import PrefixTraining
from voiceagent.training.teachers import BOUNDARY, TaughtUtterance


class Hummer:
    """A teacher that hums, every sound for 50 ms, longer when read again."""

    name = "heart"

    def __init__(self, seed: int = 0) -> None:
        self.each_s = 0.05 * (1 + seed)

    def __call__(self, phonemes: str, *, speed: float = 1.0) -> TaughtUtterance:
        durations = np.full(len(phonemes) + 2, self.each_s, np.float32)
        clock = np.arange(round(durations.sum() * 24_000)) / 24_000
        samples = (0.3 * np.sin(2 * np.pi * 150 * clock)).astype(np.float32)
        f0 = np.full(len(samples) // 240, 150, np.float32)
        return TaughtUtterance(samples, BOUNDARY + phonemes + BOUNDARY, durations, f0)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Voices and every run that the tables ask for, tiny."""
    folder = tmp_path_factory.mktemp("paper")
    weights.save(folder / "voices", tiny_voices())
    weights.save_aligner(folder / "voices", Aligner(AlignerConfig()))
    stages = ("parent", "converted", "mixed", "scratch", "unshifted")
    for run in (f"{stage}{layout}" for stage in stages for layout in ("", "-prefix")):
        model = tiny_prefix() if run.endswith("prefix") else tiny_model()
        usual = PrefixTraining() if run.endswith("prefix") else LanguageModelTraining()
        training = replace(usual, masks=("offline",), shift="unshifted" not in run)
        saved = {"average": model.state_dict(), "config": asdict(model.config), "step": 3, "training": asdict(training)}
        (folder / run).mkdir()
        torch.save(saved, folder / run / "last.pt")
        torch.save(saved | {"step": 2}, folder / run / "step-000002.pt")
    return folder


phonemizer, front_end = functools.cache(MisakiPhonemizer), functools.cache(hibari.Hibari)  # a second to load


@pytest.fixture(autouse=True)
def short_texts(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two short sentences, and dictionaries that are loaded once."""
    folder = tmp_path_factory.mktemp("texts")
    lines = "a\tThe old man went home at last.\nb\tNobody had seen him there before.\n"
    (folder / "librispeech_like.tsv").write_text(lines, encoding="utf-8")
    monkeypatch.setattr(paper_stand, "DATA", folder)
    monkeypatch.setattr(paper_stand, "MisakiPhonemizer", phonemizer)
    monkeypatch.setattr(hibari, "Hibari", front_end)


@pytest.fixture
def judges(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Judges that need no model, and a teacher that hums."""
    monkeypatch.setattr(evaluation, "Transcriber", lambda **_: lambda *_: "hello")
    monkeypatch.setattr(evaluation, "naturalness", lambda *_, **__: evaluation.Naturalness(4.0, 3.5, 4.1, 3.2))
    monkeypatch.setattr(teachers, "TEACHERS", {"heart": Hummer, "joe": Hummer})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def arguments(checkpoints: Path, results: Path, *more: str) -> list[str]:
    given = {"--limit": "2", "--weights": checkpoints / "voices", "--runs": checkpoints, "--results": results}
    return [*(str(word) for pair in given.items() for word in pair), *more]


def stand_of(checkpoints: Path, tmp_path: Path, *more: str) -> Stand:
    return Stand(paper.parse(arguments(checkpoints, tmp_path, *more)))


ALIGNED = tuple(paper.MAKERS)
PREFIX = tuple(name for name in paper.MAKERS if name not in paper.OF_ALIGNED)


@pytest.mark.usefixtures("judges")
@pytest.mark.parametrize(
    ("layout", "name"), [*(("aligned", name) for name in ALIGNED), *(("prefix", name) for name in PREFIX)]
)
def test_every_table_is_made_and_kept(
    layout: str, name: str, checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(paper_dependence, "POSITIONS", 2)
    limit = 2 if name == "check" else 1
    asked = ("--table", name, "--layout", layout, "--voice", "joe", "--limit", str(limit))
    paper.main(arguments(checkpoints, tmp_path, *asked))
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(last["tables"]) == [name]
    (table,) = load(tmp_path).values()
    assert (table.name, table.layout, table.voice, table.run["limit"]) == (name, layout, "joe", limit)
    assert len(table.rows) > 1
    assert all(math.isfinite(value) for row in table.rows for value in row.figures.values())
    assert all(len(cells) == len(table.columns) + 1 for cells in table.cells())
    assert set(table.columns) >= {"wer"} or name in ("dependence", "order", "durations", "alignment", "check")


@pytest.mark.parametrize(("layout", "command"), [("aligned", "train parent`"), ("prefix", "parent --layout prefix")])
def test_a_missing_checkpoint_is_named_with_its_command(
    layout: str, command: str, checkpoints: Path, tmp_path: Path
) -> None:
    stand = stand_of(checkpoints, tmp_path, "--layout", layout, "--runs", str(tmp_path / "nothing"))
    with pytest.raises(SystemExit, match=command):
        _ = stand.parent


@pytest.mark.usefixtures("judges")
def test_without_a_name_every_table_whose_models_are_there_is_made(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("parent", "conversion", "durations", "order")
    monkeypatch.setattr(paper, "MAKERS", {name: paper.MAKERS[name] for name in names})
    nothing = ("--runs", str(tmp_path / "nothing"))
    paper.main(arguments(checkpoints, tmp_path, "--limit", "1", *nothing))
    assert "left out: parent" in (out := capsys.readouterr().out)
    assert list(json.loads(out.splitlines()[-1])["tables"]) == ["durations", "order"]
    paper.main(arguments(checkpoints, tmp_path, "--limit", "1", "--layout", "prefix"))
    assert list(json.loads(capsys.readouterr().out.splitlines()[-1])["tables"]) == ["parent", "conversion", "order"]


@pytest.mark.usefixtures("judges")
def test_true_lengths_are_those_of_the_teacher(checkpoints: Path, tmp_path: Path) -> None:
    stand = stand_of(checkpoints, tmp_path)
    spoken = stand.teacher_speech[0]
    assert spoken.canvas.tokens == len(spoken.digits)
    ends = paper_lengths.word_ends_s(spoken.canvas)
    assert len(ends) == len(spoken.words)
    assert ends[-1] == pytest.approx(len(spoken.digits) / 25)
    assert all(np.diff(ends) > 0)
    true = [true for _, true in paper_lengths.in_chunks(stand, spoken, 3)]
    assert sum(true) == pytest.approx(ends[-1])
    again = next(row for row in paper_lengths.durations(stand).rows if "again" in row.label)
    assert again.figures["relative"] == pytest.approx(100, abs=5)  # Hummer reads at half the rate the second time


@pytest.mark.usefixtures("judges")
def test_pictures_are_drawn_from_tables_as_they_are_made(checkpoints: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for layout, name in (
        ("aligned", "conversion"),
        ("aligned", "dependence"),
        ("aligned", "order"),
        ("prefix", "alignment"),
    ):
        stand = stand_of(checkpoints, tmp_path, "--layout", layout, "--limit", "1")
        draw(name, [paper.MAKERS[name](stand)], tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / f"{name}.png").stat().st_size < 150_000


def test_no_sentences_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        paper.parse(["--limit", "0"])
    assert "at least one" in capsys.readouterr().err
    assert isinstance(paper.parse([]), argparse.Namespace)
    assert set(HEADINGS) >= {"wer", "gain", "kl"}

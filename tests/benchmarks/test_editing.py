"""`voiceagent bench editing`: which edits it makes, how it counts, and a run from end to end with a voice that knows nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from support.tiny_voice import tiny_voices

pytest.importorskip("psutil")
pytest.importorskip("matplotlib")

import editing
from editing import KINDS, Task, misheard, tasks_of
from instruments import editing_page
from judging import evaluation

from voiceagent.editing import transcript
from voiceagent.model.lm.aligner import Aligner, AlignerConfig
from voiceagent.model.weights import save, save_aligner

TEXT = "the old garden lies behind the house near the river"


@pytest.mark.parametrize(("kind", "longer", "new"), [*zip(KINDS, (0, 2, -1, 1), (1, 2, 0, 2), strict=True)])
def test_edits_are_what_they_are_called(kind: str, longer: int, new: int) -> None:
    (task,) = tasks_of(kind, [("a", "too short"), ("b", TEXT)], 5)
    words = task.to.split()
    assert len(words) == len(TEXT.split()) + longer
    assert len(task.new) == new
    assert all(words[place] in editing.WORDS for place in task.new)


def test_errors_are_counted_where_they_are() -> None:
    task = Task("a", "one dog three", "one forest three", (1,), ("dog",))
    assert task.gone_for_good == ("dog",)
    assert misheard(task, "one forest three") == (0, 1, 0, 2)
    assert misheard(task, "one for us three") == (1, 1, 1, 2)
    assert misheard(task, "forest three") == (0, 1, 1, 2)


def test_recordings_need_their_texts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        editing.parse(["--wavs", "x"])
    assert "belong together" in capsys.readouterr().err


def test_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    save(tmp_path, tiny_voices())
    save_aligner(tmp_path, Aligner(AlignerConfig()))
    rng = np.random.default_rng(0)
    monkeypatch.setattr(
        editing, "speak", lambda *_: {text: rng.normal(0, 0.1, 90_000).astype(np.float32) for text in _[3]}
    )
    monkeypatch.setattr(transcript, "FIT", -1e9)
    monkeypatch.setattr(transcript, "UNSAID", -1e9)
    monkeypatch.setattr(evaluation, "Transcriber", lambda **_: lambda *_: "hello")
    monkeypatch.setattr(evaluation, "naturalness", lambda *_, **__: evaluation.Naturalness(4.0, 3.5, 4.1, 3.2))
    monkeypatch.setattr("judging.judges.speaker_similarity", lambda *_: 0.9)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    editing.main(["--limit", "1", "--weights", str(tmp_path), "--pictures", str(tmp_path)])
    last = capsys.readouterr().out.splitlines()[-1]
    rows = json.loads(last)["kinds"]
    assert list(rows) == ["unedited", *KINDS]
    for kind in KINDS:
        assert rows[kind]["edits"] == 1
        assert 0 < rows[kind]["unchanged_percent"] < 100
        assert rows[kind]["rest_wrong_percent"] > 90
        assert (tmp_path / f"edit-{kind}.png").stat().st_size < 150_000
    assert (
        rows["insertion"]["new_words_wrong_percent"] == rows["insertion"]["said_whole_new_words_wrong_percent"] == 100
    )
    assert rows["substitution"]["speaker_whole"] == 0.9
    log, page = tmp_path / "run.log", tmp_path / "page.md"
    log.write_text(f"a table\n{last}\n")
    page.write_text(f"before\n{editing_page.BEGIN}old\n{editing_page.END}after\n")
    editing_page.write(page, [log])
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert f"| {rows['several']['unchanged_percent']} |" in text
    log.write_text("half a run")
    with pytest.raises(SystemExit, match="let the run finish"):
        editing_page.write(page, [log])

"""The benchmark of settings: how its arguments are read, which sentences are hard, and a run from end to end."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("faster_whisper")
pytest.importorskip("whisper_normalizer")
pytest.importorskip("rapidfuzz")

import settings
from support.fakes import FakeEngine

from voiceagent.settings.engine import EngineConfig


def test_a_way_is_settings_and_steps() -> None:
    assert settings.read_way("guard=false,threads=2,steps=3") == settings.Way(
        "guard=false,threads=2,steps=3", EngineConfig(guard=False, threads=2), 3
    )


@pytest.mark.parametrize("text", ["beauty=2", "guard=maybe", "steps=few", "device=abacus"])
def test_a_way_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SystemExit) as left:
        settings.parse([text])
    assert left.value.code == 2


def test_hard_sentences_have_rare_words(tmp_path: Path) -> None:
    common = ["the", "cat", "and", "a", "dog", "ran", "home", "today"]
    texts = [" ".join(common[k % 8] for k in (n, n // 8, n // 64, n // 512)) for n in range(4_000)]
    rare = [f"the cat and a xylograph{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(400)]
    with gzip.open(tmp_path / "some.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join([*texts, *rare]))
    found = settings.read_texts(settings.parse(["steps=4", "--text", str(tmp_path), "--hard", "--limit", "3"]))
    assert found
    assert all("xylograph" in text for _, text in found)


def test_from_end_to_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("voiceagent.agent.load_engine", lambda *_: FakeEngine())
    monkeypatch.setattr(settings, "naturalness", lambda *_: type("Score", (), {"p808": 3.0}))
    heard = {"tiny.en": lambda samples, _: "good morning" if len(samples) else "", "base": None}
    monkeypatch.setattr("settings.Hearing.installed", lambda name, threads: heard[name])
    settings.main(["steps=4", "steps=2,guard=false", "--limit", "4"])
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(said["ways"]) == ["steps=4", "steps=2,guard=false"]
    for figures in said["ways"].values():
        assert figures["tiny.en"]["more_than_the_first"] == 0.0
        assert figures["tiny.en"]["words"] > 4
        assert figures["p808"] == 3.0
        assert np.isfinite(figures["cpu_s_a_second"])

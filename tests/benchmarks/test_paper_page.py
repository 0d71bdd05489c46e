"""The page of the paper's benchmark: tables are kept as they are made, and nothing on it is typed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("psutil")

import paper
from reproduction import page as paper_page
from reproduction.results import Row, Table, load, save, written


def made(name: str, **more: object) -> Table:
    rows = [
        Row("1 steps", {"wer": 2.345, "wer_error": 0.5, "p808": 4.0}),
        Row("8 steps", {"wer": 1.0, "wer_error": 0.4, "p808": 4.1}),
    ]
    run = {"machine": {"date": "today", "cpu": "abacus", "load": 0.1}, "limit": 2, "set": "talk"}
    return replace(Table(name, "Title", "aligned", "heart", rows, ["a note on KL"], run=run), **more)  # type: ignore[arg-type]


def test_tables_are_kept_as_they_are(tmp_path: Path) -> None:
    table = made("steps", data={"x": [1.5]})
    save(tmp_path, table)
    assert load(tmp_path) == {("steps", "aligned", "heart"): table}
    assert table.cells() == [["1 steps", "2.3 ± 0.5", "4.00"], ["8 steps", "1.0 ± 0.4", "4.10"]]
    assert written(table.rows[0].figures, "ovrl") == ""


def test_the_page_holds_tables_figures_and_pictures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    template = (
        "Best: {{figure steps aligned heart wer 8 steps}}, first {{figure steps aligned heart wer #1}}.\n"
        "{{table steps aligned heart}}\n{{picture steps aligned heart,joe}}\n"
        "{{table blocks prefix joe}} {{figure blocks prefix joe wer x}}, {{figure steps aligned heart wer 9 steps}}"
    )
    text = paper_page.page({("steps", "aligned", "heart"): made("steps")}, template, tmp_path)
    assert text.startswith("Best: 1.0 ± 0.4, first 2.3 ± 0.5.")
    assert "| 1 steps | 2.3 ± 0.5 | 4.00 |" in text
    assert "A note on KL." in text
    assert "--voice heart --set talk --limit 2`; today, abacus" in text
    (picture,) = tmp_path.glob("*.png")
    assert f"({picture.name})" in text
    assert "Not measured yet: `voiceagent bench paper --table blocks --layout prefix --voice joe`" in text
    assert text.endswith("(not measured), (not measured)")  # no such table, no such row


@pytest.mark.parametrize(
    "wrong", ["{{table steps}}", "{{figure steps aligned heart speed 8 steps}}", "{{picture x aligned heart}}"]
)
def test_a_template_that_asks_for_nonsense_is_refused(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(paper_page.TemplateError):
        paper_page.page({("steps", "aligned", "heart"): made("steps")}, wrong, tmp_path)


def test_the_template_asks_for_tables_that_can_be_made(tmp_path: Path) -> None:
    template = paper_page.TEMPLATE.read_text(encoding="utf-8")
    assert paper_page.page({}, template, tmp_path).count("Not measured yet") > 10
    asked = {match[2].split(" ")[0] for match in paper_page.PLACE.finditer(template)}
    assert asked == set(paper.MAKERS)


def test_writing_without_tables_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="--table"):
        paper.main(["--results", str(tmp_path), "--write", str(tmp_path / "paper.md")])


def test_the_page_is_written_from_kept_tables(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    save(tmp_path / "results", made("orders"))
    paper.main(["--results", str(tmp_path / "results"), "--write", str(tmp_path / "docs" / "results" / "paper.md")])
    assert "| 8 steps | 1.0 ± 0.4 | 4.10 |" in (tmp_path / "docs" / "results" / "paper.md").read_text(encoding="utf-8")

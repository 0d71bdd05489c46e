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
from torch import Tensor

pytest.importorskip("psutil")

import paper
import paper_alignment
import paper_commitment
import paper_decoding
import paper_dependence
import paper_lengths
import paper_page
import paper_stand
from paper_dependence import BOTH, CAUSAL, DISTANCES, NEITHER, VIEWS, View
from paper_layouts import Aligned, Canvas, Predictor, Prefix, cut, left_to_right, margin, whole
from paper_plots import draw
from paper_results import HEADINGS, Row, Table, load, save, written
from paper_stand import Spoken, Stand
from tiny_voice import SHAPE, tiny_model, tiny_voices

from voiceagent.model import weights
from voiceagent.model.aligner import Aligner, AlignerConfig
from voiceagent.model.decoding import DecodingOptions
from voiceagent.model.filling import fill
from voiceagent.model.language_model import LanguageModelConfig
from voiceagent.model.prefix import PrefixLanguageModel, fill_prefix
from voiceagent.model.symbols import encode
from voiceagent.text.phonemizer import MisakiPhonemizer
from voiceagent.training import evaluation, teachers
from voiceagent.training.language_model import LanguageModelTraining
from voiceagent.training.teachers import BOUNDARY, Utterance

PREFIX_CONFIG = LanguageModelConfig(speech=SHAPE, text=SHAPE)


class Hummer:
    """A teacher that hums, every sound for 50 ms, longer when read again."""

    name = "heart"

    def __init__(self, seed: int = 0) -> None:
        self.each_s = 0.05 * (1 + seed)

    def __call__(self, phonemes: str, *, speed: float = 1.0) -> Utterance:
        durations = np.full(len(phonemes) + 2, self.each_s, np.float32)
        clock = np.arange(round(durations.sum() * 24_000)) / 24_000
        samples = (0.3 * np.sin(2 * np.pi * 150 * clock)).astype(np.float32)
        f0 = np.full(len(samples) // 240, 150, np.float32)
        return Utterance(samples, BOUNDARY + phonemes + BOUNDARY, durations, f0)


def tiny_prefix() -> PrefixLanguageModel:
    torch.manual_seed(1)
    return PrefixLanguageModel(PREFIX_CONFIG).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Voices and every run that the tables ask for, tiny."""
    folder = tmp_path_factory.mktemp("paper")
    weights.save(folder / "voices", tiny_voices())
    weights.save_aligner(folder / "voices", Aligner(AlignerConfig()))
    stages = ("parent", "converted", "mixed", "scratch", "unshifted")
    for run in (f"{stage}{layout}" for stage in stages for layout in ("", "-prefix")):
        model = tiny_prefix() if run.endswith("prefix") else tiny_model()
        training = replace(LanguageModelTraining(masks=("offline",)), shift="unshifted" not in run)
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


def canvas(text: str = "_hˈO ɹ_", each_s: float = 0.1) -> Canvas:
    symbols = encode(text)
    word, owners = 0, []
    for symbol in text:
        word += symbol == " "
        owners.append(-1 if symbol in " _" else word)
    return Canvas(tuple(symbols), tuple(owners), torch.full((len(symbols),), each_s).double())


def test_decoding_as_a_whole_is_the_reference_path() -> None:
    spoken, options = canvas(), DecodingOptions(steps=4)
    torch.manual_seed(0)
    aligned, prefix = Aligned(tiny_model(), 1), Prefix(tiny_prefix(), 1)
    nothing, masked = torch.zeros(spoken.tokens, 6, dtype=torch.long), torch.ones(spoken.tokens, dtype=torch.bool)
    expected = fill(aligned.model, nothing, masked, aligned.conditioning(spoken), options)
    assert torch.equal(whole(aligned, spoken, options)[0], expected)
    found, _ = fill_prefix(prefix.model, torch.tensor(spoken.symbols), 1, spoken.tokens, options)
    assert torch.equal(whole(prefix, spoken, options)[0], found)


def test_without_shift_a_slot_holds_its_own_token() -> None:
    """A slot that cannot see the others (no attention) knows of its own token, or else of the one before."""
    torch.manual_seed(0)
    model = tiny_model()
    for block in model.transformer.layers:
        torch.nn.init.zeros_(block.o_proj.weight)  # type: ignore[union-attr, arg-type]
    spoken = canvas()
    for shift, affected in ((True, 4), (False, 3)):
        predict = Aligned(model, 0, shift=shift).predictor(spoken)
        digits, masked = (
            torch.zeros(2, spoken.tokens, 6, dtype=torch.long),
            torch.zeros(2, spoken.tokens, dtype=torch.bool),
        )
        digits[1, 3] = 2
        changed = (predict(digits, masked).diff(dim=0)[0].abs().amax(-1) > 1e-6).nonzero().flatten().tolist()
        assert changed == [affected]
        digits[1, 3] = 0
        masked[1, 3] = True
        hidden = (predict(digits, masked).diff(dim=0)[0].abs().amax(-1) > 1e-6).nonzero().flatten().tolist()
        assert hidden == [affected]


def test_blocks_cover_what_they_are_cut_from() -> None:
    sizes = [[len(part) for part in cut(torch.zeros(tokens, 4), 16, 8)] for tokens in (41, 5, 0)]
    assert sizes == [[8, 16, 16, 1], [5], []]


def test_the_papers_confidence_is_the_gap_between_the_best_two() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.9, 0.05, 0.05]]))
    tokens, sure = margin(logits, torch.zeros(3), (3,), torch.ones(1))
    assert tokens.tolist() == [[0], [0]]
    assert sure.tolist() == pytest.approx([0.2, 0.85])


def chain(flip: float) -> tuple[Tensor, Predictor]:
    """A Markov chain of bits that flip so often, and the exact prediction of the one in the middle from whatever is known."""

    def predict(digits: Tensor, masked: Tensor) -> Tensor:
        logits, middle = torch.zeros(*masked.shape, 2), masked.shape[1] // 2
        for row, hidden in enumerate(masked):
            known = (~hidden).nonzero().flatten()
            for side in (known[known < middle][-1:], known[known > middle][:1]):
                for other in side:
                    agree = 0.5 + 0.5 * (1 - 2 * flip) ** abs(int(other) - middle)
                    bit = int(digits[row, other, 0])
                    logits[row, middle] += torch.log(
                        torch.tensor([agree, 1 - agree] if bit == 0 else [1 - agree, agree])
                    )
        return logits

    torch.manual_seed(0)
    bits = torch.cumsum((torch.rand(4000) < flip).long(), 0) % 2
    return bits[:, None], predict


def test_the_gain_of_the_future_is_right_where_it_is_known() -> None:
    flip = 0.2
    bits, predict = chain(flip)
    found = [paper_dependence.question(predict, (2,), bits[at - 20 : at + 21], 20) for at in range(40, 3900, 4)]
    entropies, divergences = (torch.stack([pair[n] for pair in found]) for n in (0, 1))
    rows = {row.label: row.figures for row in paper_dependence.rows_of(entropies, divergences)}

    def entropy(p: float) -> float:
        return -(p * math.log(p) + (1 - p) * math.log(1 - p))

    two = 2 * flip * (1 - flip)  # odds that a bit differs from the next but one
    information = entropy(two) - entropy(flip)  # of a bit and the next, the one before known
    causal = rows["all of the past (causal)"]
    both = rows["all of the past and all of the future: gain is epsilon"]
    assert causal["nats"] == pytest.approx(entropy(flip), abs=0.02)
    assert both["gain"] == pytest.approx(information, abs=0.03)
    assert causal["kl"] == pytest.approx(information, abs=0.03)  # exact predictors: the bound is met
    assert rows["all of the past and 1 of the future"]["gain"] == pytest.approx(both["gain"], abs=1e-4)  # Markov
    assert rows["1 of the past, nothing of the future"]["gain"] == pytest.approx(math.log(2) - entropy(flip), abs=0.03)


def test_views_hide_what_they_say() -> None:
    shown = {view: (~view.masked(7, 3)).nonzero().flatten().tolist() for view in (CAUSAL, BOTH, NEITHER, View(1, 2))}
    assert shown == {CAUSAL: [0, 1, 2], BOTH: [0, 1, 2, 4, 5, 6], NEITHER: [], View(1, 2): [2, 4, 5]}
    assert len(VIEWS) == 2 * len(DISTANCES) + 3


def test_order_of_commitment_is_read_off_the_decoder() -> None:
    torch.manual_seed(0)
    spoken = canvas(each_s=0.2)
    options = DecodingOptions(steps=paper_commitment.STEPS, tau=1.0, alpha=0.0)
    order = paper_commitment.observe(Aligned(tiny_model(), 0), spoken, options, left_to_right)
    assert (np.diff(order.steps) >= 0).all()
    assert order.rank_correlation() > 0.99
    assert order.left_first() == 1.0
    assert order.silent.tolist() == [True] * 5 + [False] * 15 + [True] * 5 + [False] * 5 + [True] * 5
    (first, *_, last) = paper_commitment.heat([order])
    assert [int(np.argmax(first)), int(np.argmax(last))] == [0, int(order.steps.max())]
    assert paper_commitment.row_of("x", [order]).figures["silent_step"] == pytest.approx(
        100 * order.steps[order.silent].mean() / (paper_commitment.STEPS - 1)
    )


def test_ranks_share_places() -> None:
    assert paper_commitment.ranks(np.asarray([3, 1, 3, 7])).tolist() == [2.5, 1.0, 2.5, 4.0]
    assert paper_commitment.spearman(np.arange(5), -np.arange(5)) == pytest.approx(-1)
    assert paper_commitment.spearman(np.arange(5), np.zeros(5)) == 0.0


def test_errors_of_lengths() -> None:
    row = paper_lengths.errors("x", [(1.1, 1.0), (1.8, 2.0)])
    assert row.figures == pytest.approx({"mae_s": 0.15, "relative": 10.0, "bias": -100 * 0.1 / 3, "stretches": 2.0})


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


def test_a_path_through_attention_never_goes_back() -> None:
    truth = np.repeat(np.arange(12), 2)
    attention = np.full((24, 12), 0.01)
    attention[np.arange(24), truth] = 0.9
    assert (paper_alignment.monotonic_path(attention) == truth).all()
    attention[10] = 0.01
    attention[10, 0] = 0.9  # one look back
    path = paper_alignment.monotonic_path(attention)
    assert (np.diff(path) >= 0).all()
    assert abs(path - truth).max() <= 1
    assert paper_alignment.onsets_s(truth, 12).tolist() == pytest.approx([n * 0.08 for n in range(12)])


def test_words_are_taken_out_and_put_in_twice() -> None:
    spoken = canvas("_hˈO ɹɹ ɹ_", each_s=0.04)  # a token a symbol
    digits = torch.arange(spoken.tokens)[:, None].expand(-1, 6)
    said = Spoken("a.0", "a", ("hˈO", "ɹɹ", "ɹ"), spoken, digits)
    out, twice = (paper_alignment.damaged(said, 1, twice=often)[:, 0].tolist() for often in (False, True))
    assert out == [0, 1, 2, 3, 4, 7, 8, 9]
    assert twice == [0, 1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 9]


def test_equal_quality_is_worked_out_from_the_rows() -> None:
    def row(label: str, wer: float, forwards: float, rtf: float) -> Row:
        return Row(label, {"wer": wer, "wer_error": 0.5, "forwards": forwards, "rtf": rtf})

    rows = [row("parent, a", 3.0, 25.0, 0.08), row("parent, b", 2.0, 25.0, 0.06), row("ours, a", 9.0, 1.0, 0.001)]
    assert paper_decoding.equal_quality(rows)[0].figures == {}
    found, how = paper_decoding.equal_quality([*rows, row("ours, b", 2.5, 5.0, 0.02), row("ours, c", 2.0, 10.0, 0.03)])
    assert found.figures == pytest.approx({"forwards_ratio": 5.0, "time_ratio": 3.0})
    assert "'ours, b' against 'parent, b'" in how


def made(name: str, **more: object) -> Table:
    rows = [
        Row("1 steps", {"wer": 2.345, "wer_error": 0.5, "p808": 4.0}),
        Row("8 steps", {"wer": 1.0, "wer_error": 0.4, "p808": 4.1}),
    ]
    run = {"machine": {"date": "today", "cpu": "abacus", "load": 0.1}, "limit": 2, "set": "talk"}
    return replace(Table(name, "Title", "aligned", "heart", rows, ["a note"], run=run), **more)  # type: ignore[arg-type]


def test_tables_are_kept_as_they_are(tmp_path: Path) -> None:
    table = made("steps", data={"x": [1.5]})
    save(tmp_path, table)
    assert load(tmp_path) == {("steps", "aligned", "heart"): table}
    assert table.cells() == [["1 steps", "2.3 ± 0.5", "4.00"], ["8 steps", "1.0 ± 0.4", "4.10"]]
    assert written(table.rows[0].figures, "ovrl") == ""


def test_the_page_holds_tables_figures_and_pictures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    template = (
        "Best: {{figure steps aligned heart wer 8 steps}}.\n{{table steps aligned heart}}\n{{picture steps aligned heart,joe}}\n"
        "{{table blocks prefix joe}} {{figure blocks prefix joe wer x}}, {{figure steps aligned heart wer 9 steps}}"
    )
    text = paper_page.page({("steps", "aligned", "heart"): made("steps")}, template, tmp_path)
    assert text.startswith("Best: 1.0 ± 0.4.")
    assert "| 1 steps | 2.3 ± 0.5 | 4.00 |" in text
    assert "A note." in text
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


def test_writing_without_tables_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="--table"):
        paper.main(["--results", str(tmp_path), "--write", str(tmp_path / "paper.md")])


def test_the_page_is_written_from_kept_tables(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    save(tmp_path / "results", made("orders"))
    paper.main(["--results", str(tmp_path / "results"), "--write", str(tmp_path / "docs" / "paper.md")])
    assert "| 8 steps | 1.0 ± 0.4 | 4.10 |" in (tmp_path / "docs" / "paper.md").read_text(encoding="utf-8")


def test_no_sentences_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        paper.parse(["--limit", "0"])
    assert "at least one" in capsys.readouterr().err
    assert isinstance(paper.parse([]), argparse.Namespace)
    assert set(HEADINGS) >= {"wer", "gain", "kl"}

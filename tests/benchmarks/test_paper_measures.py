"""What the paper's benchmark measures, on cases whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("psutil")

from reproduction import alignment as paper_alignment
from reproduction import commitment as paper_commitment
from reproduction import decoding as paper_decoding
from reproduction import dependence as paper_dependence
from reproduction import lengths as paper_lengths
from reproduction.dependence import BOTH, CAUSAL, DISTANCES, NEITHER, VIEWS, View
from reproduction.layouts import Aligned, Canvas, Predictor, Prefix, cut, left_to_right, margin, whole
from reproduction.results import Row
from reproduction.stand import Spoken
from support.tiny_voice import tiny_model, tiny_prefix

from voiceagent.model.decode.infill import fill
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.symbols import encode
from voiceagent.training.prefix.layout import fill_prefix


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

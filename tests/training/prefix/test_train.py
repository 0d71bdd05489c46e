"""The prefix layout in training: whole sentences, each mask, resuming, and what the commands say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.tiny_voice import SHAPE
from typer.testing import CliRunner

from voiceagent.model.config import LanguageModelConfig
from voiceagent.training.cli import app
from voiceagent.training.export import prefix_model_of
from voiceagent.training.masking import Mask
from voiceagent.training.prefix.stretches import Chunking
from voiceagent.training.prefix.train import PrefixTrainer, PrefixTraining, train_prefix
from voiceagent.training.tokens import TokenSource, Utterances, WholeSentences

CONFIG = LanguageModelConfig(voices=("heart",), speech=SHAPE)
CHUNKING = Chunking(words=(1, 3), ahead=0, whole_odds=0.2)
SHORT = PrefixTraining(
    minutes=0.02, tokens=128, longest=48, blocks=(6, 8), voice_odds=(1.0,), chunking=CHUNKING, compiled=False
)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences whose tokens say which phoneme sounds; three tokens a phoneme."""
    rng = np.random.default_rng(0)
    counts = rng.integers(4, 20, size=60)
    phonemes = rng.integers(1, 5, size=counts.sum())
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "heart").mkdir()
    np.savez(
        folder / "heart" / "0000.npz",
        digits=np.repeat(phonemes, 3)[:, None].repeat(6, 1).astype(np.uint8),
        tokens=3 * counts,
        phonemes=phonemes.astype(np.uint8),
        counts=counts,
        durations_s=np.full(counts.sum(), 0.12, np.float32),
    )
    return folder


@pytest.fixture
def source(tokens: Path) -> TokenSource:
    return TokenSource(tokens, ("heart",), odds=(1.0,), seed=0)


def test_batches_hold_whole_sentences_and_pairs_of_similar_length(source: TokenSource) -> None:
    sentences = WholeSentences(source, tokens=200, longest=60, chunking=CHUNKING)
    known = {tuple(s.digits[:, 0]) for s in source.sentences[0]}
    whole = pairs = there = padded = 0
    for _ in range(60):
        batch = sentences.batch()
        assert batch.digits.shape[0] * batch.digits.shape[1] <= 200
        there, padded = there + int(batch.spoken.sum()), padded + batch.spoken.numel()
        for digits, spoken, phonemes, present in zip(
            batch.digits, batch.spoken, batch.phonemes, batch.present, strict=True
        ):
            said = tuple(digits[spoken][:, 0].tolist())
            assert said == tuple(phonemes[present].repeat_interleave(3).tolist())
            whole += said in known
            pairs += said not in known
            assert len(said) <= 60
            assert not digits[~spoken].any()
    assert min(whole, pairs) > 20
    assert there / padded > 0.8


@pytest.mark.parametrize("mask", ["offline", "streaming", "causal"])
def test_steps_lower_the_loss_of_a_batch(source: TokenSource, mask: Mask) -> None:
    batch = WholeSentences(source, tokens=128, longest=48, chunking=CHUNKING).batch()
    trainer = PrefixTrainer(CONFIG, replace(SHORT, masks=(mask,), muon_lr=0.02, adamw_lr=0.02))
    losses = [trainer.update(batch, 0.3)[mask] for _ in range(40)]
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


@pytest.mark.parametrize("mask", ["offline", "streaming", "causal"])
def test_a_token_that_is_hidden_does_not_leak(source: TokenSource, mask: Mask) -> None:
    """No logit of a masked (or, with the causal mask, of any) token depends on what that token is."""
    batch = WholeSentences(source, tokens=128, longest=48, chunking=CHUNKING).batch()
    trainer = PrefixTrainer(CONFIG, SHORT)
    torch.nn.init.normal_(trainer.model.transformer.layers[0].o_proj.weight)  # type: ignore[arg-type, union-attr]

    def logits(which: Utterances) -> tuple[torch.Tensor, torch.Tensor]:
        torch.manual_seed(3)
        made, masked, _ = trainer._noisy(which, mask)
        return torch.cat(made, -1), masked

    before, masked = logits(batch)
    last = [int(row.nonzero()[-1]) for row in masked & batch.spoken]
    rows = torch.arange(len(last))
    changed = batch.digits.clone()
    changed[rows, last] = (changed[rows, last] + 1) % 5
    after, _ = logits(replace(batch, digits=changed))
    assert torch.allclose(before[rows, last], after[rows, last], atol=1e-6)


def test_a_run_goes_on_from_the_same_state_and_converts(tokens: Path, tmp_path: Path) -> None:
    parent = replace(SHORT, masks=("causal",))
    train_prefix(tokens, tmp_path / "parent", CONFIG, parent)
    saved = torch.load(tmp_path / "parent" / "last.pt", weights_only=False)
    trainer = PrefixTrainer(CONFIG, parent)
    trainer.begin(tmp_path / "parent")
    state = trainer.state()
    assert state["step"] == saved["step"] > 0
    for part in ("model", "average"):
        assert all(torch.equal(state[part][name], value) for name, value in saved[part].items())  # type: ignore[index]
    first, again = (s["optimizers"][0]["state"][0]["momentum_buffer"] for s in (saved, state))  # type: ignore[index]
    assert torch.equal(first, again)
    train_prefix(
        tokens, tmp_path / "converted", CONFIG, replace(SHORT, keep=(1,)), start=tmp_path / "parent" / "last.pt"
    )
    early = prefix_model_of(tmp_path / "converted" / "step-000001.pt")
    assert early.config == CONFIG
    assert torch.allclose(early.out.weight, saved["average"]["out.weight"], atol=0.05)


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (["convert", "--layout", "prefix"], "voiceagent train parent --layout prefix"),
        (["convert", "--layout", "prefix", "--no-shift"], "--no-shift goes with --offline"),
        (["mix", "--layout", "prefix"], "voiceagent train convert --offline --layout prefix"),
        (["mix"], "voiceagent train convert --offline"),
        (["parent", "--layout", "prefix"], "voiceagent train tokens"),
        (["parent", "--layout", "sideways"], "prefix"),
    ],
)
def test_commands_name_the_fix(arguments: list[str], fix: str, tmp_path: Path) -> None:
    folders = ["--data", str(tmp_path / "data"), "--runs", str(tmp_path / "runs")]
    result = CliRunner().invoke(app, [*arguments, *folders], env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert fix in " ".join(result.output.split())

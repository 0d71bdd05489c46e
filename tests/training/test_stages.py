"""Every stage of the training on a corpus of a few seconds: shapes, resuming, and what must never leak."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.tiny_voice import SHAPE, tiny_voices

from voiceagent.model.config import CodecConfig, LanguageModelConfig
from voiceagent.model.weights import load, load_aligner, save
from voiceagent.training import corpus
from voiceagent.training.adversarial import AdversarialTraining, train_adversarially
from voiceagent.training.aligner import AlignerTraining, train_aligner
from voiceagent.training.codec import CodecTraining, train_codec
from voiceagent.training.export import codec_of, export_aligner, language_model_of, unpack
from voiceagent.training.language_model import (
    LanguageModelTrainer,
    LanguageModelTraining,
    train_language_model,
)
from voiceagent.training.masking import block_causal
from voiceagent.training.pitch import track
from voiceagent.training.sentences import sentences, split_of
from voiceagent.training.teachers import TaughtUtterance
from voiceagent.training.tokens import TokenSource, tokenise

TINY = CodecConfig(encoder_frame_width=16, encoder_width=24, token_width=24, frame_width=16)


class Hummer:
    """A teacher that hums one tone a phoneme."""

    name = "heart"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def __call__(self, phonemes: str, *, speed: float = 1.0) -> TaughtUtterance:
        durations = np.full(len(phonemes) + 2, 0.08, np.float32)
        clock = np.arange(round(durations.sum() * 24_000)) / 24_000
        samples = (0.3 * np.sin(2 * np.pi * 150 * clock)).astype(np.float32)
        f0 = np.full(len(samples) // 240, 150, np.float32)
        return TaughtUtterance(samples, "_" + phonemes + "_", durations, f0)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "TEACHERS", {"heart": Hummer, "joe": Hummer})
        for voice in ("heart", "joe"):
            corpus.make_shard(folder, voice, 0, [f"Sentence number {n} is being hummed." for n in range(8)])
    return folder


def test_a_shard_is_read_as_it_was_written(spoken: Path) -> None:
    records = corpus.read_shard(spoken, "heart", 0)
    assert len(records) == 8
    for record in records:
        assert len(record.phonemes) == len(record.durations_s)
        assert record.durations_s.sum() == pytest.approx(len(record.samples) / 24_000, abs=2e-3)
        assert record.split == split_of(record.text)


def test_trimming_takes_silence_only() -> None:
    samples = np.zeros(24_000, np.float32)
    samples[9_600:14_400] = 0.5
    durations = np.asarray([0.35, 0.25, 0.1, 0.3], np.float32)
    trimmed = corpus.trim(TaughtUtterance(samples, "_ab_", durations, np.zeros(100, np.float32)))
    assert np.count_nonzero(trimmed.samples) == 4_800
    assert trimmed.durations_s.sum() == pytest.approx(len(trimmed.samples) / 24_000, abs=1e-4)
    assert trimmed.durations_s[1] == pytest.approx(0.25)
    assert (trimmed.durations_s > 0).all()


def test_splits_are_fixed_and_small() -> None:
    texts = sentences(None, templates=3000)
    shares = {split: sum(split_of(text) == split for text in texts) / len(texts) for split in ("train", "dev", "test")}
    assert shares["train"] > 0.95
    assert min(shares["dev"], shares["test"]) > 0.002
    assert sentences(None, templates=300) == sentences(None, templates=300)


@pytest.mark.parametrize("hz", [70, 91, 150, 240])
def test_pitch_is_neither_doubled_nor_halved(hz: int) -> None:
    clock = np.arange(24_000) / 24_000
    voice = sum(np.sin(2 * np.pi * hz * k * clock) / k for k in range(1, 12))
    f0 = track((0.1 * np.asarray(voice)).astype(np.float32), ceiling_hz=400.0)
    inside = f0[10:-10]
    assert (inside > 0).mean() > 0.95
    assert np.median(inside) == pytest.approx(hz, rel=0.02)


def test_silence_and_noise_have_no_pitch() -> None:
    assert not track(np.zeros(24_000, np.float32)).any()
    noise = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
    assert (track(noise) > 0).mean() < 0.2


def test_block_causal_mask_hides_the_future_and_the_noise() -> None:
    mask = block_causal(torch.tensor([0, 0, 1, 1, 2]))
    noisy, clean = mask[:5], mask[5:]
    assert noisy[2].tolist() == [False, False, True, True, False, True, True, False, False, False]
    assert clean[2].tolist() == [False] * 5 + [True, True, True, True, False]


def test_codec_trains_and_resumes(spoken: Path, tmp_path: Path) -> None:
    short = CodecTraining(minutes=0.03, batch=2, tokens=24, hours=1, compiled=False)
    train_codec(spoken, tmp_path, TINY, short)
    first = torch.load(tmp_path / "last.pt", weights_only=False)
    train_codec(spoken, tmp_path, TINY, CodecTraining(minutes=0.06, batch=2, tokens=24, hours=1, compiled=False))
    second = torch.load(tmp_path / "last.pt", weights_only=False)
    assert second["step"] > first["step"] > 0
    assert second["seconds"] > first["seconds"]


def test_adversarial_stage_changes_the_decoder_and_not_the_tokens(spoken: Path, tmp_path: Path) -> None:
    options = CodecTraining(minutes=0.01, batch=1, tokens=24, hours=1, compiled=False)
    train_codec(spoken, tmp_path / "codec", TINY, options)
    before = codec_of(tmp_path / "codec" / "last.pt")
    training = AdversarialTraining(minutes=0.015, batch=1, tokens=28, hours=1, alone_steps=1, compiled=False)
    train_adversarially(spoken, tmp_path / "adversarial", TINY, training, start=tmp_path / "codec" / "last.pt")
    after = codec_of(tmp_path / "adversarial" / "last.pt")
    samples = torch.randn(1, 9600) * 0.1
    assert torch.equal(before.encode(samples), after.encode(samples))
    assert not torch.equal(before.decoder.filters.weight, after.decoder.filters.weight)


def test_language_model_trains_on_what_the_codec_made(spoken: Path, tmp_path: Path) -> None:
    train_codec(
        spoken, tmp_path / "codec", TINY, CodecTraining(minutes=0.01, batch=1, tokens=24, hours=1, compiled=False)
    )
    tokenise(codec_of(tmp_path / "codec" / "last.pt"), spoken, tmp_path / "tokens")
    training = LanguageModelTraining(
        minutes=0.05, batch=2, tokens=48, streaming_tokens=32, phonemes=96, blocks=(6, 8), compiled=False
    )
    train_language_model(tmp_path / "tokens", tmp_path / "lm", LanguageModelConfig(speech=SHAPE, text=SHAPE), training)
    rows = [json.loads(line) for line in (tmp_path / "lm" / "log.jsonl").read_text().splitlines()]
    assert rows
    assert all(np.isfinite(value) for row in rows for value in row.values())


@pytest.mark.parametrize("options", [{"masks": ("causal",)}, {"masks": ("offline",), "shift": False}])
def test_a_parent_and_ablations_train_and_are_converted(spoken: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    train_codec(
        spoken, tmp_path / "codec", TINY, CodecTraining(minutes=0.01, batch=1, tokens=24, hours=1, compiled=False)
    )
    tokenise(codec_of(tmp_path / "codec" / "last.pt"), spoken, tmp_path / "tokens")
    config = LanguageModelConfig(voices=("heart",), speech=SHAPE, text=SHAPE)
    shape = LanguageModelTraining(
        minutes=0.03, batch=2, tokens=32, streaming_tokens=24, phonemes=40, voice_odds=(1.0,), compiled=False
    )
    train_language_model(tmp_path / "tokens", tmp_path / "parent", config, replace(shape, **options))
    before = torch.load(tmp_path / "parent" / "last.pt", weights_only=False)
    name = "causal" if "shift" not in options else "offline"
    rows = [json.loads(line) for line in (tmp_path / "parent" / "log.jsonl").read_text().splitlines()]
    assert all(name in row for row in rows)
    trainer = LanguageModelTrainer(config, shape)
    trainer.begin_with(tmp_path / "parent" / "last.pt")
    weights = trainer.model.state_dict()
    assert all(torch.equal(weights[key], value) for key, value in before["average"].items())
    start = tmp_path / "parent" / "last.pt"
    train_language_model(tmp_path / "tokens", tmp_path / "converted", config, replace(shape, keep=(1, 2)), start=start)
    after = torch.load(tmp_path / "converted" / "last.pt", weights_only=False)
    assert after["step"] >= 2
    kept = torch.load(tmp_path / "converted" / "step-000002.pt", weights_only=False)
    assert kept["step"] == 2
    assert {"model", "optimizers"} & set(kept) == set()
    assert before["training"]["shift"] is options.get("shift", True)
    language_model_of(tmp_path / "converted" / "step-000001.pt", config)
    assert not torch.equal(after["model"]["out.weight"], before["average"]["out.weight"])


def test_aligner_learns_from_the_same_tokens(spoken: Path, tmp_path: Path) -> None:
    train_codec(
        spoken, tmp_path / "codec", TINY, CodecTraining(minutes=0.01, batch=1, tokens=24, hours=1, compiled=False)
    )
    tokenise(codec_of(tmp_path / "codec" / "last.pt"), spoken, tmp_path / "tokens")
    options = AlignerTraining(minutes=0.1, batch=4, tokens=48)
    train_aligner(tmp_path / "tokens", tmp_path / "aligner", options, levels=TINY.levels, voices=("heart",))
    rows = [json.loads(line) for line in (tmp_path / "aligner" / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["phonemes"] < 0.9 * rows[0]["phonemes"]
    export_aligner(tmp_path / "aligner" / "last.pt", tmp_path)
    assert load_aligner(tmp_path).log_probabilities(torch.zeros(1, 5, 6)).shape[0] == 10


def test_training_goes_on_from_voices_that_ship(spoken: Path, tmp_path: Path) -> None:
    voices = tiny_voices()
    save(tmp_path / "voices", voices)
    unpack(tmp_path / "voices", tmp_path)
    samples = torch.randn(1, 9600) * 0.1
    assert torch.equal(
        codec_of(tmp_path / "codec" / "last.pt").encode(samples), load(tmp_path / "voices").codec.encode(samples)
    )
    tokenise(codec_of(tmp_path / "codec" / "last.pt"), spoken, tmp_path / "tokens")
    training = LanguageModelTraining(
        minutes=0.03, batch=1, tokens=48, streaming_tokens=32, phonemes=96, blocks=(6,), compiled=False
    )
    config = LanguageModelConfig(speech=SHAPE, text=SHAPE)
    train_language_model(tmp_path / "tokens", tmp_path / "lm", config, training)
    went_on = torch.load(tmp_path / "lm" / "last.pt", weights_only=False)
    assert went_on["step"] > 0
    assert torch.allclose(went_on["model"]["out.weight"], voices.model.out.weight, atol=0.3)
    train_codec(
        spoken,
        tmp_path / "codec",
        voices.codec.config,
        CodecTraining(minutes=0.02, batch=1, tokens=24, hours=1, compiled=False),
    )


def test_hidden_text_is_not_heard(spoken: Path, tmp_path: Path) -> None:
    """What a token says before the cut must not depend on text after the look-ahead."""
    train_codec(
        spoken, tmp_path / "codec", TINY, CodecTraining(minutes=0.01, batch=1, tokens=24, hours=1, compiled=False)
    )
    tokenise(codec_of(tmp_path / "codec" / "last.pt"), spoken, tmp_path / "tokens")
    source = TokenSource(tmp_path / "tokens", ("heart", "joe"), odds=(0.5, 0.5), seed=0)
    window = source.batch(2, 40, 96)
    trainer = LanguageModelTrainer(LanguageModelConfig(speech=SHAPE, text=SHAPE), LanguageModelTraining(compiled=False))
    torch.manual_seed(5)
    before, _ = trainer.conditioned(window)
    changed = window.phonemes.clone()
    changed[:, -1] = torch.where(window.present[:, -1], (changed[:, -1] + 7) % 40, changed[:, -1])
    last = int(window.present[0].sum()) - 1
    changed[0, last] = (changed[0, last] + 7) % 40
    torch.manual_seed(5)
    after, _ = trainer.conditioned(
        type(window)(**{name: getattr(window, name) for name in window.__slots__} | {"phonemes": changed})
    )
    assert torch.allclose(before[0, :4], after[0, :4], atol=1e-6)
    assert not torch.allclose(before, after)

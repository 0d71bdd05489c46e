"""Many voices: who reads what, the style space, and the stages, each with a teacher that hums."""

from __future__ import annotations

import gzip
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.tiny_voice import SHAPE, tiny_voices

from voiceagent.errors import InputError, ModelError
from voiceagent.model.config import CodecConfig, LanguageModelConfig
from voiceagent.model.lm.language_model import SpeechLanguageModel
from voiceagent.model.symbols import ENGLISH, INDEX, SYMBOLS
from voiceagent.model.voices import VoiceCard, VoiceSpace
from voiceagent.model.weights import load, save, voice_vector
from voiceagent.options import parse_blend
from voiceagent.training.adversarial import AdversarialTraining
from voiceagent.training.alphabet import UNHEARD, grown
from voiceagent.training.codec import CodecTrainer, CodecTraining, PhonemeProbe
from voiceagent.training.corpus import SpokenLine, read_shard, write_shard
from voiceagent.training.export import codec_of
from voiceagent.training.language_model import LanguageModelTraining
from voiceagent.training.sentences import read_lines, split_of
from voiceagent.training.speakers.corpus import STOCK, draw_voice, make_shard, phonemes_of, shards, texts_of
from voiceagent.training.speakers.stages import SpeakersRun
from voiceagent.training.speakers.styles import STRANGERS, read_packs, style_cards
from voiceagent.training.speakers.teacher import Kokoro
from voiceagent.training.teachers import TaughtUtterance

WIDTH = 4
VOICE = torch.tensor([[1.0, 0.0]])


class Hummer(Kokoro):
    """A teacher that hums as high as its voice's name is long."""

    def __call__(self, phonemes: str, voice: str, *, speed: float = 1.0) -> TaughtUtterance:
        durations = np.full(len(phonemes) + 2, 0.08 / speed, np.float32)
        clock = np.arange(round(durations.sum() * 24_000)) / 24_000
        samples = (0.3 * np.sin(2 * np.pi * (80 + 5 * len(voice)) * clock)).astype(np.float32)
        return TaughtUtterance(samples, "_" + phonemes + "_", durations, np.full(len(samples) // 240, 150, np.float32))


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    for name, lines in (
        ("talk", [f"Sentence number {n} is being hummed." for n in range(60)]),
        ("zh_talk", [f"这是第{n}句话。" for n in range(60)] + ["我用 Python。"]),
        ("es_talk", [f"Frase número {n}." for n in range(60)]),
    ):
        with gzip.open(folder / f"{name}.txt.gz", "wt", encoding="utf-8") as file:
            file.write("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("packs"), np.random.default_rng(0)
    for name in (*STOCK["en"], *STOCK["zh"], *STRANGERS):
        styles = rng.normal(size=(1, 256)) + 0.1 * rng.normal(size=(510, 256))
        styles.astype(np.float32).tofile(folder / f"{name}.bin")
    return folder


def test_a_language_reads_its_own_files(texts: Path) -> None:
    assert all(line.isascii() for line in read_lines(texts))
    assert not any("Python" in text for text in texts_of("zh", texts))
    assert all(split_of(text) != "test" for language in ("en", "zh", "es") for text in texts_of(language, texts))
    assert {text.split()[0] for text in texts_of("es", texts)} == {"Frase"}


def test_voices_are_drawn_from_the_stock_and_no_stranger_is() -> None:
    rng = random.Random(0)
    for language, stock in STOCK.items():
        drawn = [draw_voice(language, rng) for _ in range(600)]
        names = {name for voice in drawn for name in parse_blend(voice)}
        assert set(stock) <= names
        assert not names & STRANGERS
        assert 0.1 < sum("*" in voice for voice in drawn) / len(drawn) < 0.4


def test_romance_phonemes_are_those_of_speaking(texts: Path) -> None:
    pytest.importorskip("g2p2_group_romance")
    (phonemes,) = phonemes_of("es", "Frase número 12.", "ef_dora")
    assert phonemes == "fɾˈase nˈumeɾo dˈose."
    assert set(phonemes) <= set(INDEX)


def test_shards_are_the_same_every_time_and_differ_in_voices(texts: Path, tmp_path: Path) -> None:
    first = next(iter(shards(("en",), texts)))
    for out in ("a", "b"):
        make_shard(Hummer(Path()), tmp_path / out, replace(first, texts=first.texts[:12]))
    records, again = (read_shard(tmp_path / out, "en", 0) for out in ("a", "b"))
    assert [record.voice for record in records] == [record.voice for record in again]
    assert len({record.voice for record in records}) > 4
    assert np.array_equal(records[3].samples, again[3].samples)


def test_style_of_a_blend_is_the_blend_of_styles(packs: Path) -> None:
    cards = style_cards(read_packs(packs), WIDTH)
    assert not {card.name for card in cards} & STRANGERS
    points = np.stack([card.style for card in cards])
    assert np.allclose(np.square(points).mean(0), 1, atol=1e-4)
    space = VoiceSpace.of((), WIDTH, cards)
    blend = space.vector("0.6*af_bella + 0.4*bm_george")
    assert np.allclose(blend, 0.6 * space.vector("af_bella") + 0.4 * space.vector("bm_george"), atol=1e-6)


def test_the_teacher_refuses_strangers_and_unknown_voices(packs: Path) -> None:
    teacher = Kokoro(packs)
    assert teacher.style("0.5*af_bella + 0.5*am_puck", 40).shape == (1, 256)
    for voice, why in (("af_kore", "kept out"), ("0.5*af_bella + 0.5*nobody", "no voice 'nobody'")):
        with pytest.raises(InputError, match=why):
            teacher.style(voice, 40)


@pytest.mark.parametrize(("sizes", "why"), [([], "no "), ([7], "7 numbers"), ([510 * 256] * 2, "do not span")])
def test_packs_that_are_none_are_named(tmp_path: Path, sizes: list[int], why: str) -> None:
    for n, size in enumerate(sizes):
        np.zeros(size, np.float32).tofile(tmp_path / f"af_{n}.bin")
    with pytest.raises(InputError, match=why):
        style_cards(read_packs(tmp_path), WIDTH)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, texts: Path, packs: Path) -> SpeakersRun:
    """Every stage, tiny, from tiny voices to exported ones."""
    root = tmp_path_factory.mktemp("run")
    save(root / "voices", tiny_voices())
    first = next(iter(shards(("en",), texts)))
    make_shard(Hummer(packs), root / "speech", replace(first, texts=first.texts[:12]))
    hum = Hummer(packs)
    hummed: list[SpokenLine] = [(f"Line {n}.", hum("nˈʌmbəɹ wˌʌn", "heart"), {}) for n in range(8)]
    write_shard(root / "speech" / "heart" / "0000", hummed)
    mandarin: list[SpokenLine] = [(f"第{n}句", hum("ti↘san→", "zf_xiaoni"), {"voice": "zf_xiaoni"}) for n in range(8)]
    write_shard(root / "speech" / "zh" / "0000", mandarin)
    codec = CodecConfig(encoder_frame_width=16, encoder_width=24, token_width=24, frame_width=16, style_width=WIDTH)
    model = LanguageModelConfig(speech=SHAPE, text=SHAPE, style_width=WIDTH, symbols=len(SYMBOLS))
    space = VoiceSpace.of(codec.voices, WIDTH, style_cards(read_packs(packs), WIDTH))
    run = SpeakersRun(root / "speech", root / "tokens", root / "runs", space, codec, model)
    run.begin(root / "voices")
    run.train_decoder(CodecTraining(minutes=0.05, batch=2, tokens=24, hours=1, compiled=False))
    run.tokenise()
    run.train_language_model(
        LanguageModelTraining(
            minutes=0.05, batch=2, tokens=48, streaming_tokens=32, phonemes=96, blocks=(6, 8), compiled=False
        )
    )
    run.export(root / "out")
    return run


def test_the_tokens_stay_and_the_decoder_learns(trained: SpeakersRun) -> None:
    root = trained.runs.parent
    before, after = load(root / "voices"), load(root / "out")
    samples = torch.randn(1, 9600) * 0.1
    assert torch.equal(before.codec.encode(samples), after.codec.encode(samples))
    for table in (after.codec.decoder.voice, after.model.voice, after.model.text.voice):
        assert table.style is not None
        assert table.style.abs().max() > 0


def test_exported_voices_speak_each_in_its_own_way(trained: SpeakersRun) -> None:
    voices = load(trained.runs.parent / "out")
    assert {"heart", "joe", "af_bella", "zm_yunxi"} <= set(voices.names)
    digits = torch.stack([torch.randint(level, (1, 12)) for level in voices.codec.config.levels], dim=-1)
    said = [voices.codec.decode(digits, voice_vector(voices, name)) for name in ("heart", "af_bella", "am_adam")]
    assert not torch.equal(said[0], said[1])
    assert not torch.equal(said[1], said[2])


def test_before_training_styles_change_nothing(trained: SpeakersRun) -> None:
    """Weights that know no styles are gone on from exactly as they were."""
    trainer = CodecTrainer(trained.codec, CodecTraining(compiled=False))
    trainer.begin_with(trained.runs / "begin" / "codec" / "last.pt")
    before = load(trained.runs.parent / "voices").codec
    digits = torch.stack([torch.randint(level, (1, 12)) for level in before.config.levels], dim=-1)
    assert torch.allclose(trainer.codec.decode(digits, "heart"), before.decode(digits, "heart"), atol=1e-6)
    styled = trainer.codec.decode(digits, torch.from_numpy(trained.space.vector("af_bella")))
    assert torch.allclose(styled, before.decode(digits, None), atol=1e-6)


def test_sentences_of_all_languages_teach_decoder_and_language_model(trained: SpeakersRun) -> None:
    assert trained.folders()[0] == trained.folders(tokens=True)[0] == ("heart", "en", "zh")
    assert sum(trained.folders(tokens=True)[1]) == pytest.approx(1)
    model = load(trained.runs.parent / "out").model
    assert model.config.symbols == len(SYMBOLS)


def test_more_symbols_change_nothing_of_those_that_were_learnt(trained: SpeakersRun) -> None:
    before = load(trained.runs.parent / "voices").model
    after = SpeechLanguageModel(replace(before.config, symbols=len(SYMBOLS)))
    after.load_state_dict(grown(before.state_dict(), after))
    phonemes = torch.randint(ENGLISH, (1, 30))
    for was, now in zip(before.text(phonemes, VOICE), after.text(phonemes, VOICE), strict=True):
        assert torch.equal(was, now)
    table = after.text.symbol.weight
    assert torch.equal(table[INDEX["ɒ"]], table[INDEX["ɑ"]])  # begins as what sounds nearest
    assert torch.equal(table[INDEX["↗"]], torch.zeros(table.shape[1]))


def test_a_larger_classifier_tells_what_it_told() -> None:
    before, after = PhonemeProbe(6, ENGLISH), PhonemeProbe(6, len(SYMBOLS))
    after.load_state_dict(grown(before.state_dict(), after))
    values = torch.rand(2, 9, 6)
    said, says = before(values), after(values)
    assert says.shape == (2, 18, len(SYMBOLS))
    assert torch.allclose(said, says[..., :ENGLISH], atol=1e-6)
    assert says[..., ENGLISH:].max() == UNHEARD


def test_the_encoder_learns_on_its_own_demand_and_never_under_tokens_that_exist(
    trained: SpeakersRun, tmp_path: Path
) -> None:
    training = CodecTraining(minutes=0.05, batch=2, tokens=24, hours=1, compiled=False)
    with pytest.raises(InputError, match="move the folder away"):
        trained.train_encoder(training)
    shutil.copytree(trained.runs / "decoder", tmp_path / "runs" / "decoder")
    again = replace(trained, runs=tmp_path / "runs", tokens=tmp_path / "tokens")
    again.train_encoder(training)
    again.polish(AdversarialTraining(minutes=0.05, batch=2, tokens=24, hours=1, alone_steps=1, compiled=False))
    again.tokenise()
    began, learnt, polished = (codec_of(again.runs / run / "last.pt") for run in ("decoder", "encoder", "polish"))
    samples = torch.randn(1, 9600) * 0.1
    assert not torch.equal(began.encoder(samples), learnt.encoder(samples))
    assert torch.equal(learnt.encoder(samples), polished.encoder(samples))
    assert {path.parent.name for path in again.tokens.glob("*/*.npz")} == {"heart", "en", "zh"}
    again.train_encoder(replace(training, minutes=0.06))  # its own tokens do not stop it


def test_a_checkpoint_of_another_shape_is_refused(trained: SpeakersRun) -> None:
    trainer = CodecTrainer(replace(trained.codec, style_width=0), CodecTraining(compiled=False))
    with pytest.raises(ModelError, match="another shape"):
        trainer.begin_with(trained.runs / "decoder" / "last.pt")


def test_without_speech_the_command_is_named(tmp_path: Path) -> None:
    space = VoiceSpace.of((), WIDTH, (VoiceCard("af_bella", np.zeros(WIDTH, np.float32)),))
    run = SpeakersRun(tmp_path, tmp_path, tmp_path, space, CodecConfig(), LanguageModelConfig())
    with pytest.raises(InputError, match="train speakers corpus"):
        run.folders()
    with pytest.raises(InputError, match="train speakers tokens"):
        run.folders(tokens=True)

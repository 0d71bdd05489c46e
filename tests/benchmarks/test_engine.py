"""The engine benchmark with a tiny voice, and its measuring sticks against what can be counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("psutil")

import engine
import gpu
from instruments import floors, launches, parent, ticking
from support.tiny_voice import tiny_model, tiny_voices

from voiceagent.engine.synthesizer import Synthesizer
from voiceagent.kernels.dispatch import TORCH
from voiceagent.model.config import TransformerConfig
from voiceagent.model.cuda.decoder import DeviceDecoder
from voiceagent.model.decode import reference as decoding
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.decode.torch_decoder import PackedDecoder
from voiceagent.model.torch_model import TorchModel
from voiceagent.model.weights import save
from voiceagent.text.chunk import Chunk, Word
from voiceagent.text.phonemes.phonemizer import PhonemeText

TINY = TransformerConfig(width=32, layers=2, heads=4, kv_heads=2, ffn=48)


def fake_phonemizer(chunk: Chunk) -> PhonemeText:
    """Letters are phonemes."""
    words = (Word(word, chunk.start, chunk.start + 1, word) for word in chunk.spoken.split())
    return PhonemeText(tuple(words), tuple(chunk.lookahead.split()), chunk.warnings)


@pytest.fixture
def rig() -> ticking.SpeakingRig:
    return ticking.SpeakingRig(Synthesizer(TorchModel(tiny_voices())), fake_phonemizer)


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(line, dict)
    return line


def test_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path, tiny_voices())
    monkeypatch.setattr(engine, "MisakiPhonemizer", lambda: fake_phonemizer)
    few = ["--rows", "1,3", "--ticks", "6", "--warm-up", "2", "--sentences", "2"]
    engine.main([*few, "--weights", str(tmp_path), "--precision", "float32"])
    made = last_line(capsys)
    one, three = made["figures"]
    assert (one["rows"], three["rows"], one["ticks"]) == (1, 3, 6)
    assert set(one["parts_ms"]) == set(ticking.PARTS)
    assert three["operations_per_tick"] > one["operations_per_tick"] > 50
    assert three["slots_per_tick"] > one["slots_per_tick"] > 0
    assert one["tick_ms"]["p50"] <= one["tick_ms"]["p95"]
    assert made["company"]["texts"] == 2
    assert made["company"]["tokens_differing"] == 0
    assert made["company"]["tokens"] > 20
    assert [beside["rows"] for beside in made["parent"]] == [1, 3]


def test_another_shape_from_end_to_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(engine, "QWEN2_05B", TINY)
    engine.main(["--config", "0.5b", "--rows", "2", "--ticks", "9", "--warm-up", "0", "--steps", "3"])
    made = last_line(capsys)
    (two,) = made["figures"]
    assert two["audio_seconds_per_second"] > 0
    assert two["ms_per_block"] >= 3 * two["tick_ms"]["p50"] / 2
    assert two["parts_ms"]["codec"] == 0
    assert two["bytes_per_stream"]["cache"] > 0
    assert "company" not in made


def test_the_autoregressive_parent_is_measured_beside_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a device, which here is ordinary memory."""

    def on_device(model: PackedModel, *, streams: int, longest: int) -> DeviceDecoder:
        return DeviceDecoder(model, streams=streams, longest=longest, kernels=TORCH)

    monkeypatch.setattr(engine, "QWEN2_05B", TINY)
    monkeypatch.setattr(engine, "decoder_for", on_device)
    options = ["--ticks", "9", "--warm-up", "0", "--steps", "3", "--precision", "float32"]
    engine.main(["--config", "0.5b", "--rows", "1,2", *options])
    made = last_line(capsys)
    assert [beside["rows"] for beside in made["parent"]] == [1, 2]
    assert all(beside["parent_block_ms"] > 0 for beside in made["parent"])
    one, two = made["figures"]
    assert one["bytes_per_stream"]["cache"] == two["bytes_per_stream"]["cache"] > 0
    assert one["operations_per_tick"] == two["operations_per_tick"] == 9 * 2 + 27  # float32 needs no conversions


def test_rows_within_a_time() -> None:
    found: list[dict[str, Any]] = [{"rows": 1, "ms": 5.0}, {"rows": 8, "ms": 6.0}, {"rows": 64, "ms": None}]
    assert [parent.streams_within(found, "ms", budget) for budget in (1.0, 5.0, 9.0)] == [0, 1, 8]


def test_launches_are_counted_by_kernel() -> None:
    model = PackedModel(tiny_model(), torch.float32)
    alone, opening = launches.count_tick(model, 1, 8), launches.count_tick(model, 3, 8, 2)
    assert alone == opening  # for any number of rows
    assert {name: alone[name] for name in ("norm_rotary", "attention", "swiglu", "unmask", "products")} == {
        "norm_rotary": 2, "attention": 2, "swiglu": 2, "unmask": 1, "products": 9,
    }  # fmt: skip


def test_the_floors_of_a_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    """By hand: 357.8 M parameters of bfloat16 at a terabyte a second are 0.716 ms, 18 slots of them at 1 TFLOP/s 12.9 ms."""
    gpu.main(["--bytes-per-s", "1e12", "--flop-per-s", "1e12", "--launch-us", "1"])
    made = last_line(capsys)
    alone = made["ticks"][0]
    assert alone["launches_ms"] == pytest.approx(made["launches_per_tick"] / 1000, abs=0.001)
    assert alone["bytes_ms"] == pytest.approx(0.716 + 338 * 12_288e-9, abs=0.001)
    assert alone["products_ms"] == pytest.approx(12.88, rel=0.05)
    assert made["limits"]["autoregressive"]["real_time"] > made["limits"]["diffusion"]["real_time"]
    with pytest.raises(SystemExit):
        gpu.main(["--bytes-per-s", "0"])


def test_the_page_has_the_figures_that_are_computed() -> None:
    """What docs/gpu.md says of an H100."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "gpu.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    results = gpu.compute(floors.Machine(3.35e12, 9.9e14), 0.0025)
    names = {"diffusion": "diffusion, 8 steps", "autoregressive": "parent"}
    for name, limits in results["limits"].items():
        assert [names.get(name, name), *(f"{limit:,}" for limit in limits.values())] in rows
    for count in results["counts"]:
        layers, _, _, *launches = count.values()
        assert any(row[0] == str(layers) and row[2:-1] == [f"{one:,}" for one in launches] for row in rows)
    said = [row[2:] for row in rows if len(row) == 7 and row[1] in ("1", "64", "250", "1,000")]
    computed = [tick for tick in results["ticks"] if tick["streams"] != 8]
    for cells, tick in zip(said, computed, strict=True):
        for cell, key in zip(cells, list(tick)[2:7], strict=True):
            assert float(cell) == pytest.approx(tick[key], rel=0.03, abs=0.006)


def test_the_big_shape_is_that_of_qwen2() -> None:
    """357.8 million parameters in the blocks, as counted from the published shape."""
    counted = floors.Model.of_shape(floors.QWEN2_05B, 39, torch.bfloat16)
    assert counted.parameters - 896 * 39 == pytest.approx(357.8e6, rel=1e-3)
    assert counted.weight_bytes == 2 * counted.parameters


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rows", "a"],
        ["--rows", "0"],
        ["--ticks", "0"],
        ["--config", "9b"],
        ["--warm-up", "-1"],
        ["--device", "cuda"],
        ["--device", "gpu"],
    ],
    ids=str,
)
def test_what_cannot_be_measured_is_one_line(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        engine.main(arguments)
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_stream_that_ends_is_left_alone(rig: ticking.SpeakingRig) -> None:
    short, long = (
        rig.stream(ticking.chunks_of("One."), "heart"),
        rig.stream(ticking.chunks_of("One two three four. " * 4), "heart"),
    )
    engine.speak_out(rig, [short, long], staggered=True)
    assert short.over
    assert long.over
    assert len(rig.tokens(long)) > len(rig.tokens(short)) > 0
    heard_s = (len(rig.tokens(long)) + len(rig.tokens(short))) / 25
    assert rig.work.audio_s == pytest.approx(heard_s, abs=0.001)


def test_company_that_changes_tokens_is_noticed(rig: ticking.SpeakingRig, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["One two three four.", "Five six seven."]
    assert engine.compare_company(rig, texts, 2, "heart")["tokens_differing"] == 0
    honest = decoding.propose

    def swayed(logits: torch.Tensor, *others: object) -> tuple[torch.Tensor, torch.Tensor]:
        digits, confidence = honest(logits, *others)  # type: ignore[arg-type]
        return (digits + (len(logits) > 16)).clamp_max(4), confidence  # larger batches say something else

    monkeypatch.setattr(decoding, "propose", swayed)
    found = engine.compare_company(rig, texts, 2, "heart")
    assert found["tokens_differing"] > 0
    assert found["texts_differing"] > 0


def test_work_is_counted() -> None:
    decoder = PackedDecoder(PackedModel(tiny_model(), torch.float32))
    rig = ticking.RandomRig(decoder, DecodingOptions(steps=2), block_tokens=4)
    stream = rig.stream()
    rig.tick([stream])
    rig.tick([stream])
    assert (rig.work.slots, rig.work.scores) == (8, 32)  # twice 4 slots that see 4
    assert rig.work.audio_s == pytest.approx(0.16)
    rig.tick([stream])  # 4 pending slots see themselves, 4 open ones see 8
    assert (rig.work.slots, rig.work.scores) == (16, 32 + 16 + 32)


def test_operations_are_counted_and_views_are_not() -> None:
    x = torch.ones(4, 6)
    assert launches.count_operations(lambda: x.view(6, 4).t()[1:].unsqueeze(0)) == 0
    assert launches.count_operations(lambda: (x @ x.T).softmax(1).add_(1)) == 3


def test_bytes_are_counted_once() -> None:
    whole = torch.zeros(10, dtype=torch.float32)
    assert ticking.held_bytes((whole, whole[:2], [whole[5:]], None, 7, DecodingOptions())) == 40


def test_the_floor_of_a_shape() -> None:
    model = PackedModel(tiny_model(), torch.float32)
    counted = floors.Model.of(model)
    blocks = 2 * (32 * 8 * 8 + 32 * 32 + 3 * 32 * 48)
    assert counted.parameters == blocks + 32 * 39
    assert counted.weight_bytes == 4 * counted.parameters
    machine = floors.Machine(read_bytes_per_s=1e6, flop_per_s=1e6)
    assert counted.by_bytes_ms(machine) == pytest.approx(counted.weight_bytes / 1000)
    assert counted.by_products_ms(machine, 10, 0) == pytest.approx(2 * counted.parameters * 10 / 1000)
    assert counted.by_products_ms(machine, 0, 5) == pytest.approx(4 * 2 * 32 * 5 / 1000)
    measured = floors.measure(model)
    assert measured.read_bytes_per_s > 0
    assert measured.flop_per_s > 0

"""What is wrong with a folder of voices, or with what is installed, is one line that names the mend."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from support.tiny_folder import tiny_folder, tiny_onnx

from voiceagent.errors import InputError, ModelError
from voiceagent.model import loading
from voiceagent.model.config import SHIPPED, read_config
from voiceagent.model.lm.aligner import Aligner, AlignerConfig
from voiceagent.model.lm.script import PhonemeChunk, Script
from voiceagent.model.onnx import graphs
from voiceagent.model.onnx.layout import EXACT, REDUCED
from voiceagent.model.symbols import ENGLISH
from voiceagent.model.weights import save_aligner
from voiceagent.settings import onnx_runtime
from voiceagent.settings.engine import EngineConfig, Runtime
from voiceagent.training.graphs import export_graphs

RUNTIMES: tuple[Runtime, ...] = ("onnx", "torch")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder(), tmp_path / "voices"))


def fails(folder: Path) -> str:
    """The one line that loading ends with."""
    with pytest.raises(ModelError) as caught:
        loading.load_model(folder, EngineConfig())
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_voices_without_graphs(folder: Path) -> None:
    shutil.rmtree(folder / graphs.FOLDER)
    assert "voiceagent train graphs" in fails(folder)


@pytest.mark.parametrize("name", [f"{name}.int8.onnx" for name in graphs.GRAPHS] + ["probe.onnx"])
@pytest.mark.parametrize("damage", ["absent", "empty", "cut", "noise"])
def test_a_graph_that_is_damaged(folder: Path, name: str, damage: str) -> None:
    file = folder / graphs.FOLDER / name
    whole = file.read_bytes()
    file.unlink()
    if damage != "absent":
        file.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "noise": b"\x07" * 300}[damage])
    assert "voiceagent train graphs" in fails(folder)
    assert name in fails(folder)


@pytest.mark.parametrize("manifest", ["version = 0\n", "", "version = [", 'version = "1"\n', "[weights]\n"])
def test_graphs_of_another_version(folder: Path, manifest: str) -> None:
    (folder / graphs.FOLDER / graphs.MANIFEST).write_text(manifest, encoding="utf-8")
    assert "voiceagent train graphs" in fails(folder)


@pytest.mark.parametrize("name", graphs.WEIGHTS)
def test_graphs_of_other_weights(folder: Path, name: str) -> None:
    file = folder / name
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert "restore the file" in fails(folder)
    export_graphs(folder)
    assert loading.load_model(folder, EngineConfig()).space.names


@pytest.mark.parametrize("name", [*graphs.WEIGHTS, "voice.toml"])
def test_weights_that_are_missing_or_cut(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    assert fails(folder)
    (folder / name).unlink()
    assert name in fails(folder)


def test_a_folder_that_nobody_may_write_to(folder: Path) -> None:
    """Nothing is kept on disk: there is no cache that could be read-only."""
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    for path in (folder / graphs.FOLDER, folder):
        path.chmod(0o555)
    try:
        assert loading.load_model(folder, EngineConfig()).space.names
    finally:
        for path in (folder, folder / graphs.FOLDER):
            path.chmod(0o755)
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before


def test_no_onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    onnx_runtime.load.cache_clear()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    try:
        assert "pip install onnxruntime" in fails(tiny_folder())
    finally:
        onnx_runtime.load.cache_clear()


@pytest.mark.parametrize(
    ("config", "mend"),
    [
        (EngineConfig(device="cuda"), "torch>=2.6"),
        (EngineConfig(runtime="torch"), "torch>=2.6"),
        (EngineConfig(precision="bfloat16"), "torch>=2.6"),
        (EngineConfig(runtime="onnx", device="cuda"), "runtime"),
        (EngineConfig(runtime="onnx", precision="bfloat16"), "int8 or float32"),
        (EngineConfig(runtime="torch", precision="int8"), "float32 or bfloat16"),
    ],
)
def test_settings_that_ask_for_what_is_not_here(
    config: EngineConfig, mend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "find_spec", lambda _: None)  # as where torch is not installed
    with pytest.raises(InputError) as caught:
        loading.load_model(tiny_folder(), config)
    assert mend in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_auto_is_the_processor_where_there_is_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "find_spec", lambda _: None)
    assert loading.load_model(tiny_folder(), EngineConfig(device="auto")).space.names


def test_it_speaks_where_torch_cannot_be_imported() -> None:
    program = f"""
import sys
sys.modules["torch"] = None
import os, queue
os.environ.pop("VOICEAGENT_PRECISION", None)  # it may ask for what torch alone has
from pathlib import Path
from voiceagent.engine.engine import Engine
from voiceagent.options import SpeakOptions
from voiceagent.text.chunk import Chunk
from voiceagent.protocol.outputs import Finished, Speech
engine, heard = Engine(weights=Path({str(tiny_folder())!r})), queue.Queue()
engine.start()
engine.speak(engine.open(SpeakOptions(), heard.put), Chunk("Good morning.", 0, "Good morning.", "", True))
got = []
while not got or not isinstance(got[-1], Finished):
    got.append(heard.get(timeout=60))
engine.close()
print(sum(len(one.samples) for one in got if isinstance(one, Speech)), got[-1].error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/")
    samples, error = done.stdout.split()
    assert int(samples) > 0
    assert error == "None"


def test_a_processor_that_loses_sums_gets_smaller_weights() -> None:
    config = read_config(tiny_folder())
    assert graphs._largest_weight(tiny_folder()) in (EXACT, REDUCED)
    made = {}
    for most in (EXACT, REDUCED):
        with graphs.Tensors(tiny_folder() / graphs.WEIGHTS[0]) as tensors:
            made[most] = dict(graphs._makers(tensors, config, most)["speech"]())
        rounded = [array for array in made[most].values() if array.dtype == np.int8]
        assert max(int(np.abs(array).max()) for array in rounded) == most


def test_eight_bits_are_near_the_whole() -> None:
    """Rounding weights and inputs moves a plan a little."""
    plans = [
        tiny_onnx(precision).plan_chunk(Script(), PhonemeChunk(("həlˈO",), final=True), "heart")[0].conditioning
        for precision in ("float32", "int8")
    ]
    assert np.abs(plans[0][:4] - plans[1][:4]).max() < 0.1 * np.abs(plans[0]).max()


def test_a_guard_hears_what_the_aligner_hears(folder: Path) -> None:
    torch.manual_seed(0)
    save_aligner(folder, Aligner(AlignerConfig()))
    export_graphs(folder)
    models = [loading.load_model(folder, EngineConfig(runtime=runtime)) for runtime in RUNTIMES]
    for tokens in (1, 2, 19):
        digits = np.random.default_rng(tokens).integers(0, (8, 8, 8, 5, 5, 5), (tokens, 6))
        ours, theirs = (model.listen(digits) for model in models if model.listen is not None)
        assert ours.shape == (2 * tokens, ENGLISH)
        assert np.allclose(ours, theirs, atol=1e-4)
    assert loading.load_model(folder, EngineConfig(guard=False)).listen is None


@pytest.mark.weights
def test_the_graphs_that_ship_are_those_that_export_writes(tmp_path: Path) -> None:
    for name in ("voice.toml", *graphs.WEIGHTS, graphs.ALIGNER_WEIGHTS):
        shutil.copy(SHIPPED / name, tmp_path)
    export_graphs(tmp_path)
    for made in sorted((tmp_path / graphs.FOLDER).iterdir()):
        shipped = SHIPPED / graphs.FOLDER / made.name
        if made.suffix == ".onnx":
            assert onnx.load(made, load_external_data=False) == onnx.load(shipped, load_external_data=False)
        else:
            assert made.read_text(encoding="utf-8") == shipped.read_text(encoding="utf-8")

"""A folder of tiny voices, with their graphs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
from support.tiny_voice import tiny_voices

from voiceagent.model.config import read_config
from voiceagent.model.onnx.graphs import load
from voiceagent.model.onnx.model import OnnxModel
from voiceagent.model.torch_model import TorchModel
from voiceagent.model.weights import load as load_torch
from voiceagent.model.weights import save
from voiceagent.training.graphs import export_graphs


def save_tiny(folder: Path) -> None:
    """Tensors, `voice.toml` and graphs."""
    save(folder, tiny_voices())
    export_graphs(folder)


@cache
def tiny_folder() -> Path:
    """One for all tests that only read it."""
    folder = Path(mkdtemp(prefix="voiceagent-tiny-"))
    save_tiny(folder)
    return folder


@cache
def tiny_onnx(precision: str) -> OnnxModel:
    """The tiny voices in ONNX Runtime."""
    config = read_config(tiny_folder())
    return OnnxModel(config, load(tiny_folder(), config, precision=precision))


@cache
def tiny_torch() -> TorchModel:
    """The same voices in torch, in float32."""
    return TorchModel(load_torch(tiny_folder()), torch.float32)

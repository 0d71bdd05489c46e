"""Which runtime speaks, and its model: the one place that decides."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import cast

from voiceagent.errors import InputError
from voiceagent.errors.extras import install_hint
from voiceagent.model.config import SHIPPED, read_config
from voiceagent.model.interface import OpaqueModel
from voiceagent.settings.engine import EngineConfig

INSTALL_TORCH = install_hint("torch")


def load_model(weights: Path | None, config: EngineConfig) -> OpaqueModel:
    """The voices of a folder, by default those that ship, in the runtime that the settings ask for.

    Raises:
        ModelError: the voices cannot be read, or their graphs are missing or do not belong to them.
        InputError: the settings ask for what is not here, or contradict each other.
    """
    device = _device(config)
    if _runtime(config, device) == "onnx":
        from voiceagent.model.onnx import graphs
        from voiceagent.model.onnx.model import OnnxModel

        folder = weights or SHIPPED
        voices = read_config(folder)
        precision = "int8" if config.precision == "auto" else config.precision
        loaded = graphs.load(folder, voices, precision=precision, threads=config.threads, guard=config.guard)
        return cast(OpaqueModel, OnnxModel(voices, loaded))
    need_torch(f'device = "{device}"' if device == "cuda" else 'runtime = "torch"')
    import torch

    from voiceagent.model.torch_model import TorchModel
    from voiceagent.model.weights import find_aligner, load

    dtype = None if config.precision == "auto" else getattr(torch, config.precision)
    streams = config.max_streams + 1  # one for the warm-up
    aligner = find_aligner(weights) if config.guard else None
    model = TorchModel(load(weights, device=device), dtype, streams=streams, kernels=config.kernels, aligner=aligner)
    return cast(OpaqueModel, model)


def need_torch(what: str) -> None:
    """See that torch is installed.

    Raises:
        InputError: it is not.
    """
    if find_spec("torch") is None:
        raise InputError(f"{what} needs torch, which is not installed: {INSTALL_TORCH}")


def _device(config: EngineConfig) -> str:
    if config.device != "auto":
        return config.device
    if config.runtime == "onnx" or find_spec("torch") is None:
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _runtime(config: EngineConfig, device: str) -> str:
    """ONNX Runtime on a processor, if nothing asks for torch."""
    runtime = config.runtime
    if runtime == "auto":
        runtime = "torch" if device == "cuda" or config.precision == "bfloat16" else "onnx"
    if runtime == "onnx" and device == "cuda":
        raise InputError('runtime = "onnx" computes on a processor: leave device out, or choose runtime = "torch"')
    if runtime == "onnx" and config.precision == "bfloat16":
        raise InputError('precision = "bfloat16" is torch\'s: choose int8 or float32, or runtime = "torch"')
    if runtime == "torch" and config.precision == "int8":
        raise InputError('precision = "int8" is ONNX Runtime\'s: choose float32 or bfloat16, or runtime = "onnx"')
    return runtime

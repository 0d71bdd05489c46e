"""Speaks with everything on a device that only pretends; run by test_pretend_device.py, because registering it is for good.

Fake tensors know shape, type and device and compute nothing. Where tensors of the device and of the processor meet, where values
are asked for, and where a shape would depend on values, they raise. The kernels' launchers run, with their checks; the
kernels themselves are replaced by something that looks at what it gets.

Prints one JSON object: how many of what happened, or the traceback.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from support.tiny_voice import tiny_voices

from voiceagent.engine.synthesizer import SynthesisState, Synthesizer
from voiceagent.kernels.dispatch import TRITON
from voiceagent.model import torch_model
from voiceagent.model.cuda.decoder import DeviceDecoder
from voiceagent.model.cuda.tick_inputs import TickInputs
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.lm.script import PhonemeChunk
from voiceagent.options import SpeakOptions

NAME = "pretend"
COUNTS: Counter[str] = Counter()


class Launched:
    """In place of a kernel: everything that it is handed lies on the device."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        def launch(*arguments: Any, **constants: Any) -> None:
            strangers = [a for a in arguments if isinstance(a, Tensor) and a.device.type != NAME]
            assert not strangers, f"{self._name} gets {strangers}"
            assert all(isinstance(size, int) for size in grid)
            COUNTS[self._name] += 1

        return launch


def replaced() -> list[Any]:
    """What cannot be faked, and the few places where the host may wait for the device, which are counted."""
    kernels = [("norm_rotary", "norm_rotary_kernel"), ("attention", "attention_kernel"), ("swiglu", "swiglu_kernel")]
    found = [
        patch.object(import_module(f"voiceagent.kernels.{module}"), name, Launched(name))
        for module, name in [*kernels, ("unmask", "unmask_kernel")]
    ]
    to_tensor, to_cpu = torch.tensor, Tensor.cpu

    def tensor(data: Any, dtype: torch.dtype | None = None, device: Any = None) -> Tensor:
        made = to_tensor(data, dtype=dtype)  # the registration lacks what a real device has for this
        return made if device is None else torch.empty(made.shape, dtype=made.dtype, device=device)

    def new_tensor(self: Tensor, data: Any) -> Tensor:
        return tensor(data, self.dtype, self.device)

    def cpu(self: Tensor) -> Tensor:
        COUNTS["waits"] += self.device.type == NAME
        return to_cpu(self)

    def listed(self: Tensor) -> list[float]:
        assert self.device.type == "cpu", "a list of what is on the device"
        return [0.3 * (index + 1) for index in range(len(self))]

    def numbers(self: Tensor) -> np.ndarray[Any, Any]:
        assert self.device.type == "cpu", "an array of what is on the device"
        return np.full(tuple(self.shape), 0.5, np.float32)

    def unfilled(self: TickInputs, rows: Any, bucket: Any, spare_ring: int) -> None:
        assert all(part.device.type == "cpu" for part in (self.starts, self.noises))

    host = [("cpu", cpu), ("new_tensor", new_tensor), ("tolist", listed), ("numpy", numbers)]
    return [
        *found,
        *(patch.object(FakeTensor, name, work) for name, work in host),
        patch.object(torch, "tensor", tensor),
        patch.object(TickInputs, "fill", unfilled),
    ]


def move(whole: torch.nn.Module, device: torch.device) -> None:
    """`whole.to(device)`, which fake tensors refuse."""
    for module in whole.modules():
        for kind in cast(tuple[dict[str, Any], ...], (module._parameters, module._buffers)):
            for name, held in kind.items():
                if held is not None:
                    moved = held.to(device)
                    kind[name] = torch.nn.Parameter(moved, requires_grad=False) if kind is module._parameters else moved


def speak(device: torch.device) -> None:
    """Three streams of two chunks each, in the same ticks, as the engine would."""

    def on_device(model: PackedModel, *, streams: int, longest: int, kernels: str) -> DeviceDecoder:
        return DeviceDecoder(model, streams=streams, longest=longest, kernels=TRITON)

    voices = tiny_voices()
    for whole in (voices.codec, voices.model):
        move(whole, device)
    with patch.object(torch_model, "decoder_for", on_device):
        speaker = Synthesizer(torch_model.TorchModel(voices, torch.bfloat16, streams=3))
    options = SpeakOptions("joe")
    states = [SynthesisState() for _ in range(3)]
    for final in (False, True):
        chunk = PhonemeChunk(("wʌn", "tu"), ("θɹi",), final=final, pause_s=0.2)
        for index, state in enumerate(states):
            states[index] = speaker.plan_chunk(state, options, chunk)
        while any(speaker.remaining(state) for state in states):
            blocks: list[Any] = [speaker.open_block(state, options) for state in states]
            before = COUNTS["waits"]
            while not blocks[0].done:
                blocks = speaker.decoder.tick(blocks)
                COUNTS["ticks"] += 1
            said = [speaker.close_block(state, options, block) for state, block in zip(states, blocks, strict=True)]
            assert COUNTS["waits"] == before, "a tick waits"
            assert {cast(torch.Tensor, one.digits).device.type for one in said} == {NAME}
            for index, (samples, state) in enumerate(speaker.render(said)):
                states[index] = state
                COUNTS["samples"] += len(samples)
            COUNTS["blocks"] += 3
    decoder: object = speaker.decoder
    assert isinstance(decoder, DeviceDecoder)
    COUNTS["bfloat16"] = sum(layer.qkv.weight.dtype is torch.bfloat16 for layer in decoder.model.layers)


def main(fault: str) -> None:
    """Without a fault, or with one that must be found."""
    _setup_privateuseone_for_python_backend(NAME)
    with ExitStack() as stack:
        for one in replaced():
            stack.enter_context(one)
        stack.enter_context(FakeTensorMode())
        original = DeviceDecoder.work

        def faulty(self: DeviceDecoder, bucket: Any, inputs: Any) -> None:
            original(self, bucket, inputs)
            if fault == "processor":
                _ = self._heard + torch.ones(self._heard.shape)
            elif fault == "value":
                _ = bool(self._masked.any())
            elif fault == "shape":
                _ = self._tokens[self._masked]

        stack.enter_context(patch.object(DeviceDecoder, "work", faulty))
        speak(torch.device(NAME))
    print(json.dumps(COUNTS))


if __name__ == "__main__":
    main(sys.argv[1])

"""The language model's pass in other runtimes: int8 products, one fixed shape for torch.compile and for ONNX Runtime."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceagent.model.decode.packed import Row
from voiceagent.model.decode.projection import Norm, Projection
from voiceagent.model.lm.language_model import SpeechLanguageModel
from voiceagent.model.lm.transformer import rotary

Runtime = Callable[..., tuple[Tensor, Tensor, Tensor]]


class Int8(nn.Module):
    """`x W^T + b`: weights of eight bits, a scale for each output; inputs rounded to eight bits as they come."""

    def __init__(self, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> None:
        super().__init__()
        scales = weight.detach().abs().amax(1).clamp_min(1e-8).double() / 127
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # deprecated by torch, which names no other way without torchao
            zeros = torch.zeros(len(weight), dtype=torch.long)
            quantized = torch.quantize_per_channel(weight.detach().float().contiguous(), scales, zeros, 0, torch.qint8)
            self._packed = torch.ops.quantized.linear_prepack(
                quantized, None if bias is None else bias.detach().float()
            )
        self._gelu = gelu

    @classmethod
    def of(cls, made: Projection) -> Int8:
        """From a projection in float32."""
        return cls(made.weight, made.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs) float32."""
        y: Tensor = torch.ops.quantized.linear_dynamic(x.float(), self._packed, True)
        return F.gelu(y, approximate="tanh") if self._gelu else y


class OneShape(nn.Module):
    """The reference with everything handed in: slots, rotary positions, mask, stored keys and values."""

    def __init__(self, model: SpeechLanguageModel) -> None:
        super().__init__()
        self.config, self.shape = model.config, model.config.speech
        self.layers = model.transformer.layers
        for block in self.layers:
            block.input_layernorm = Norm(block.input_layernorm.weight)  # type: ignore[union-attr, arg-type]
            block.post_attention_layernorm = Norm(block.post_attention_layernorm.weight)  # type: ignore[union-attr, arg-type]
        self.norm, self.out = Norm(model.transformer.norm.weight), model.out
        self.head_dim = self.shape.width // self.shape.heads

    def forward(
        self, x: Tensor, cosines: Tensor, sines: Tensor, mask: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(1, S, C), (S, D) twice, (1, 1, S, P + S), (layers, 1, KV, P, D) twice -> logits (S, codes), new keys and values."""
        made_keys, made_values = [], []
        for index, block in enumerate(self.layers):
            x, key, value = block(x, (cosines, sines), mask, (keys[index], values[index]))
            made_keys.append(key)
            made_values.append(value)
        return self.out(self.norm(x))[0].float(), torch.stack(made_keys), torch.stack(made_values)

    def inputs(self, slots: Tensor, row: Row, size: int) -> tuple[Tensor, ...]:
        """What a row of at most `size` slots hands in: stored slots fill from the right, its own from the left."""
        stored, own, kept = len(row.past), row.pending + row.open, self.config.context_tokens
        rope = rotary(row.position + torch.arange(size), self.head_dim, self.shape.rope_base)
        mask = torch.zeros(1, 1, size, kept + size, dtype=torch.bool)
        mask[..., kept - stored : kept + own] = True
        mask[:, :, : row.pending, kept + row.pending :] = False
        past = [F.pad(part, (0, 0, kept - stored, 0)) for part in (row.past.keys, row.past.values)]
        return F.pad(slots, (0, 0, 0, size - own))[None], *rope, mask, *past

    def example(self, size: int) -> tuple[Tensor, ...]:
        """Inputs of the right shapes."""
        shape = (self.shape.layers, 1, self.shape.kv_heads, self.config.context_tokens, self.head_dim)
        rope = rotary(torch.arange(size), self.head_dim, self.shape.rope_base)
        mask = torch.ones(1, 1, size, self.config.context_tokens + size, dtype=torch.bool)
        return torch.randn(1, size, self.shape.width), *rope, mask, torch.randn(shape), torch.randn(shape)


def compiled(dtype: torch.dtype) -> Callable[[OneShape, Sequence[Tensor]], Runtime]:
    """torch.compile with the weights frozen into the program, which lets it lay them out once."""

    def make(whole: OneShape, example: Sequence[Tensor]) -> Runtime:
        options: dict[str, Any] = {"freezing": True}
        run = torch.compile(whole, dynamic=False, options=options)

        def call(*inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
                logits, keys, values = run(*inputs)
            return logits.float(), keys.float(), values.float()

        call(*example)
        return call

    return make


def onnx_runtime(*, eight_bits: bool) -> Callable[[OneShape, Sequence[Tensor]], Runtime]:
    """ONNX Runtime on one thread; with eight bits its dynamic quantisation of all products."""

    def make(whole: OneShape, example: Sequence[Tensor]) -> Runtime:
        import onnxruntime

        names = ["x", "cosines", "sines", "mask", "keys", "values"]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pass.onnx"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the exporter without onnxscript is the older one, and says so
                torch.onnx.export(whole, tuple(example), str(path), input_names=names, opset_version=17, dynamo=False)
            if eight_bits:
                from onnxruntime.quantization import quantize_dynamic

                whole_path, path = path, path.with_name("eight.onnx")
                quantize_dynamic(whole_path, path)
            settings = onnxruntime.SessionOptions()
            settings.intra_op_num_threads = settings.inter_op_num_threads = 1
            session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])

        def call(*inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            given: dict[str, np.ndarray[Any, Any]] = {n: t.numpy() for n, t in zip(names, inputs, strict=True)}
            logits, keys, values = session.run(None, given)
            return torch.from_numpy(logits), torch.from_numpy(keys), torch.from_numpy(values)

        call(*example)
        return call

    return make

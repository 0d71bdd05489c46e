"""Inference layers: what they compute, and that a row does not depend on the others."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from voiceagent.model.codec.layers import ContextBlock, FrameStack
from voiceagent.model.decode.projection import (
    Norm,
    Projection,
    RowProjection,
    bucket,
    fastest_dtype,
    normalize,
    prepare,
)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_prepared_modules_compute_the_same(dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(48, 700), nn.RMSNorm(700, eps=1e-6), nn.Sequential(nn.Linear(700, 8)))
    nn.init.uniform_(module[1].weight, 0.5, 1.5)  # type: ignore[arg-type]
    x = torch.randn(2, 37, 48)
    with torch.inference_mode():
        expected = module(x)
        prepare(module, dtype)
        made = module(x)
    assert not any(isinstance(m, nn.Linear | nn.RMSNorm) for m in module.modules())
    assert made.dtype == torch.float32
    assert torch.allclose(made, expected, atol=tolerance * expected.abs().max().item())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_a_prepared_block_computes_the_same(dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(3)
    stack = FrameStack(ContextBlock(48, 700, left=2, right=1))
    nn.init.normal_(stack.blocks[0].down.weight, std=0.1)  # type: ignore[union-attr, arg-type]
    x = torch.randn(2, 37, 48)
    with torch.inference_mode():
        expected, _ = stack(x)
        prepare(stack, dtype)
        made, _ = stack(x)
    assert (expected - x).abs().max() > 1
    assert made.dtype == torch.float32
    assert torch.allclose(made, expected, atol=tolerance * expected.abs().max().item())


@pytest.mark.parametrize(("inputs", "outputs"), [(6, 320), (256, 2)])
def test_rows_summed_one_by_one_have_the_same_bits(inputs: int, outputs: int) -> None:
    torch.manual_seed(2)
    linear, x = nn.Linear(inputs, outputs), torch.randn(1, 130, inputs)
    rows = RowProjection(linear)
    whole = rows(x)
    assert torch.allclose(whole, linear(x), atol=1e-5)
    for start, stop in ((0, 1), (3, 5), (7, 40), (64, 130)):
        assert torch.equal(rows(x[:, start:stop]), whole[:, start:stop])


def test_norm_has_unit_mean_square() -> None:
    x = torch.randn(5, 64) * 7
    assert torch.allclose(normalize(x).square().mean(-1), torch.ones(5), atol=1e-4)
    assert torch.allclose(Norm(torch.full((64,), 2.0))(x), 2 * normalize(x))


@pytest.mark.parametrize(
    ("inputs", "outputs"), [(320, 448), (320, 1536), (512, 256), (640, 320), (768, 320), (960, 640), (1280, 640)]
)
@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=["bfloat16", "float32"])
def test_a_row_does_not_depend_on_the_others(dtype: torch.dtype, inputs: int, outputs: int, gelu: bool) -> None:
    torch.manual_seed(1)
    projection = Projection(torch.randn(outputs, inputs), torch.randn(outputs), dtype, gelu=gelu)
    x = torch.randn(400, inputs)
    with torch.inference_mode():
        alone = torch.cat([projection(row[None]) for row in x])
        for rows in (2, 16, 17, 31, 32, 33, 48, 64, 65, 120, 128, 300, 400):
            assert torch.equal(projection(x[:rows]), alone[:rows])
            assert torch.equal(projection(x[-rows:][None])[0], alone[-rows:])


def test_no_instructions_for_bfloat16_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    weight, x = torch.randn(48, 64), torch.randn(5, 64)
    monkeypatch.setattr("voiceagent.model.decode.projection.multiplies", lambda dtype, _: dtype is torch.float32)
    made = Projection(weight, None, torch.bfloat16)(x)
    assert made.dtype is torch.bfloat16
    assert torch.allclose(made.float(), x @ weight.bfloat16().float().T, rtol=1e-2, atol=1e-2)
    assert fastest_dtype(torch.device("cpu")) is torch.float32


@pytest.mark.parametrize(
    ("rows", "size"), [(1, 8), (8, 8), (9, 16), (17, 32), (33, 64), (64, 64), (65, 128), (300, 320)]
)
def test_products_come_in_few_sizes(rows: int, size: int) -> None:
    assert bucket(rows) == size

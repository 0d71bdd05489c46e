"""Inference layers: what they compute, and that a row does not depend on the others."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from voiceagent.model.projection import Norm, Projection, normalize, prepare


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


def test_norm_has_unit_mean_square() -> None:
    x = torch.randn(5, 64) * 7
    assert torch.allclose(normalize(x).square().mean(-1), torch.ones(5), atol=1e-4)
    assert torch.allclose(Norm(torch.full((64,), 2.0))(x), 2 * normalize(x))


@pytest.mark.parametrize(("inputs", "outputs"), [(320, 448), (320, 1536), (768, 320), (960, 640), (1280, 640)])
def test_a_row_does_not_depend_on_the_others(inputs: int, outputs: int) -> None:
    torch.manual_seed(1)
    projection = Projection(torch.randn(outputs, inputs), torch.randn(outputs), torch.bfloat16)
    x = torch.randn(320, inputs)
    with torch.inference_mode():
        alone = projection(x[:16])
        for rows in (17, 31, 32, 33, 48, 64, 65, 128, 300):
            assert torch.equal(projection(x[:rows])[:16], alone)
            assert torch.equal(projection(torch.cat((x[-rows:], x[:16])))[rows:], alone)

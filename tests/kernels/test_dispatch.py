"""Which implementation is chosen, and that all of them together are the packed model."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support.tiny_voice import tiny_model

from voiceagent.kernels import compiler
from voiceagent.kernels.dispatch import TORCH, TRITON, Kernels, choose
from voiceagent.kernels.packing import PackedRows, RingPool, RowPlace
from voiceagent.model.cuda.kernel_model import KernelModel
from voiceagent.model.decode.packed import PackedModel, Row

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    choose.cache_clear()
    yield
    choose.cache_clear()


def test_references_run_on_a_cpu_and_kernels_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose(CPU) is TORCH
    assert choose(torch.device("cuda")) is TRITON
    choose.cache_clear()
    monkeypatch.setattr(compiler, "INSTALLED", False)
    assert choose(torch.device("cuda")) is TORCH


def test_the_choice_can_be_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose(torch.device("cuda"), "torch") is TORCH
    choose.cache_clear()
    monkeypatch.setattr(compiler, "INTERPRETED", True)
    assert choose(CPU, "triton") is TRITON
    choose.cache_clear()
    monkeypatch.setattr(compiler, "INTERPRETED", False)
    with pytest.raises(RuntimeError, match="not for cpu"):
        choose(CPU, "triton")
    monkeypatch.setattr(compiler, "INSTALLED", False)
    with pytest.raises(RuntimeError, match="the extra gpu"):
        choose(CPU, "triton")
    with pytest.raises(ValueError, match="triton or torch"):
        choose(CPU, "cuda")


def test_a_kernel_without_triton_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "triton", None)

    @compiler.jit
    def some_kernel() -> None: ...

    with pytest.raises(RuntimeError, match=r"some_kernel needs Triton, the extra gpu"):
        some_kernel[(1,)]()


def test_references_need_no_triton() -> None:
    program = """
import sys
sys.modules["triton"] = None  # as if it were not installed
import torch
from voiceagent.kernels.dispatch import choose
kernels = choose(torch.device("cpu"))
print(kernels.name, tuple(kernels.swiglu(torch.ones(2, 6), torch.ones(2, 4)).shape))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "torch (2, 3)\n", done.stderr


@pytest.mark.parametrize("kernels", [TORCH, TRITON], ids=lambda kernels: str(kernels.name))
def test_kernels_make_the_pass_of_the_packed_model(kernels: Kernels) -> None:
    """Two streams, three passes: an opening block, a block with its predecessor pending, and a later step of the same block."""
    torch.manual_seed(0)
    model = PackedModel(tiny_model(), torch.float32)
    pool = RingPool.empty(
        layers=2, rings=2, kv_heads=model.kv_heads, head_dim=model.head_dim, context=6, longest=9, dtype=torch.float32, device=CPU
    )  # fmt: skip
    by_kernels = KernelModel(model, kernels)
    caches = [model.empty_cache(), model.empty_cache()]
    passes = [
        [RowPlace(0, 0, 4, 1), RowPlace(0, 0, 5, 0)],
        [RowPlace(0, 4, 3, 1), RowPlace(0, 5, 4, 0)],
        [RowPlace(4, 0, 3, 1), RowPlace(5, 0, 4, 0)],
        [RowPlace(4, 3, 6, 1), RowPlace(5, 4, 2, 0)],
        [RowPlace(7, 6, 2, 1), RowPlace(9, 2, 3, 0)],  # by now the rings go round and the oldest is out of sight
    ]
    for places in passes:
        slots = torch.randn(sum(place.pending + place.open for place in places), 32)
        packed = [
            Row(cache, place.position, place.pending, place.open) for cache, place in zip(caches, places, strict=True)
        ]
        expected, keys, values = model(slots, packed)
        made = by_kernels(slots, PackedRows.of(places, CPU), pool, torch.arange(len(slots)))
        assert torch.allclose(made, expected, atol=2e-5)
        start = 0
        for index, place in enumerate(places):
            done = slice(start, start + place.pending)
            if place.pending:
                caches[index] = caches[index].append(keys[:, :, :, done], values[:, :, :, done], keep=pool.context)
            start += place.pending + place.open


def test_the_program_on_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "gpu.md"
    (program,) = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    exec(compile(program, page.name, "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.split()[0] in ("torch", "triton")

"""Triton compiles all kernels down to machine code for an H100, which needs no GPU; running them does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")


@pytest.mark.slow
def test_kernels_become_machine_code_without_spilling(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "TRITON_DEFAULT_FP_FUSION": "1"}
    program = Path(__file__).with_name("compile_ahead.py")
    done = subprocess.run([sys.executable, program, "90"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert {name.partition(",")[0] for name in found} == {
        *("unmask", "attention", "attention in float32", "norm_rotary", "swiglu")
    }
    for name, needs in found.items():
        most = 256 if "float32" in name else 0  # that one is for comparisons, not for speed
        assert needs["stack_bytes"] <= most, f"{name} spills registers"
        assert needs["registers"] <= 255
        assert needs["shared_bytes"] <= 100_000

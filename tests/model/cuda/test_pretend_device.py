"""From phonemes to samples with everything on a device, without having one: nothing is mixed, and a tick asks nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")


def speak(fault: str) -> subprocess.CompletedProcess[str]:
    program = Path(__file__).with_name("pretend_device.py")
    return subprocess.run([sys.executable, program, fault], capture_output=True, text=True)


def test_speaking_mixes_no_devices_and_waits_twice_a_block_at_most() -> None:
    """Once for the durations of a chunk, once for the samples of a block; never in a tick."""
    done = speak("none")
    assert done.returncode == 0, done.stderr[-3000:]
    counts = json.loads(done.stdout)
    assert counts["ticks"] > 4
    assert counts["unmask_kernel"] == counts["ticks"]
    assert counts["norm_rotary_kernel"] == counts["attention_kernel"] == counts["swiglu_kernel"] == 2 * counts["ticks"]
    assert counts["waits"] == 6 + counts["blocks"]  # three streams of two chunks
    assert counts["samples"] > 0
    assert counts["bfloat16"] == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "error"), [("processor", "DeviceMismatch"), ("value", "DataDependent"), ("shape", "DynamicOutputShape")]
)
def test_what_it_would_find(fault: str, error: str) -> None:
    done = speak(fault)
    assert done.returncode != 0
    assert error in done.stderr

"""Where kernels run in tests: on a GPU compiled, elsewhere in Triton's interpreter (tests/conftest.py switches that on)."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("triton")


@pytest.fixture
def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")

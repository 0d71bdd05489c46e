"""Kernels run in Triton's interpreter where there is no GPU.

Triton looks when a kernel is defined, so this is said before anything of ours is imported.
"""

from __future__ import annotations

import os

import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

"""ONNX Runtime as this component uses it: loaded once, one thread a call unless more are asked for, no spinning, no
telemetry.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from voiceagent.errors import ModelError


@cache
def load() -> Any:
    """The module `onnxruntime`, which sends nothing anywhere.

    Raises:
        ModelError: it is not installed, or does not load here.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(f"ONNX Runtime cannot be loaded ({error}): pip install onnxruntime") from error
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def options(threads: int = 1) -> Any:
    """Settings of a session: so many threads, which sleep while there is nothing to do."""
    made = load().SessionOptions()
    made.intra_op_num_threads = threads
    made.inter_op_num_threads = 1
    made.log_severity_level = 3
    made.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return made

"""Settings of the engine: where it computes, how exactly, on how many threads, for how many streams."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_type_hints

from voiceagent.errors import InputError

Device = Literal["cpu", "cuda", "auto"]
Runtime = Literal["auto", "onnx", "torch"]
Precision = Literal["auto", "int8", "float32", "bfloat16"]
Kernels = Literal["auto", "triton", "torch"]

# Environment keys that override the settings, and the setting of each. This is the only place that reads them.
ENVIRONMENT = {
    "VOICEAGENT_DEVICE": "device",
    "VOICEAGENT_RUNTIME": "runtime",
    "VOICEAGENT_PRECISION": "precision",
    "VOICEAGENT_THREADS": "threads",
    "VOICEAGENT_KERNELS": "kernels",
}
THREADS_MAX, STREAMS_MAX = 256, 10_000


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What the engine runs on; the section [engine] of the settings.

    Raises:
        ValueError: a value is not one of its choices, or out of range.
    """

    device: Device = "cpu"
    """auto is a GPU where torch finds one, else the processor."""
    runtime: Runtime = "auto"
    """Who computes: ONNX Runtime on a processor alone, torch on both; auto is ONNX Runtime on a processor."""
    precision: Precision = "auto"
    """Of the weights that are multiplied; auto is int8 in ONNX Runtime, in torch bfloat16 where there are instructions
    for it.
    """
    threads: int = 1
    """Threads of the tensor library; two are slower than one at these sizes."""
    kernels: Kernels = "auto"
    """On a GPU; auto is Triton where it is installed."""
    max_streams: int = 16
    """Utterances that are spoken at once, over all clients."""
    guard: bool = True
    """On a processor, listen to speech before it leaves, and make again what does not sound as planned."""

    def __post_init__(self) -> None:
        hints = get_type_hints(EngineConfig)
        for name in ("device", "runtime", "precision", "kernels"):
            value, choices = getattr(self, name), get_args(hints[name])
            if value not in choices:
                raise ValueError(f"unknown {name} {value!r}: choose {' or '.join(choices)}")
        for name, most in (("threads", THREADS_MAX), ("max_streams", STREAMS_MAX)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}, not within 1 and {most}")

    def overridden(self, environment: Mapping[str, str] = os.environ) -> EngineConfig:
        """These settings with what the environment says instead.

        Raises:
            InputError: it says something that is not a valid value.
        """
        changes: dict[str, Any] = {}
        for key, name in ENVIRONMENT.items():
            if value := environment.get(key):
                if name == "threads" and not value.isdecimal():
                    raise InputError(f"{key} is {value!r}: it takes a number of threads")
                changes[name] = int(value) if name == "threads" else value
        try:
            return replace(self, **changes)
        except ValueError as error:
            keys = ", ".join(key for key, name in ENVIRONMENT.items() if name in changes)
            raise InputError(f"{error} (from {keys})") from error

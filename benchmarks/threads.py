"""Does a second thread pay? Sound made beside the next tick, or products shared by two threads, against one thread for all.

    voiceagent bench threads [--streams 1,4,8,16] [--rounds 5] [--ticks 40]

In turns in one process, so that the ways share the machine's moods; ratios are what counts. Run it where two cores are free.
"""

from __future__ import annotations

import argparse
import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any, cast

import numpy as np
import torch
from instruments.machine import DATA, announce, finish, show
from instruments.ticking import SpeakingRig, SpokenStream, endless_chunks
from judging.evaluation import read_sentences

from voiceagent.audio.formats import Samples
from voiceagent.engine.synthesizer import DecodedBlock, SynthesisState, Synthesizer
from voiceagent.model.codec.constants import TOKEN_RATE_HZ
from voiceagent.model.runtime_values import SoundState
from voiceagent.model.torch_model import TorchModel
from voiceagent.model.weights import load
from voiceagent.text.phonemes.phonemizer import MisakiPhonemizer

ONE, APART, TWO = "one thread", "codec on a thread of its own", "two threads in each product"
WAITING = 4  # ticks whose tokens may wait for the codec's thread, then the other one waits
SETTLE_TICKS = 40
CAVEATS = (
    "the ways take turns; ± is half of what lies between the lowest and the highest ratio to one thread in the same round",
    "CPU: processor time of all threads a second of audio, so what a second core costs",
    "first sound: a new stream from its first chunk to its first samples, while it goes on decoding; no network",
)


class Listened:
    """A speaker that notes when samples come."""

    def __init__(self, speaker: Synthesizer) -> None:
        self._speaker = speaker
        self.heard = threading.Event()
        self.heard_s = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._speaker, name)

    def render(self, said: Sequence[DecodedBlock]) -> list[tuple[Samples, SynthesisState]]:
        """As the speaker does it."""
        made = self._speaker.render(said)
        if not self.heard.is_set() and any(len(samples) for samples, _ in made):
            self.heard_s = time.perf_counter()
            self.heard.set()
        return made

    def drain(self) -> None:
        """Until everything said has become sound."""


class _Promise(SoundState):
    """What the codec remembers of a stream, once its thread has come to it."""

    state: SoundState | None = None


class Apart(Listened):
    """A speaker whose codec works on a thread of its own: `sound` returns at once and empty-handed."""

    def __init__(self, speaker: Synthesizer) -> None:
        super().__init__(speaker)
        self._line: queue.Queue[list[tuple[DecodedBlock, _Promise]] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._work, name="codec")
        self._thread.start()

    def render(self, said: Sequence[DecodedBlock]) -> list[tuple[Samples, SynthesisState]]:
        """Hand over; the next part of a stream finds what this one leaves behind, because one thread works in order."""
        if not said:
            return []
        pairs = [(one, _Promise()) for one in said]
        self._line.put(pairs)
        nothing = np.zeros(0, np.float32)
        return [(nothing, replace(one.state, sound=promise)) for one, promise in pairs]

    def drain(self) -> None:
        self._line.join()

    def close_block(self, *arguments: Any) -> Any:
        return self._speaker.close_block(*arguments)

    def stop(self) -> None:
        """The thread ends."""
        self._line.put(None)
        self._thread.join()

    def _work(self) -> None:
        torch.set_num_threads(1)
        while (pairs := self._line.get()) is not None:
            said = []
            for one, _ in pairs:
                before = cast("_Promise | None", one.state.sound)
                said.append(replace(one, state=replace(one.state, sound=before.state if before else None)))
            for (_, promise), (_, state) in zip(pairs, super().render(said), strict=True):
                promise.state = state.sound
            self._line.task_done()
        self._line.task_done()


class Way:
    """One way to use the cores, with streams of its own that speak without end."""

    def __init__(self, name: str, speaker: Listened, phonemize: MisakiPhonemizer, texts: Sequence[str]) -> None:
        self.name, self.speaker = name, speaker
        self.rig = SpeakingRig(cast(Synthesizer, speaker), phonemize)
        self._texts = texts
        self._numbers = count()
        self.streams: list[SpokenStream] = []

    def add(self) -> SpokenStream:
        """A stream that has not begun."""
        return self.rig.stream(endless_chunks(self._texts, 7 * next(self._numbers)), "heart")

    @contextmanager
    def threads(self) -> Iterator[None]:
        """While this way is in use."""
        torch.set_num_threads(2 if self.name == TWO else 1)
        yield
        self.speaker.drain()

    def run(self, ticks: int) -> tuple[float, float]:
        """Seconds of audio a second, and processor seconds a second of audio."""
        tokens = -self._tokens()
        with self.threads():
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            for _ in range(ticks):
                self.rig.tick(self.streams)
            self.speaker.drain()
            wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        audio_s = (tokens + self._tokens()) / TOKEN_RATE_HZ
        return audio_s / wall_s, cpu_s / audio_s

    def first_sound_s(self) -> float:
        """Of a new stream, alone."""
        stream = self.add()
        self.speaker.heard.clear()
        with self.threads():
            begin_s = time.perf_counter()
            while not self.speaker.heard.is_set():
                self.rig.tick([stream])
        return self.speaker.heard_s - begin_s

    def _tokens(self) -> int:
        return sum(len(digits) for stream in self.streams for digits in stream.digits)


def ratio(values: Sequence[float], others: Sequence[float]) -> str:
    """The median ratio of pairs, and half of what lies between the lowest and the highest."""
    ratios = np.array(values) / np.array(others)
    return f"{np.median(ratios):.2f} ± {np.ptp(ratios) / 2:.2f}"


def compare(ways: Sequence[Way], options: argparse.Namespace) -> dict[str, Any]:
    """All ways at every number of streams, and their first sounds."""
    found: dict[str, Any] = {}
    for streams in options.streams:
        speeds: dict[str, list[tuple[float, float]]] = {way.name: [] for way in ways}
        for way in ways:
            way.streams = [way.add() for _ in range(streams)]
            way.run(SETTLE_TICKS)
        for _ in range(options.rounds):
            for way in ways:
                speeds[way.name].append(way.run(options.ticks))
        found[f"{streams} stream(s)"] = speeds
    sounds: dict[str, list[float]] = {way.name: [] for way in ways}
    for _ in range(4 * options.rounds):
        for way in ways:
            sounds[way.name].append(way.first_sound_s())
    return {"speed": found, "first_sound_s": sounds}


def show_all(found: dict[str, Any]) -> None:
    """Tables for people."""
    rows: list[list[object]] = []
    for streams, speeds in found["speed"].items():
        reference = speeds[ONE]
        for name, pairs in speeds.items():
            fast, cpu = zip(*pairs, strict=True)
            one_fast, one_cpu = zip(*reference, strict=True)
            medians = [f"{np.median(fast):.1f}", f"{np.median(cpu):.4f}"]
            rows.append([f"{streams}, {name}", *medians, ratio(fast, one_fast), ratio(cpu, one_cpu)])
    show("speed", ["", "audio s/s", "CPU s per s", "speed to one thread", "CPU to one thread"], rows)
    sounds = found["first_sound_s"]
    show(
        "first sound of a stream alone, ms",
        ["", "p50", "p95", "to one thread"],
        [
            [name, *(f"{1000 * np.percentile(values, p):.1f}" for p in (50, 95)), ratio(values, sounds[ONE])]
            for name, values in sounds.items()
        ],
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(prog="voiceagent bench threads", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--streams", default="1,4,8,16", help="streams at once, a list (default 1,4,8,16)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each way (default 5)")
    parser.add_argument("--ticks", type=int, default=40, help="ticks a turn (default 40)")
    options = parser.parse_args(arguments)
    try:
        options.streams = [int(streams) for streams in options.streams.split(",")]
    except ValueError:
        parser.error(f"--streams {options.streams}: a list of numbers, such as 1,4")
    if min(*options.streams, options.rounds, options.ticks) < 1:
        parser.error("--streams, --rounds and --ticks are at least 1")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Tables for people, last line JSON."""
    options = parse(arguments)
    cores = len(os.sched_getaffinity(0))
    few = () if cores > 1 else ("only one core may be used here: no way with two threads can win",)
    machine = announce(f"threads, {cores} core(s)", (*CAVEATS, *few))
    texts = [text for _, text in read_sentences(DATA / "conversation.tsv")]
    speaker, phonemize = Synthesizer(TorchModel(load(None))), MisakiPhonemizer()
    apart = Apart(speaker)
    try:
        ways = [Way(ONE, Listened(speaker), phonemize, texts), Way(APART, apart, phonemize, texts)]
        found = compare([*ways, Way(TWO, Listened(speaker), phonemize, texts)], options)
    finally:
        apart.stop()
    show_all(found)
    finish("threads", machine, found)


if __name__ == "__main__":
    main()

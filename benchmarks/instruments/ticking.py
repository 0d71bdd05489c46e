"""The engine's tick on a bench: the same calls on the model, in the same order, with a clock around each part.

No thread, no sessions, no pacing: streams never wait for a listener, so what is measured is what the machine can do.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from voiceagent.engine.synthesizer import SynthesisState, Synthesizer
from voiceagent.model.codec.constants import TOKEN_RATE_HZ
from voiceagent.model.cuda.decoder import DeviceDecoder
from voiceagent.model.decode.interface import BlockDecoder, OpenBlock
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.lm.script import PhonemeChunk
from voiceagent.model.torch_model import TorchModel
from voiceagent.options import SpeakOptions
from voiceagent.protocol.outputs import Speech
from voiceagent.settings.policy import SpeechPolicy
from voiceagent.text.chunker import Chunker

if TYPE_CHECKING:
    from voiceagent.text.chunk import Chunk
    from voiceagent.text.phonemes.phonemizer import Phonemizer

PARTS = ("front end", "plan", "language model", "codec", "delivery")
SAMPLE_RATE_HZ = 24_000


@dataclass(slots=True)
class Clock:
    """Seconds of each part of a tick."""

    device: torch.device
    ticks: list[dict[str, float]] = field(default_factory=list)

    def begin(self) -> None:
        """The next tick."""
        self.ticks.append(dict.fromkeys(PARTS, 0.0))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens inside as this part."""
        begin_s = self._now()
        yield
        self.ticks[-1][name] += self._now() - begin_s

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


@dataclass(slots=True)
class Work:
    """What ticks have asked of the language model and made, for the floor."""

    slots: int = 0
    scores: int = 0  # pairs of a slot and a slot that it sees
    blocks: int = 0  # that were finished
    audio_s: float = 0.0

    def add(self, blocks: Iterable[OpenBlock]) -> None:
        """Count the slots of a pass."""
        for block in blocks:
            done, under_way, stored = block.load
            seen = stored + done
            self.slots += done + under_way
            self.scores += done * seen + under_way * (seen + under_way)


def chunks_of(text: str) -> Iterator[Chunk]:
    """One utterance, as a session would cut it."""
    chunker = Chunker(SpeechPolicy())
    yield from chunker.feed(text)
    yield from chunker.end()


def endless_chunks(texts: Sequence[str], first: int) -> Iterator[Chunk]:
    """An utterance that never ends: the texts over and over, beginning somewhere."""
    chunker = Chunker(SpeechPolicy())
    for text in cycle([*texts[first % len(texts) :], *texts[: first % len(texts)]]):
        yield from chunker.feed(text + " ")


@dataclass(slots=True)
class SpokenStream:
    """A stream from text to samples."""

    chunks: Iterator[Chunk]
    options: SpeakOptions
    state: SynthesisState = field(default_factory=SynthesisState)
    speaking: bool = False
    block: OpenBlock | None = None
    digits: list[Tensor] = field(default_factory=list)
    over: bool = False


def packed_of(speaker: Synthesizer) -> PackedModel:
    """The language model of a synthesizer that computes in torch."""
    model = cast(TorchModel, speaker.model)  # benchmarks wrap synthesizers
    return model.packed


class SpeakingRig:
    """Streams that speak text with a voice."""

    def __init__(self, speaker: Synthesizer, phonemize: Phonemizer) -> None:
        self.speaker, self.decoder, self.model = speaker, speaker.decoder, packed_of(speaker)
        self.clock = Clock(self.model.device)
        self.work = Work()
        self._phonemize = phonemize
        self._out: queue.SimpleQueue[Speech] = queue.SimpleQueue()

    def take(self, decoder: BlockDecoder[Any, Any, Any]) -> None:
        """Decode with another decoder from here on."""
        self.decoder = self.speaker.decoder = decoder

    def stream(self, chunks: Iterator[Chunk], voice: str, seed: int = 0) -> SpokenStream:
        """A stream that has not begun."""
        return SpokenStream(chunks, SpeakOptions(voice, seed=seed))

    def tick(self, streams: Sequence[SpokenStream]) -> None:
        """Move every stream that is not over a step on."""
        self.clock.begin()
        live = [stream for stream in streams if not stream.over]
        for stream in live:
            self._prepare(stream)
        moving = [(stream, stream.block) for stream in live if stream.block is not None]
        self.work.add(block for _, block in moving)
        with self.clock.part("language model"):
            if moving:
                after = self.decoder.tick([block for _, block in moving])
                for (stream, _), block in zip(moving, after, strict=True):
                    stream.block = block
            done = [stream for stream in live if stream.block is None or stream.block.done]
            self.work.blocks += sum(stream.block is not None for stream in done)
            said = [self.speaker.close_block(stream.state, stream.options, stream.block) for stream in done]
        with self.clock.part("codec"):
            sounds = self.speaker.render(said)
        for stream, one, (samples, state) in zip(done, said, sounds, strict=True):
            self._hear(stream, cast(Tensor, one.digits), samples, state)

    def _prepare(self, stream: SpokenStream) -> None:
        if not stream.speaking:
            chunk = next(stream.chunks)
            with self.clock.part("front end"):
                said = self._phonemize(chunk)
            with self.clock.part("plan"):
                words = [word.phonemes for word in said.words]
                phonemes = PhonemeChunk(
                    words, said.lookahead, final=chunk.final, speed=chunk.rate, pause_s=chunk.pause_s
                )
                stream.state = self.speaker.plan_chunk(stream.state, stream.options, phonemes)
            stream.speaking = True
        if stream.block is None:
            with self.clock.part("plan"):
                stream.block = self.speaker.open_block(stream.state, stream.options)

    def _hear(
        self,
        stream: SpokenStream,
        digits: Tensor,
        samples: np.ndarray[tuple[int], np.dtype[np.float32]],
        state: SynthesisState,
    ) -> None:
        with self.clock.part("delivery"):
            self._out.put(Speech(np.ascontiguousarray(samples)))
        self._out.get()
        stream.digits.append(digits)
        stream.state, stream.block = state, None
        stream.speaking = self.speaker.remaining(state) > 0
        stream.over = state.final and not stream.speaking
        self.work.audio_s += len(samples) / SAMPLE_RATE_HZ

    def tokens(self, stream: SpokenStream) -> Tensor:
        """Everything that it has said, (n, 6)."""
        return torch.cat(stream.digits)

    def memory(self, streams: Sequence[SpokenStream]) -> dict[str, int]:
        """Bytes that the tensors of streams hold, each piece of memory counted once."""
        return {
            "cache": cache_bytes(self.decoder, [s.state.language for s in streams]),
            "codec": held_bytes([s.state.sound for s in streams]),
            "all": held_bytes([(s.state, s.block) for s in streams]),
        }


@dataclass(slots=True)
class RandomStream:
    """A stream without text and without sound: blocks on random conditioning."""

    state: Any
    block: OpenBlock | None = None


class RandomRig:
    """The language model alone, of any shape and on any device; speed does not depend on what the weights say."""

    def __init__(self, decoder: BlockDecoder[Any, Any, Any], options: DecodingOptions, block_tokens: int = 16) -> None:
        self.decoder = decoder
        self.model: PackedModel = cast(Any, decoder).model  # torch's decoders have one
        self.clock = Clock(self.model.device)
        self.work = Work()
        self._options = options
        self._tokens = block_tokens
        self._generator = torch.Generator(self.model.device).manual_seed(0)

    def stream(self) -> RandomStream:
        """A stream that has not begun."""
        return RandomStream(self.decoder.begin())

    def tick(self, streams: Sequence[RandomStream]) -> None:
        """Move every stream a step on."""
        self.clock.begin()
        blocks = []
        for stream in streams:
            if stream.block is None:
                size = (self._tokens, self.model.config.speech.width)
                conditioning = torch.randn(size, generator=self._generator, device=self.model.device)
                stream.block = self.decoder.open(stream.state, conditioning, self._options)
            blocks.append(stream.block)
        self.work.add(blocks)
        with self.clock.part("language model"):
            for stream, block in zip(streams, self.decoder.tick(blocks), strict=True):
                stream.block = block
                if block.done:
                    _, stream.state = self.decoder.close(block)
                    stream.block = None
                    self.work.blocks += 1
                    self.work.audio_s += self._tokens / TOKEN_RATE_HZ

    def memory(self, streams: Sequence[RandomStream]) -> dict[str, int]:
        """Bytes that the tensors of streams hold, each piece of memory counted once."""
        return {
            "cache": cache_bytes(self.decoder, [s.state for s in streams]),
            "codec": 0,
            "all": held_bytes([(s.state, s.block) for s in streams]),
        }


def cache_bytes(decoder: BlockDecoder[Any, Any, Any], states: Sequence[Any]) -> int:
    """Memory of keys and values, or of all that a stream has on a device: there it is laid out beforehand."""
    if isinstance(decoder, DeviceDecoder):
        return decoder.bytes_per_stream * len(states)
    return held_bytes([state and state.cache for state in states])


def held_bytes(value: object) -> int:
    """Memory behind all tensors inside a value, whole storages, each counted once."""
    storages: dict[int, int] = {}

    def walk(inside: object) -> None:
        if isinstance(inside, Tensor):
            storage = inside.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        elif is_dataclass(inside) and not isinstance(inside, type):
            for each in fields(inside):
                walk(getattr(inside, each.name))
        elif isinstance(inside, (tuple, list)):
            for each in inside:
                walk(each)

    walk(value)
    return sum(storages.values())

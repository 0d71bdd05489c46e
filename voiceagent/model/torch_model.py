"""The voices in torch: for GPUs, and on processors as the reference of the other runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceagent.audio.formats import Samples
from voiceagent.model.codec.codec import Decoder, DecoderState, StreamPart
from voiceagent.model.decode.interface import BlockDecoder
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.decode.packed import PackedModel
from voiceagent.model.decode.projection import Projection, RowProjection, prepare
from voiceagent.model.decode.torch_decoder import decoder_for
from voiceagent.model.interface import LONGEST_BLOCK, Listen, StreamTokens
from voiceagent.model.lm import planning
from voiceagent.model.lm.aligner import Aligner
from voiceagent.model.lm.script import ChunkPlan, PhonemeChunk, Script
from voiceagent.model.voices import VoiceSpace
from voiceagent.model.weights import Voices, voice_vector


def prepare_decoder(decoder: Decoder, dtype: torch.dtype) -> None:
    """Make the decoder fast, in place: its stacks and what joins them, not its heads, because pitch in bfloat16 would
    jitter.

    What the pitch is made of has the same bits however a stream is cut: its phase would add up the smallest difference.
    """
    for part in (decoder.tokens, decoder.frames):
        prepare(part, dtype)
    decoder.up = Projection(decoder.up.weight, decoder.up.bias, dtype, out_dtype=torch.float32)  # type: ignore[assignment]  # in place
    decoder.into, decoder.pitch = RowProjection(decoder.into), RowProjection(decoder.pitch)  # type: ignore[assignment]  # in place


class TorchModel:
    """A `SpeechModel`; it takes the voices over and makes them fast (decode/projection.py).

    Everything is where the voices are. On a GPU there is room for `streams` streams at once.
    """

    def __init__(
        self,
        voices: Voices,
        dtype: torch.dtype | None = None,
        *,
        streams: int = 1,
        kernels: str = "auto",
        aligner: Aligner | None = None,
    ) -> None:
        self.voices = voices
        self.packed = PackedModel(voices.model, dtype)
        # One of two decoders, each with states and blocks of its own; which is only known when it runs.
        self.decoder: BlockDecoder[Tensor, Any, Any] = decoder_for(
            self.packed, streams=streams, longest=LONGEST_BLOCK, kernels=kernels
        )
        prepare_decoder(voices.codec.decoder, self.packed.dtype)
        prepare(voices.model.text, self.packed.dtype)
        self._aligner = aligner if self.decoder.rewinds else None
        del voices.model.transformer, voices.codec.encoder  # a third of the memory, and speaking needs neither

    @property
    def space(self) -> VoiceSpace:
        return self.voices.space

    @property
    def listen(self) -> Listen | None:
        return None if self._aligner is None else self._listen

    @torch.inference_mode()
    def _listen(self, digits: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        assert self._aligner is not None
        values = self.voices.codec.quantizer.values(torch.as_tensor(digits))[None]
        logits: npt.NDArray[np.float32] = self._aligner(values)[0].float().numpy()
        return logits

    def options(self, voice: str) -> DecodingOptions:
        return self.voices.options(voice)

    def vector(self, voice: str) -> Tensor:
        """A voice or a blend (V,), where the model is."""
        return voice_vector(self.voices, voice).to(self.packed.device)

    def plan_chunk(self, script: Script, chunk: PhonemeChunk, voice: str) -> tuple[ChunkPlan[Tensor], Script]:
        vector = self.vector(voice)[None]
        return planning.plan_chunk(self.voices.model, script, chunk, vector, self.voices.rhythms.get(voice))

    @torch.inference_mode()
    def render(self, parts: Sequence[StreamTokens[Tensor, DecoderState]]) -> list[tuple[Samples, DecoderState]]:
        nothing = torch.zeros(0, 6, dtype=torch.long, device=self.packed.device)
        streams = [
            StreamPart(
                nothing if part.digits is None else part.digits,
                self.vector(part.voice),
                part.state,
                part.final,
                part.rows,
                part.liveliness,
            )
            for part in parts
        ]
        made = self.voices.codec.decode_streams(streams)
        return [(samples.cpu().numpy(), state) for samples, state in made]

    def use_threads(self, threads: int) -> None:
        torch.set_num_threads(threads)

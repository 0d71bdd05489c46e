"""Tokens to sound by the graph `decoder` and the vocoder: `Codec.decode_streams` without torch."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from voiceagent.model.codec.constants import FRAMES_PER_TOKEN
from voiceagent.model.codec.delivery import DeliveryState, deliver, plain_rows
from voiceagent.model.codec.passes import in_passes
from voiceagent.model.codec.source_stream import stream
from voiceagent.model.config import CodecConfig
from voiceagent.model.interface import StreamTokens
from voiceagent.model.onnx import vocoder
from voiceagent.model.onnx.layout import FRAME_LEFT
from voiceagent.model.onnx.voices import Heard
from voiceagent.model.runtime_values import SoundState

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DecoderState(SoundState):
    """Where a stream stands; None before the first token.

    delivery: None while nothing of the stream is delivered otherwise than its tokens say.
    """

    contexts: tuple[Floats, ...]  # one a block of the decoder, (B, frames, C)
    source: vocoder.SourceState
    delivery: DeliveryState | None = None


Part: TypeAlias = StreamTokens[npt.NDArray[Any], DecoderState]


def standing(part: Part) -> Hashable:
    """Streams of equal standing have arrays of equal shapes, so that they can share a pass; a delivery has its own."""
    count = 0 if part.digits is None else len(part.digits)
    state: DecoderState | None = part.state
    if part.rows is not None or (state is not None and state.delivery is not None):
        return id(part)
    if state is None:
        return count, part.final
    source = state.source
    arrays = (*state.contexts, source.f0_hz, source.pulses, source.filters)
    return count, part.final, source.frames_done[0] == 0, *(array.shape[1:] for array in arrays)


class OnnxCodec:
    """Makes sound of tokens of many streams.

    Args:
        session: the graph `decoder`.
        config: of the codec.
    """

    def __init__(self, session: Any, config: CodecConfig) -> None:
        self._session = session
        self._half_width = (np.array(config.levels, np.float32) - 1) / 2
        self._ending = max(config.token_right), config.token_width  # frames, channels
        tokens = [(f"decoder.tokens.blocks.{i}", left, config.token_width) for i, left in enumerate(config.token_left)]
        frames = [
            (f"decoder.frames.blocks.{i}", FRAME_LEFT * dilation, config.frame_width)
            for i, dilation in enumerate(config.frame_dilations)
        ]
        self._blocks = [*tokens, *frames]  # name, frames of the empty context, channels
        self._synthesis = vocoder.Synthesis()

    def render(self, parts: Sequence[Part], voices: Sequence[Heard]) -> list[tuple[Floats, DecoderState]]:
        """Parts and their voices -> samples (n,) that are complete, and next states; those that stand alike share a
        pass.
        """
        return in_passes(list(zip(parts, voices, strict=True)), lambda pair: standing(pair[0]), self._together)

    def values(self, digits: npt.NDArray[np.int64]) -> Floats:
        """Digits (..., 6) -> quantised values in [-1, 1]."""
        values = digits / self._half_width - 1
        return values.astype(np.float32)

    def _together(self, pairs: list[tuple[Part, Heard]]) -> Iterable[tuple[Floats, DecoderState]]:
        """Parts of equal standing and their voices -> samples (n,) and next state of each."""
        parts, voices = [part for part, _ in pairs], [voice for _, voice in pairs]
        states = [part.state or self._begin() for part in parts]
        final, nothing = parts[0].final, np.zeros((0, len(self._half_width)), np.int64)
        digits = [nothing if part.digits is None else part.digits for part in parts]
        contexts = [
            np.concatenate(rows) if len(rows) > 1 else rows[0]
            for rows in zip(*(s.contexts for s in states), strict=True)
        ]
        frames, width = self._ending
        given: dict[str, Any] = {
            "values": self.values(np.stack(digits)),
            "voice": np.concatenate([voice["decoder"] for voice in voices]),
            "frame_voice": np.concatenate([voice["frames"] for voice in voices]),
            "ending": np.zeros((len(parts), frames if final else 0, width), np.float32),
        }
        given.update((f"context_{name}", context) for (name, _, _), context in zip(self._blocks, contexts, strict=True))
        filters, pitch, *contexts = self._session.run(
            ["shaped", "pitch", *(f"after_{name}" for name, _, _ in self._blocks)], given
        )
        source, f0 = vocoder.join([state.source for state in states]), f0_hz(pitch)
        filters, f0, delivery = self._delivered(parts[0], states[0], filters, f0)
        samples, source = stream(self._synthesis, source, filters, f0, final=final)
        kept = [tuple(context[i : i + 1] for context in contexts) for i in range(len(parts))]
        after = [DecoderState(*each, delivery) for each in zip(kept, vocoder.split(source), strict=True)]
        return zip(samples, after, strict=True)

    def _delivered(
        self, part: Part, state: DecoderState, filters: Floats, f0: Floats
    ) -> tuple[Floats, Floats, DeliveryState | None]:
        """Frames (B, F, ...) and their F0 (B, F) as they are to sound; streams with a delivery come alone (B = 1)."""
        if part.rows is None and state.delivery is None:
            return filters, f0, None
        due = sum(
            context.shape[1] - left
            for context, (name, left, _) in zip(state.contexts, self._blocks, strict=True)
            if ".tokens." in name
        )
        delivery = state.delivery or DeliveryState(plain_rows(FRAMES_PER_TOKEN * due))
        count = 0 if part.digits is None else len(part.digits)
        rows = plain_rows(count * FRAMES_PER_TOKEN) if part.rows is None else part.rows
        made, delivery = deliver(f0[0], rows, delivery, part.liveliness)
        filters = filters.copy()
        filters[0, :, :2] += made.gain[:, None, None]  # phases have none
        return np.repeat(filters, made.copies, axis=1), np.repeat(made.f0_hz[None], made.copies, axis=1), delivery

    def _begin(self) -> DecoderState:
        return DecoderState(
            tuple(np.zeros((1, frames, width), np.float32) for _, frames, width in self._blocks),
            self._synthesis.start(),
        )


def f0_hz(pitch: Floats) -> Floats:
    """(B, F, 2) -> (B, F), 0 where unvoiced, on a grid of 1/64 Hz."""
    f0 = np.float32(150) * np.exp(np.clip(pitch[..., 0], -1.5, 1.5))
    return np.where(pitch[..., 1] > 0, np.round(f0 * 64) / np.float32(64), np.float32(0))

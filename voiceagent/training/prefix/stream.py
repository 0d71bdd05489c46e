"""The text in the sequence, streamed: nothing in the sequence ever moves or is read again.

    [text 1, <speak>, look-ahead 1, speech 1, text 2, <speak>, look-ahead 2, speech 2, ...]

A stretch is what one chunk of text says. Every phoneme stands in the sequence once; <speak> follows the last that is to be said
now, and what comes behind it is known and said later. Text sees the text so far, speech the text so far and the speech before it.
Rotary positions are those of the layout with the whole text (prefix.py), stretch by stretch; look-ahead goes on at the same pace.

    stream = begin(packed)
    stream = listen(model, packed, stream, phonemes, ahead, tokens)
    digits, speech = decode_block(packed, stream.speech, ...)       until all of `tokens` are said
    stream = replace(stream, speech=speech)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from voiceagent.model.decode import reference as decoding
from voiceagent.model.decode.packed import PackedModel, Row
from voiceagent.model.decode.reference import TorchState
from voiceagent.model.lm.transformer import KeysValues
from voiceagent.training.prefix.layout import SPEAK, PrefixLanguageModel


@dataclass(frozen=True, slots=True)
class PrefixStream:
    """A stream between two stretches; a value."""

    speech: TorchState  # its cache holds the text and the speech so far
    text: KeysValues  # of the text alone, which is all that text sees
    ahead: tuple[int, ...] = ()  # phonemes of the next stretch that stand in the sequence already


def stretch_positions(start: int, tokens: int, phonemes: int, heard: int, ahead: int) -> Tensor:
    """Rotary positions of the text that a stretch brings, (phonemes - heard + 1 + ahead,).

    The stretch says `phonemes` phonemes, of which the first `heard` are known already, in `tokens` tokens from token `start` on.
    """
    pace = tokens / phonemes
    new = start + (torch.arange(heard, phonemes) + 0.5) * pace
    later = start + tokens + (torch.arange(ahead) + 0.5) * pace
    return torch.cat((new, new.new_tensor([start + tokens]), later)) - 0.5


def begin(packed: PackedModel) -> PrefixStream:
    """The state before the first word."""
    return PrefixStream(decoding.begin(packed), packed.empty_cache())


@torch.inference_mode()
def listen(
    model: PrefixLanguageModel,
    packed: PackedModel,
    stream: PrefixStream,
    phonemes: Sequence[int],
    ahead: Sequence[int],
    tokens: int,
) -> PrefixStream:
    """Take in the stretch that `phonemes` are said in, `tokens` tokens long, and what is known of the next: one pass, or two.

    The second stores the block before, which has not heard of the new text: so it was in training.

    Raises:
        ValueError: the stretch is empty, does not begin with what was looked ahead at, or is longer than the context.
    """
    heard, keep = len(stream.ahead), packed.config.context_tokens
    if not phonemes or tuple(phonemes[:heard]) != stream.ahead:
        raise ValueError("a stretch begins with what was looked ahead at: hand in the same phonemes again, and more")
    if len(phonemes) + 1 + len(ahead) + tokens > keep:
        raise ValueError(f"text and speech of a stretch fill more than the {keep} slots of the context: cut it in two")
    arrived = torch.tensor([[*phonemes[heard:], SPEAK, *ahead]])
    where = stretch_positions(stream.speech.position, tokens, len(phonemes), heard, len(ahead))
    slots = model.text(arrived, torch.ones_like(arrived, dtype=torch.bool))
    _, keys, values = model.transformer(slots, where[None, None], past=stream.text)
    speech = _settled(packed, stream.speech)
    cache = speech.cache.append(keys, values, keep=keep)
    text = stream.text.append(keys, values, keep=keep)
    return PrefixStream(replace(speech, cache=cache), text, tuple(ahead))


def _settled(packed: PackedModel, state: TorchState) -> TorchState:
    """The state with the slots of its last block in the cache."""
    if state.pending is None:
        return state
    count = len(state.pending)
    _, keys, values = packed(state.pending, [Row(state.cache, state.position - count, pending=count, open=0)])
    return replace(state, cache=state.cache.append(keys, values, keep=packed.config.context_tokens), pending=None)

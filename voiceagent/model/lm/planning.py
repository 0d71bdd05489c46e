"""From phonemes to the token grid: how long a stretch of text will be, and what each of its tokens says."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from voiceagent.model.lm.language_model import SpeechLanguageModel, align
from voiceagent.model.lm.script import ChunkPlan, PhonemeChunk, Rhythm, Script
from voiceagent.model.lm.timing import Spelling, Timing


@torch.no_grad()
def plan_chunk(
    model: SpeechLanguageModel,
    script: Script,
    chunk: PhonemeChunk,
    voice: Tensor,
    rhythm: Rhythm | None = None,
) -> tuple[ChunkPlan[Tensor], Script]:
    """Predict durations of the next words and lay them on the token grid -> what their slots hear, and the script after
    them.

    Args:
        model: predicts and encodes.
        script: what was planned before.
        chunk: the words.
        voice: vector (1, V).
        rhythm: the voice's.
    """
    spelling, device = Spelling.of(script, chunk, model.text.symbol.num_embeddings), voice.device
    phonemes = torch.tensor([spelling.heard], device=device)
    encodings, log_durations = model.text(phonemes, voice)
    durations = model.text.seconds(log_durations)[0, spelling.own].double().cpu().numpy()
    timing = Timing.of(script, chunk, spelling, durations, rhythm)
    ends_row = torch.tensor([timing.ends_s], dtype=torch.float32, device=device)
    starts_row = torch.cat((ends_row.new_tensor([[timing.first_start_s]]), ends_row[:, :-1]), dim=1)
    grid = align(starts_row, ends_row, timing.first_token, timing.tokens)
    said = model.condition(encodings, grid)
    conditioning = model.conditioning(said[:, :-1], said[:, 1:], voice)[0]
    return ChunkPlan(conditioning, timing.word_times_s, phonemes[0, grid.phoneme[0, 1:]]), timing.after


def lay_out(
    model: SpeechLanguageModel, symbols: Sequence[int], durations_s: Tensor, tokens: int, voice: Tensor
) -> Tensor:
    """A text whose durations (P,) are known, whole and from its beginning -> what each of `tokens` slots hears,
    (tokens, C).
    """
    encodings, _ = model.text(torch.tensor([list(symbols)], device=voice.device), voice)
    ends = durations_s.cumsum(0).float()[None].to(voice.device)
    said = model.condition(encodings, align(torch.nn.functional.pad(ends[:, :-1], (1, 0)), ends, -1, tokens + 1))
    return model.conditioning(said[:, :-1], said[:, 1:], voice)[0]

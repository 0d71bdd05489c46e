"""From phonemes to the token grid: how long a stretch of text will be, and what each of its tokens says."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from voiceagent.model.codec.constants import TOKEN_RATE_HZ
from voiceagent.model.lm.language_model import SpeechLanguageModel, align
from voiceagent.model.lm.script import (
    CONTEXT_PHONEMES,
    ChunkPlan,
    Rhythm,
    Script,
    expected,
    spell,
    with_silences,
    word_times,
)
from voiceagent.model.symbols import BOUNDARY, SYMBOLS


@torch.no_grad()
def plan_chunk(
    model: SpeechLanguageModel,
    script: Script,
    words: Sequence[str],
    lookahead: Sequence[str],
    voice: Tensor,
    *,
    final: bool,
    speed: float = 1.0,
    pause_s: float = 0.0,
    rhythm: Rhythm | None = None,
) -> tuple[ChunkPlan, Script]:
    """Predict durations of the next words (phoneme strings) and lay them on the token grid.

    The fraction of a token at the end is carried over to the next stretch; the last stretch is rounded up. `speed` scales all
    durations; `pause_s` adds silence at the end; `rhythm` is the voice's.
    """
    rhythm = rhythm or Rhythm()
    symbols, owners, ahead = spell(words, lookahead, opened=script.sentence_open, final=final)
    ahead = ahead or expected(symbols)
    context = script.symbols[-CONTEXT_PHONEMES:]
    device = voice.device
    phonemes = torch.tensor([[*context, *symbols, *ahead]], device=device)
    encodings, log_durations = model.text(phonemes, voice)
    ours = slice(len(context), len(context) + len(symbols))
    durations = model.text.seconds(log_durations)[0, ours].double().cpu() * rhythm.scale
    if words:
        durations = with_silences(symbols, durations, rhythm, follows=bool(script.symbols), final=final)
    durations /= speed
    if pause_s > 0:
        durations[-1] += pause_s
    ends = script.clock_s + durations.cumsum(0)
    ends_s = (*script.ends_s[-CONTEXT_PHONEMES:], *ends.tolist())
    exact = ends_s[-1] * TOKEN_RATE_HZ
    last = max(script.tokens, int(exact + 0.999) if final else int(exact))
    ends_row = torch.tensor([ends_s], dtype=torch.float32, device=device)
    first_start = script.ends_s[-CONTEXT_PHONEMES - 1] if len(script.ends_s) > CONTEXT_PHONEMES else 0.0
    starts_row = torch.cat((ends_row.new_tensor([[first_start]]), ends_row[:, :-1]), dim=1)
    grid = align(starts_row, ends_row, script.tokens - 1, last - script.tokens + 1)
    said = model.condition(encodings, grid)
    conditioning = model.conditioning(said[:, :-1], said[:, 1:], voice)[0]
    starts_s = (script.clock_s, *ends.tolist()[:-1])
    times = word_times(symbols, owners, starts_s, ends.tolist(), len(words))
    closes = bool(symbols) and symbols[-1] == SYMBOLS.index(BOUNDARY)
    after = Script((*context, *symbols), ends_s, last, sentence_open=not closes)
    return ChunkPlan(conditioning, times, phonemes[0, grid.phoneme[0, 1:]]), after


def lay_out(
    model: SpeechLanguageModel, symbols: Sequence[int], durations_s: Tensor, tokens: int, voice: Tensor
) -> Tensor:
    """A text whose durations (P,) are known, whole and from its beginning -> what each of `tokens` slots hears, (tokens, C)."""
    encodings, _ = model.text(torch.tensor([list(symbols)], device=voice.device), voice)
    ends = durations_s.cumsum(0).float()[None].to(voice.device)
    said = model.condition(encodings, align(torch.nn.functional.pad(ends[:, :-1], (1, 0)), ends, -1, tokens + 1))
    return model.conditioning(said[:, :-1], said[:, 1:], voice)[0]

"""From phonemes to the token grid: how long a stretch of text will be, and what each of its tokens says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from voiceagent.model.codec.codec import TOKEN_RATE_HZ
from voiceagent.model.lm.language_model import SpeechLanguageModel, align
from voiceagent.model.symbols import BOUNDARY, GAP, INDEX, PUNCTUATION, SYMBOLS, encode

CONTEXT_PHONEMES = 160  # text before the stretch that the encoder still sees
SENTENCE_ENDS = (".", "?", "!", "…")
CLAUSE_ENDS = (",", ";", ":", "—")
# Training always showed the encoder the word behind a pause. Where that is not known yet, two words stand in: without any, the
# pauses that the durations predict are 28% short, with these 5% (57 commas of held-back sentences; nine pairs of words tried).
EXPECTED_AFTER_CLAUSE = " ðə fˈɜɹst"
_SILENT = frozenset(SYMBOLS.index(symbol) for symbol in PUNCTUATION | {BOUNDARY, GAP})


@dataclass(frozen=True, slots=True)
class Script:
    """Text that has been spoken or planned, on the clock of the utterance; a value."""

    symbols: tuple[int, ...] = ()
    ends_s: tuple[float, ...] = ()
    tokens: int = 0  # tokens planned so far
    sentence_open: bool = False  # the last sentence goes on

    @property
    def clock_s(self) -> float:
        """Where the next phoneme starts."""
        return self.ends_s[-1] if self.ends_s else 0.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What is made of a voice's predicted durations.

    scale: on all durations. They are learnt as medians, which are shorter than means; the mean is what makes the pace.
    sentence_tail_s, sentence_lead_s: silence at the end of a sentence that another may follow, and before one that follows
    another. The training speech was cut to less than the teacher leaves there.
    """

    scale: float = 1.0
    sentence_tail_s: float = 0.0
    sentence_lead_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """A planned stretch: what its slots hear of the text, what they say, and when each word sounds (seconds of the utterance)."""

    conditioning: Tensor  # (T, C)
    word_times_s: tuple[tuple[float, float], ...]
    labels: Tensor  # (T, 2) the symbols that each token says


def spell(
    words: Sequence[str], lookahead: Sequence[str], *, opened: bool, final: bool
) -> tuple[list[int], list[int], list[int]]:
    """Symbols of the stretch, the word that each belongs to (-1: none), and symbols of the look-ahead.

    The look-ahead is spelled as the next stretch will be that begins with it.
    """
    symbols, owners, ends_sentence = _spelled(words, GAP if opened else BOUNDARY)
    closes = ends_sentence or final
    if closes:
        symbols += encode(BOUNDARY)
        owners.append(-1)
    ahead = _spelled(lookahead, BOUNDARY if closes else GAP)[0] if lookahead else []
    return symbols, owners, ahead


def _spelled(words: Sequence[str], before: str) -> tuple[list[int], list[int], bool]:
    """Symbols of the words and what stands `before` and between them, the word of each, and whether they end a sentence."""
    symbols, owners = encode(before), [-1]
    ends_sentence = False
    for index, word in enumerate(words):
        between = encode(BOUNDARY + BOUNDARY if ends_sentence else GAP) if index else []
        spelled = encode(word)
        symbols += between + spelled
        owners += [-1] * len(between) + [index] * len(spelled)
        ends_sentence = word.rstrip('”")')[-1:] in SENTENCE_ENDS if word else ends_sentence
    return symbols, owners, ends_sentence


def expected(symbols: Sequence[int]) -> list[int]:
    """Look-ahead where nothing is known of what follows the stretch: a sentence's silence, or two words behind a clause."""
    last = SYMBOLS[symbols[-1]] if symbols else ""
    return encode(BOUNDARY if last == BOUNDARY else EXPECTED_AFTER_CLAUSE if last in CLAUSE_ENDS else "")


def _sentence_silences(
    symbols: Sequence[int], durations_s: Tensor, rhythm: Rhythm, *, follows: bool, final: bool
) -> Tensor:
    """Durations (P,) with the silence that lies between sentences; `follows`: one was spoken before the first symbol."""
    boundary = INDEX[BOUNDARY]
    at = [index for index, symbol in enumerate(symbols) if symbol == boundary]
    leads = [i for i in at if (symbols[i - 1] == boundary if i else follows)]
    tails = [i for i in at if i not in leads and i and not (final and i == len(symbols) - 1)]
    durations_s[leads] += rhythm.sentence_lead_s
    durations_s[tails] += rhythm.sentence_tail_s
    return durations_s


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
        durations = _sentence_silences(symbols, durations, rhythm, follows=bool(script.symbols), final=final)
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


def word_times(
    symbols: Sequence[int], owners: Sequence[int], starts_s: Sequence[float], ends_s: Sequence[float], words: int
) -> tuple[tuple[float, float], ...]:
    """Start and end of each word's sounding phonemes; a word without any is a point in time."""
    times: list[tuple[float, float]] = []
    for word in range(words):
        sounding = [i for i, owner in enumerate(owners) if owner == word and symbols[i] not in _SILENT]
        if sounding:
            times.append((starts_s[sounding[0]], ends_s[sounding[-1]]))
        else:
            at = times[-1][1] if times else starts_s[0]
            times.append((at, at))
    return tuple(times)

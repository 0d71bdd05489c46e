"""Edit speech: change words of a recording, keep everything else.

    samples -> tokens -> align transcript -> differing words -> mask their tokens and a margin -> regenerate, seeing both sides
            -> decode -> splice into the untouched samples

Regenerated tokens see both sides at once (LLaDA-TTS, arXiv 2603.26364, on editing); the samples outside the seams are those that
came in, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceagent.errors import InputError
from voiceagent.model import splicing
from voiceagent.model.aligner import LABEL_S, SILENT, Aligner, agreement, best_path
from voiceagent.model.codec import SAMPLES_PER_TOKEN, TOKEN_RATE_HZ, Codec
from voiceagent.model.decoding import DecodingOptions
from voiceagent.model.filling import fill
from voiceagent.model.language_model import align
from voiceagent.model.splicing import Kept, Patch
from voiceagent.model.stretch import spell
from voiceagent.model.weights import Voices, voice_index

Samples = npt.NDArray[np.float32]

MARGIN_TOKENS = 2  # regenerated on both sides of a change, because a sound leans on its neighbours
WINDOW_TOKENS = 320  # what the language model was trained to see at once
OPTIONS = DecodingOptions(steps=12, alpha=0.0)
FIT = -3.0  # a word whose phonemes agree less than this with the sound (nats a label) was not said


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text as words, with the phonemes of each."""

    words: tuple[str, ...]
    phonemes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the new recording that was made anew, and what it replaces, in seconds of each."""

    start_s: float
    end_s: float
    old_start_s: float
    old_end_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Edited:
    """The new recording."""

    samples: Samples  # (n,) at 24 kHz
    kept: tuple[Kept, ...]  # samples that came through bit for bit
    spans: tuple[Span, ...]

    @property
    def unchanged(self) -> float:
        """Share of the samples that came through bit for bit."""
        return sum(run.length for run in self.kept) / max(1, len(self.samples))


@dataclass(frozen=True, slots=True)
class Timed:
    """A text's symbols, the word that each belongs to (-1: none), and how long each sounds."""

    symbols: list[int]
    owners: list[int]
    durations_s: npt.NDArray[np.float64]

    def names(self, word_names: Sequence[int]) -> list[tuple[int, int, int] | None]:
        """A name for every symbol, equal for those of two texts that are the same: (word or the one before, the one after, place).

        `word_names` names the words, -1 for one that the other text lacks.
        """
        named: list[tuple[int, int, int] | None] = []
        total, place, previous = len(word_names), 0, None
        following = [total] * len(self.owners)
        for index in range(len(self.owners) - 1, -1, -1):
            after = following[index + 1] if index + 1 < len(self.owners) else total
            following[index] = self.owners[index] if self.owners[index] >= 0 else after
        word = -1
        for owner, after in zip(self.owners, following, strict=True):
            word = owner if owner >= 0 else word
            key = (word, after)
            place = place + 1 if key == previous else 0
            previous = key
            left = word_names[word] if word >= 0 else START
            right = word_names[after] if after < total else END
            whole = left != NEW and right != NEW and (owner >= 0 or left == START or right == END or right == left + 1)
            named.append((left, right, place) if whole else None)
        return named


NEW, START, END = -1, -2, -3  # names of words: one that the other text lacks, and the ends


def time_words(aligner: Aligner, values: Tensor, spoken: Spoken) -> Timed:
    """Align a transcript with quantised speech (1, T, 6).

    Raises:
        InputError: the transcript does not fit; the words that do not are named.
    """
    symbols, owners, _ = spell(spoken.phonemes, (), opened=False, final=True)
    log_p = aligner.log_probabilities(values)
    try:
        spent = best_path(log_p, symbols)
    except ValueError as error:
        raise InputError(f"the transcript is longer than the recording: {error}") from error
    fit = agreement(log_p, symbols, spent)
    odd = [word for number, word in enumerate(spoken.words) if _fit(number, symbols, owners, spent, fit) < FIT]
    if odd:
        shown = ", ".join(repr(word) for word in odd[:8]) + (" and more" if len(odd) > 8 else "")
        raise InputError(f"the transcript does not fit the recording at {shown}: write what is said, word by word")
    return Timed(symbols, owners, spent.astype(np.float64) * LABEL_S)


def _fit(
    word: int, symbols: list[int], owners: list[int], spent: npt.NDArray[np.int64], fit: npt.NDArray[np.float32]
) -> float:
    """How well a word agrees with the sound where it was found; 0.0 where there is nothing to hear."""
    heard = [i for i, owner in enumerate(owners) if owner == word and symbols[i] not in SILENT and spent[i]]
    return float(np.average(fit[heard], weights=spent[heard])) if heard else 0.0


def same_words(old: Sequence[str], new: Sequence[str]) -> dict[int, int]:
    """Which word of the new text is which of the old; case and punctuation at the ends of words count as no difference."""

    def bare(words: Sequence[str]) -> list[str]:
        return [word.strip(".,?!;:\"'“”()…—").casefold() or word for word in words]

    blocks = SequenceMatcher(None, bare(old), bare(new), autojunk=False).get_matching_blocks()
    return {j + n: i + n for i, j, size in blocks for n in range(size)}


@dataclass(frozen=True, slots=True)
class _Region:
    """Symbols first .. stop of the new text, which the old one lacks, and the time that they take the place of."""

    first: int
    stop: int
    old_start_s: float
    old_end_s: float


def _regions(old: Timed, source: list[int | None]) -> list[_Region]:
    """Where the new text differs: runs of symbols without a source, and places where old symbols are missing."""
    ends = np.cumsum(old.durations_s)
    starts = ends - old.durations_s
    regions, first, last = [], 0, -1
    for index, at in enumerate([*source, len(ends)]):
        if at is None:
            continue
        if index > first or at != last + 1:
            before = float(ends[last]) if last >= 0 else 0.0
            after = float(starts[at]) if at < len(ends) else float(ends[-1])
            regions.append(_Region(first, index, before, after))
        first, last = index + 1, at
    return regions


@dataclass(frozen=True, slots=True)
class _Plan:
    """The new utterance on the token grid."""

    symbols: list[int]
    durations_s: npt.NDArray[np.float64]
    tokens: Tensor  # (T', 6)
    masked: Tensor  # (T',)
    spans: list[tuple[int, int, int, int]]  # new start and stop, old start and stop, in tokens


def _seconds(voices: Voices, symbols: list[int], voice: Tensor) -> npt.NDArray[np.float64]:
    """Predicted durations (P,)."""
    _, log_durations = voices.model.text(torch.tensor([symbols], device=voice.device), voice)
    seconds: npt.NDArray[np.float64] = voices.model.text.seconds(log_durations)[0].double().cpu().numpy()
    return seconds


def _plan(voices: Voices, tokens: Tensor, old: Timed, words: Spoken, after: Spoken, voice: Tensor) -> _Plan:
    """Kept words keep their tokens; new ones get predicted durations at this speaker's rate, and all moves by whole tokens."""
    same = same_words(words.words, after.words)
    phonemes = [words.phonemes[same[j]] if j in same else after.phonemes[j] for j in range(len(after.words))]
    symbols, owners, _ = spell(phonemes, (), opened=False, final=True)
    predicted = _seconds(voices, symbols, voice)
    own = [i for i, owner in enumerate(old.owners) if owner >= 0]
    rate = old.durations_s[own].sum() / max(0.04, float(_seconds(voices, old.symbols, voice)[own].sum()))
    predicted *= np.clip(rate, 0.6, 1.6)
    old_names = old.names(range(len(words.words)))
    place = {name: index for index, name in enumerate(old_names) if name is not None}
    new = Timed(symbols, owners, predicted)
    source = [
        None if n is None else place.get(n) for n in new.names([same.get(j, NEW) for j in range(len(after.words))])
    ]
    durations = np.asarray([predicted[k] if at is None else old.durations_s[at] for k, at in enumerate(source)])
    pieces, masks, spans, at, made = [], [], [], 0, 0
    for region in _regions(old, source):
        ours = slice(region.first, region.stop)
        old_s = region.old_end_s - region.old_start_s
        grown = max(round((float(durations[ours].sum()) - old_s) * TOKEN_RATE_HZ), -int(old_s * TOKEN_RATE_HZ))
        if region.stop > region.first:
            wanted = max(old_s + grown / TOKEN_RATE_HZ, 0.004)
            durations[ours] *= wanted / max(float(durations[ours].sum()), 1e-3)
        start = max(at, int(region.old_start_s * TOKEN_RATE_HZ) - MARGIN_TOKENS)
        stop = max(start + 1, min(len(tokens), int(np.ceil(region.old_end_s * TOKEN_RATE_HZ)) + MARGIN_TOKENS))
        count = max(1, stop - start + grown)
        pieces += [tokens[at:start], tokens.new_zeros(count, 6)]
        masks += [torch.zeros(start - at, dtype=torch.bool), torch.ones(count, dtype=torch.bool)]
        made += start - at
        spans.append((made, made + count, start, stop))
        made, at = made + count, stop
    pieces.append(tokens[at:])
    masks.append(torch.zeros(len(tokens) - at, dtype=torch.bool))
    return _Plan(symbols, durations, torch.cat(pieces), torch.cat(masks), spans)


def _conditioning(voices: Voices, made: _Plan, voice: Tensor) -> Tensor:
    """What each token's slot hears (T', C)."""
    encodings, _ = voices.model.text(torch.tensor([made.symbols], device=voice.device), voice)
    ends = torch.from_numpy(np.cumsum(made.durations_s)).float()[None]
    starts = torch.nn.functional.pad(ends[:, :-1], (1, 0))
    said = voices.model.condition(encodings, align(starts, ends, -1, len(made.tokens) + 1))
    return voices.model.conditioning(said[:, :-1], said[:, 1:], voice)[0]


def _patches(spans: list[tuple[int, int, int, int]]) -> list[Patch]:
    """Where each span may be entered and left: inside its margins, where old and new say the same at the same time."""
    size = SAMPLES_PER_TOKEN
    return [
        Patch(
            (first * size - size // 2, (first + MARGIN_TOKENS) * size - size // 2),
            ((last - MARGIN_TOKENS) * size + size // 2, last * size + size // 2),
            (start - first) * size,
            (stop - last) * size,
        )
        for start, stop, first, last in spans
    ]


@torch.inference_mode()
def edit(
    voices: Voices,
    aligner: Aligner,
    samples: Samples,
    transcript: Spoken,
    to: Spoken,
    *,
    voice: str,
    options: DecodingOptions | None = None,
) -> Edited:
    """Change what a recording (n,) at 24 kHz says.

    Args:
        transcript: what it says now, word by word.
        to: what it shall say.
        voice: the voice that regenerated speech is decoded with.
        options: steps and confidence; by default twelve steps.

    Raises:
        InputError: the transcript does not fit, or there is nothing left to say.
    """
    if not to.words:
        raise InputError("there is nothing left to say: give the text that the recording shall have")
    codec: Codec = voices.codec
    tokens = codec.encode(torch.from_numpy(samples)[None])[0]
    old = time_words(aligner, codec.quantizer.values(tokens[None]), transcript)
    if list(transcript.words) == list(to.words):
        return Edited(samples, (Kept(0, 0, len(samples)),), ())
    row = torch.tensor([voice_index(voices, voice)])
    made = _plan(voices, tokens, old, transcript, to, row)
    filled = fill(voices.model, made.tokens, made.masked, _conditioning(voices, made, row), options or OPTIONS)
    speech = codec.decode(filled[None], voice)[0].clamp(-1, 1).numpy()
    result, kept = splicing.splice(samples, speech, _patches(made.spans))
    spans = tuple(Span(*(edge / TOKEN_RATE_HZ for edge in span)) for span in made.spans)
    return Edited(result, tuple(kept), spans)

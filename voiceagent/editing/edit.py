"""Edit speech: change words of a recording, keep everything else.

    samples -> tokens -> align transcript -> differing words -> mask their tokens and a margin
    -> regenerate, seeing both sides
            -> decode -> splice into the untouched samples

Regenerated tokens see both sides at once (LLaDA-TTS, arXiv 2603.26364, section 3.5); the samples outside the seams are
those that came in, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import takewhile

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from voiceagent.editing.splicing import Kept, Patch, splice
from voiceagent.editing.transcript import Spoken, Timed, sounding, time_words
from voiceagent.errors import InputError
from voiceagent.model.codec.codec import Codec
from voiceagent.model.codec.constants import SAMPLES_PER_TOKEN, TOKEN_RATE_HZ
from voiceagent.model.config import LABELS_PER_TOKEN
from voiceagent.model.decode.infill import fill
from voiceagent.model.decode.options import DecodingOptions
from voiceagent.model.lm.aligner import LABEL_S, SILENT, Aligner
from voiceagent.model.lm.planning import lay_out
from voiceagent.model.symbols import PUNCTUATION
from voiceagent.model.weights import Voices, voice_vector

Samples = npt.NDArray[np.float32]
Seconds = npt.NDArray[np.float64]

MARGIN_TOKENS = 2  # regenerated on both sides of a change, because a sound leans on its neighbours
APART_TOKENS = 2  # what two stretches must leave between them to be two: the seams need room
MARKS = "".join(PUNCTUATION) + "'’‘"
RATES = (0.6, 1.6)  # how much slower or faster than the voice a speaker is taken to be
OPTIONS = DecodingOptions(steps=12, alpha=0.0)


@dataclass(frozen=True, slots=True)
class EditSpan:
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
    spans: tuple[EditSpan, ...]

    @property
    def unchanged(self) -> float:
        """Share of the samples that came through bit for bit."""
        return sum(run.length for run in self.kept) / max(1, len(self.samples))


@dataclass(frozen=True, slots=True)
class Change:
    """Symbols of the old text that give way (may be none), and those of the new one that take their place (may be
    none).
    """

    old: slice
    new: slice


def same_words(old: Spoken, new: Spoken) -> list[tuple[int, int]]:
    """Words that stay: (place in the old text, place in the new), in order. Case and punctuation make no difference."""

    def named(text: Spoken) -> tuple[list[int], list[tuple[str, str]]]:
        places = sorted(sounding(*text.spell()))
        names = []
        for place in places:
            written = text.words[place].strip(MARKS).casefold() or text.words[place]
            # The words of a number all have its digits as their text: what tells them apart is how they sound.
            names.append((written, "" if written.isalpha() else text.phonemes[place].strip(MARKS)))
        return places, names

    (old_places, old_names), (new_places, new_names) = named(old), named(new)
    blocks = SequenceMatcher(None, old_names, new_names, autojunk=False).get_matching_blocks()
    return [(old_places[i + n], new_places[j + n]) for i, j, size in blocks for n in range(size)]


def rewrite(old: Spoken, new: Spoken) -> tuple[list[int], list[Change]]:
    """The new text's symbols, and where they differ from the old one's.

    Words that stay are spelled as they were, and so is what lies between two neighbours that stay. Silence that both
    texts have beside a change belongs to what stays.
    """
    (was, old_owners), (now, new_owners) = old.spell(), new.spell()
    old_places, new_places = sounding(was, old_owners), sounding(now, new_owners)
    stays = [(old_places[i], new_places[j]) for i, j in same_words(old, new)]
    symbols, changes, i, j = list[int](), list[Change](), 0, 0
    for kept, again in [*stays, (range(len(was), len(was)), range(len(now), len(now)))]:
        gone, come = was[i : kept.start], now[j : again.start]
        if SILENT.issuperset(gone) and SILENT.issuperset(come):
            symbols += gone
        else:
            head = _shared_silence(gone, come)
            tail = _shared_silence(gone[head:][::-1], come[head:][::-1])
            start, stop = len(symbols) + head, len(symbols) + len(come) - tail
            changes.append(Change(slice(i + head, kept.start - tail), slice(start, stop)))
            symbols += come
        symbols += was[kept.start : kept.stop]
        i, j = kept.stop, again.stop
    return symbols, changes


def _shared_silence(left: list[int], right: list[int]) -> int:
    """How many silent symbols both begin with."""
    pairs = zip(left, right, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1] and pair[0] in SILENT, pairs))


@dataclass(frozen=True, slots=True)
class _RemadeStretch:
    """A change on the token grid of the old recording: tokens first .. stop are made anew, of which start .. end
    differ.
    """

    change: Change
    first: int
    start: int
    end: int
    stop: int
    grown: int = 0  # tokens by which it gets longer


def _stretches(changes: list[Change], labels: npt.NDArray[np.int64], tokens: int) -> list[_RemadeStretch]:
    """Changes with their margins; those that would touch are one."""
    edges = np.concatenate(([0], np.cumsum(labels)))  # of symbols, in labels
    found: list[_RemadeStretch] = []
    for change in changes:
        start = int(edges[change.old.start]) // LABELS_PER_TOKEN
        end = -(-int(edges[change.old.stop]) // LABELS_PER_TOKEN)
        first, stop = max(0, start - MARGIN_TOKENS), min(tokens, end + MARGIN_TOKENS)
        if found and first - found[-1].stop < APART_TOKENS:
            last = found.pop()
            first, start = last.first, last.start
            change = Change(
                slice(last.change.old.start, change.old.stop), slice(last.change.new.start, change.new.stop)
            )
        found.append(_RemadeStretch(change, first, start, end, stop))
    return found


@dataclass(frozen=True, slots=True)
class _Plan:
    """The new utterance on the token grid."""

    symbols: list[int]
    durations_s: Seconds  # (P,)
    stretches: list[_RemadeStretch]


def _predicted(voices: Voices, symbols: list[int], voice: Tensor) -> Seconds:
    """Durations that the voice would give them (P,)."""
    _, log_durations = voices.model.text(torch.tensor([symbols]), voice)
    seconds: Seconds = voices.model.text.seconds(log_durations)[0].double().numpy()
    return seconds


def _plan(voices: Voices, tokens: int, old: Timed, transcript: Spoken, to: Spoken, voice: Tensor) -> _Plan:
    """Symbols that stay keep their times; new ones get predicted durations at this speaker's rate; all moves by whole
    tokens.
    """
    symbols, changes = rewrite(transcript, to)
    own = np.asarray(old.owners) >= 0
    rate = old.labels[own].sum() * LABEL_S / _predicted(voices, old.symbols, voice)[own].sum()
    durations = _predicted(voices, symbols, voice) * np.clip(rate, *RATES)
    i = j = 0
    for change in [*changes, Change(slice(len(old.symbols), None), slice(len(symbols), None))]:
        durations[j : change.new.start] = old.labels[i : change.old.start] * LABEL_S
        i, j = change.old.stop, change.new.stop
    stretches = []
    for stretch in _stretches(changes, old.labels, tokens):
        ours = stretch.change.new
        was = int(old.labels[stretch.change.old].sum()) / LABELS_PER_TOKEN  # in tokens, as the following
        wanted = float(durations[ours].sum()) * TOKEN_RATE_HZ
        grown = max(round(wanted - was), -int(was))
        if wanted:
            durations[ours] *= (was + grown) / wanted
        else:  # less than a token is left of what is deleted; the symbol before takes it
            durations[ours.start - 1] += (was + grown) / TOKEN_RATE_HZ
        stretches.append(replace(stretch, grown=grown))
    return _Plan(symbols, durations, stretches)


def _masked(tokens: Tensor, stretches: list[_RemadeStretch]) -> tuple[Tensor, Tensor]:
    """Tokens (T, 6) -> those of the new recording (T', 6), and which of them are still to be made (T',)."""
    parts, at = [], 0
    for stretch in stretches:
        count = stretch.stop - stretch.first + stretch.grown
        parts += [tokens[at : stretch.first], tokens.new_full((count, tokens.shape[1]), -1)]
        at = stretch.stop
    made = torch.cat([*parts, tokens[at:]])
    masked = made[:, 0] < 0
    return made.clamp_min(0), masked


def _placed(stretches: list[_RemadeStretch], length: int) -> tuple[list[Patch], list[EditSpan]]:
    """Where each stretch may be entered and left: inside its margins, where old and new say the same at the same
    time.
    """
    size, half, moved = SAMPLES_PER_TOKEN, SAMPLES_PER_TOKEN // 2, 0
    patches, spans = [], []
    for s in stretches:
        left = (max(0, s.first * size - half), max(0, s.start * size - half))
        right = (s.end * size + half, s.stop * size + half)
        patches.append(Patch(left, right, moved * size, (moved + s.grown) * size))
        edges = (s.first + moved, s.stop + moved + s.grown, s.first, min(s.stop, length / size))
        spans.append(EditSpan(*(edge / TOKEN_RATE_HZ for edge in edges)))
        moved += s.grown
    return patches, spans


@torch.inference_mode()
def edit(
    voices: Voices,
    aligner: Aligner,
    samples: Samples,
    transcript: Spoken,
    to: Spoken,
    *,
    voice: str,
    options: DecodingOptions = OPTIONS,
) -> Edited:
    """Change what a recording (n,) at 24 kHz says.

    Args:
        transcript: what it says now, word by word.
        to: what it shall say.
        voice: the voice that regenerated speech is decoded with.
        options: steps and confidence.

    Raises:
        InputError: the transcript is empty or does not fit, or there is nothing left to say.
    """
    if not sounding(*transcript.spell()):
        raise InputError("the transcript is empty: write what the recording says")
    if not sounding(*to.spell()):
        raise InputError("there is nothing left to say: give the text that the recording shall have")
    codec: Codec = voices.codec
    tokens = codec.encode(torch.from_numpy(samples)[None])[0]
    old = time_words(aligner, codec.quantizer.values(tokens[None]), transcript)
    row = voice_vector(voices, voice)[None]
    plan = _plan(voices, len(tokens), old, transcript, to, row)
    if not plan.stretches:
        return Edited(samples, (Kept(0, 0, len(samples)),), ())
    made, masked = _masked(tokens, plan.stretches)
    heard = lay_out(voices.model, plan.symbols, torch.from_numpy(plan.durations_s), len(made), row)
    filled = fill(voices.model, made, masked, heard, options)
    speech = codec.decode(filled[None], row[0])[0].clamp(-1, 1).numpy()
    patches, spans = _placed(plan.stretches, len(samples))
    result, kept = splice(samples, speech, patches)
    return Edited(result, tuple(kept), tuple(spans))

"""Why was something said like that? One JSON-able object for each chunk of a text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from voiceagent.text.chunk import Chunk, spans_of
from voiceagent.text.chunker import Chunker
from voiceagent.text.limits import ChunkLimits, SpeechPolicy
from voiceagent.text.phonemes.lexicon import Lexicon
from voiceagent.text.phonemes.phonemizer import MisakiPhonemizer, Phonemizer

__all__ = ["report"]


def report(
    lines: Iterable[str],
    *,
    policy: SpeechPolicy | None = None,
    limits: ChunkLimits | None = None,
    lexicon: Lexicon | None = None,
    phonemizer: Phonemizer | None = None,
) -> Iterator[dict[str, Any]]:
    """One object a chunk, as soon as the lines (with their line ends, or any other pieces of one text) complete it.

    Keys: text (as sent), start (its offset), spoken, spans (word, start, end in the text as sent), phonemes, lookahead,
    pause_s, rate, final, warnings.
    """
    chunker = Chunker(policy, limits, lexicon)
    speak = phonemizer if phonemizer is not None else MisakiPhonemizer()
    for line in lines:
        yield from (_describe(chunk, speak) for chunk in chunker.feed(line))
    yield from (_describe(chunk, speak) for chunk in chunker.end())


def _describe(chunk: Chunk, speak: Phonemizer) -> dict[str, Any]:
    said = speak(chunk)
    return {
        "text": chunk.text,
        "start": chunk.start,
        "spoken": chunk.spoken,
        "spans": [{"word": span.word, "start": span.start, "end": span.end} for span in spans_of(chunk)],
        "phonemes": " ".join(word.phonemes for word in said.words),
        "lookahead": chunk.lookahead,
        "pause_s": chunk.pause_s,
        "rate": chunk.rate,
        "final": chunk.final,
        "warnings": list(said.warnings),
    }

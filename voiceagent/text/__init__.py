"""The text front end: text as language models write it, to chunks of speakable words and their phonemes. No torch here."""

from __future__ import annotations

from .chunker import Chunker
from .chunks import Chunk, Span, Word, spans_of
from .lexicon import Lexicon, LexiconError
from .phonemizer import MisakiPhonemizer, Phonemizer, PhonemeText
from .policy import ChunkLimits, SpeechPolicy

__all__ = [
    "Chunk", "ChunkLimits", "Chunker", "Lexicon", "LexiconError", "MisakiPhonemizer", "PhonemeText", "Phonemizer", "Span",
    "SpeechPolicy", "Word", "spans_of",
]  # fmt: skip

"""The text front end: text as language models write it, to chunks of speakable words and their phonemes. No torch here."""

from __future__ import annotations

from voiceagent.text.chunker import Chunker
from voiceagent.text.chunks import Chunk, Span, Word, spans_of
from voiceagent.text.lexicon import Lexicon, LexiconError
from voiceagent.text.phonemizer import MisakiPhonemizer, PhonemeText, Phonemizer
from voiceagent.text.policy import ChunkLimits, SpeechPolicy

__all__ = [
    "Chunk", "ChunkLimits", "Chunker", "Lexicon", "LexiconError", "MisakiPhonemizer", "PhonemeText", "Phonemizer", "Span",
    "SpeechPolicy", "Word", "spans_of",
]  # fmt: skip

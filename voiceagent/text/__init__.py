"""The text front end: text as language models write it, to chunks of speakable words and their phonemes. No torch
here.
"""

from __future__ import annotations

from voiceagent.text.chunk import Chunk, Span, Word, spans_of
from voiceagent.text.chunker import Chunker
from voiceagent.text.limits import ChunkLimits, SpeechPolicy
from voiceagent.text.phonemes.lexicon import Lexicon, LexiconError
from voiceagent.text.phonemes.phonemizer import MisakiPhonemizer, PhonemeText, Phonemizer

__all__ = [
    "Chunk", "ChunkLimits", "Chunker", "Lexicon", "LexiconError", "MisakiPhonemizer", "PhonemeText", "Phonemizer",
    "Span",
    "SpeechPolicy", "Word", "spans_of",
]  # fmt: skip

"""What may be written for how a word sounds: the alphabet of the voices, and IPA, which becomes it."""

from __future__ import annotations

from typing import Final

__all__ = ["UNKNOWN_HINT", "from_ipa", "unknown_symbols"]

# IPA that people write, as the voices' alphabet spells it.
_IPA: Final = [
    ("eɪ", "A"), ("aɪ", "I"), ("oʊ", "O"), ("əʊ", "O"), ("aʊ", "W"), ("ɔɪ", "Y"), ("tʃ", "ʧ"), ("dʒ", "ʤ"), ("t͡ʃ",
    "ʧ"),
    ("d͡ʒ", "ʤ"), ("ɝ", "ɜɹ"), ("ɚ", "əɹ"), ("r", "ɹ"), ("g", "ɡ"), ("ː", ""), ("ɫ", "l"), ("e", "ɛ"), (".", ""), (" ",
    ""),
]  # fmt: skip
_SYMBOLS: Final = frozenset('ˈˌ.,?!;:—…()“”"ntəɹɪsdilɛkæðmzfIʌwpɔAvubɑOhjᵊŋθʊɡɐɜTʧWʃʤᵻYʒ')
UNKNOWN_HINT: Final = (
    "it takes ˈ ˌ and ntəɹɪsdilɛkæðmzfIʌwpɔAvubɑOhjᵊŋθʊɡɐɜTʧWʃʤᵻYʒ, and `ipa` takes IPA of American English"
)


def from_ipa(written: str) -> str:
    """IPA in the alphabet of the voices; what has no counterpart stays as it is."""
    for theirs, ours in _IPA:
        written = written.replace(theirs, ours)
    return written


def unknown_symbols(phonemes: str) -> list[str]:
    """What no voice has learnt, each once."""
    return [repr(symbol) for symbol in dict.fromkeys(phonemes) if symbol not in _SYMBOLS]

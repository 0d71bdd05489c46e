"""The phoneme alphabet of our voices: misaki's symbols for American English, and the silence around a sentence."""

from __future__ import annotations

BOUNDARY = "_"  # silence before and after a sentence
GAP = " "  # between two words
SYMBOLS = BOUNDARY + GAP + "ˈˌ" + '.,?!;:—…()“”"' + "ntəɹɪsdilɛkæðmzfIʌwpɔAvubɑOhjᵊŋθʊɡɐɜTʧWʃʤᵻYʒ"
INDEX = {symbol: index for index, symbol in enumerate(SYMBOLS)}
PUNCTUATION = frozenset('.,?!;:—…()“”"')


def encode(phonemes: str) -> list[int]:
    """Symbol indices; symbols that no voice has learnt are left out."""
    return [INDEX[symbol] for symbol in phonemes if symbol in INDEX]

"""The phoneme alphabet of our voices: misaki's symbols, and the silence around a sentence.

American English comes first: weights that know no other language have a row for each of these and none for the others.
"""

from __future__ import annotations

from typing import Final

BOUNDARY = "_"  # silence before and after a sentence
GAP = " "  # between two words
_ENGLISH: Final = BOUNDARY + GAP + "ˈˌ" + '.,?!;:—…()“”"' + "ntəɹɪsdilɛkæðmzfIʌwpɔAvubɑOhjᵊŋθʊɡɐɜTʧWʃʤᵻYʒ"
# What British English, Mandarin, Spanish, French, Italian and Portuguese have besides; arrows are tones.
_OTHERS: Final = "̃" + "ʣʥʦʨᵝꭧQSaceoqrxyɒβɕçɖɚɟɥɨʝɯɰɳɲɴøɸœɾɻʁɽʂʈʋɣɤχʎʔːʰʲ↓→↗↘"
ENGLISH: Final = len(_ENGLISH)  # symbols of American English
SYMBOLS: Final = _ENGLISH + _OTHERS
INDEX: Final = {symbol: index for index, symbol in enumerate(SYMBOLS)}
PUNCTUATION: Final = frozenset('.,?!;:—…()“”"')
# Where weights learn further symbols, each begins as the English one that sounds nearest; others begin at nothing.
NEAREST: Final = dict(zip("QSaceoqrxyɒβɕçɚɟɥɨɯɲɾɻʁɽʂʈʋɣɤχʎʦʨꭧʣʥ", "OʃækɛOkɹhiɑbʃhɜɡwɪunTɹɹTʃtvɡʌhltʧʧdʤ", strict=True))


def encode(phonemes: str, known: int = len(SYMBOLS)) -> list[int]:
    """Symbol indices; symbols that no voice has learnt, or that are not among the first `known`, are left out."""
    return [index for symbol in phonemes if (index := INDEX.get(symbol, known)) < known]

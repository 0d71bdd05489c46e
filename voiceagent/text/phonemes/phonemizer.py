"""Chunks of text to phonemes: the grapheme-to-phoneme front end that the voices were trained with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Protocol

from voiceagent.text.chunk import Chunk, Word, spans_of
from voiceagent.text.phonemes.capitals import read_capitals, shortened
from voiceagent.text.phonemes.homographs import Homographs
from voiceagent.text.phonemes.names import Fallback, name_phonemes
from voiceagent.text.stress import stressed_words
from voiceagent.text.tables import read_table

__all__ = ["MisakiPhonemizer", "PhonemeText", "Phonemizer"]

_WORD = re.compile(r"\S+")
_LETTER = re.compile(r"[B-HJ-Z]")
_MARKS = ",.;:!?—…()\"'“”‘’[]*"
_NAMES = {
    "JSON": "ʤˈAsən", "README": "ɹˈidmi", "sudo": "sˈudu", "nginx": "ˈɛnʤənˌɛks", "NumPy": "nˈʌmpˌI",
    "numpy": "nˈʌmpˌI",
    "kHz": "kˈɪlOhˌɜɹts", "LaTeX": "lˈAtɛk", "SaaS": "sˈæs", "kubectl": "kjˈubkəntɹˌOl", "YAML": "jˈæməl",
    "regex": "ɹˈɛʤɛks",
}  # fmt: skip
_SOUNDS = [(re.compile(row[0]), row[1]) for row in read_table(__package__, "interjections.tsv")]
_DRAWN_OUT = re.compile(r"([A-Za-z])\1\1")
_SPELLED = {"PSI": "pˌiˌɛsˈI", "IT": "ˌItˈi", "Pst": "pssst"}
_CLIPPED = {
    "th'": "ðə", "o'": "ə", "an'": "ən", "ol'": "ˈOl", "lil'": "lˈɪl", "'em": "əm", "'til": "tˌɪl", "'cause": "kˌʌz",
    "'bout": "bˌWt", "'tis": "tˈɪz", "'twas": "twˈʌz", "'round": "ɹˈWnd", "wit'": "wɪt", "y'all": "jˈɔl",
}  # fmt: skip
# More would be a sign of text that slipped through the limits of the chunker; a model that is asked for it runs away.
_MAX_WORD_PHONEMES = 200


@dataclass(frozen=True, slots=True)
class PhonemeText:
    """The phonemes of a chunk.

    words: of the chunk, in order. Joined by single spaces their phonemes are what the voice was trained on.
    lookahead: phonemes of the words that are known to follow, one string a word.
    warnings: what could not be said, for the client.
    stressed: whether each word is stressed; () is none.
    """

    words: tuple[Word, ...]
    lookahead: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    stressed: tuple[bool, ...] = ()


class Phonemizer(Protocol):
    """Turns a chunk into phonemes. Called on the engine's thread; may take milliseconds."""

    def __call__(self, chunk: Chunk) -> PhonemeText: ...


class MisakiPhonemizer:
    """English phonemes in misaki's alphabet, by the front end of `hibari` (no spaCy, no espeak).

    Words that no dictionary knows are read by a small network; onnxruntime is imported when the first one comes, or by
    `warm`.

    british: British instead of American pronunciation.
    """

    def __init__(self, *, british: bool = False) -> None:
        from voiceagent.text.phonemes.dictionaries import load_front_end

        self._g2p: Any = load_front_end(british=british)
        from hibari.g2p.lexicon import Dict

        silver = self._g2p.lexicon.silvers.d
        self._common: Any = Dict(silver.first if isinstance(silver, Fallback) else silver)  # without the rare names
        # The table of homographs is American, like the voices.
        self._homographs = None if british else Homographs(self._g2p.tagger.tagdict.get, self._g2p.lexicon.golds.get)

    def warm(self) -> None:
        """Load what is needed for unknown words now, so that the first of them does not stall speech."""
        self._g2p("Warming up, Zyxgorn.", normalize_text=False)

    def __call__(self, chunk: Chunk) -> PhonemeText:
        from voiceagent.text.normalize.normalizer import speak_plainly

        spans = spans_of(chunk)
        if not spans and not chunk.spoken:
            return PhonemeText((), (), chunk.warnings)
        before = chunk.before.split()
        after = speak_plainly(chunk.lookahead).split() if chunk.lookahead else []
        spoken = before + [span.word for span in spans] + after
        read = self._read(spoken, " ".join((chunk.before, chunk.text, chunk.lookahead)))
        given = self._known(read)
        given |= {len(before) + i: span.phonemes for i, span in enumerate(spans) if span.phonemes}
        said = self._say(read, given, len(before))
        words: list[Word] = []
        for span, phonemes in zip(spans, said[len(before) :], strict=False):
            text = chunk.text[span.start - chunk.start : span.end - chunk.start]
            words.extend(Word(text, span.start, span.end, part) for part in phonemes.split(" ") if part)
        lookahead = " ".join(said[len(before) + len(spans) :]).split()
        stressed = stressed_words(chunk, words, lambda word: bool(self._has(word)))
        warnings = (*chunk.warnings, *chunk.said.warnings)
        return PhonemeText(tuple(words), tuple(lookahead), warnings, stressed)

    def _read(self, spoken: list[str], sent: str) -> list[str]:
        """The words as the dictionaries have them: words in capitals and drawn-out ones in their common form."""
        if any(word[:2].isupper() for word in spoken):
            spoken = read_capitals(spoken, sent, self._has)
        return [
            word.replace(bare, shortened(bare, self._has)) if _DRAWN_OUT.search(bare := word.strip(_MARKS)) else word
            for word in spoken
        ]

    def _has(self, word: str) -> bool:
        """Whether a dictionary has the word in small letters, or its stem."""
        lexicon = self._g2p.lexicon
        if lexicon.golds.get(word.upper()) is not None and lexicon.golds.get(word) is None:
            return False  # an abbreviation that has a pronunciation of its own
        forms = (
            word,
            word.removesuffix("s"),
            word.removesuffix("ed"),
            word.removesuffix("d"),
            word.removesuffix("ing"),
        )
        return any(len(form) > 1 and (lexicon.golds.get(form) or self._common.get(form)) for form in forms)

    def _known(self, words: list[str]) -> dict[int, str]:
        """Phonemes by index of what the dictionaries say wrongly: names, clipped words, and the letter A, their
        article.
        """
        found: dict[int, str] = {}
        for index, word in enumerate(words):
            bare = word.strip(_MARKS)
            if bare == "A":
                phonemes = "ˈA" if _is_letter(words, index) else ""
            elif bare == "Am":  # "Pan Am", "I Am Legend": never two letters
                phonemes = "ˈæm"
            else:
                phonemes = (
                    _NAMES.get(bare)
                    or _SPELLED.get(bare)
                    or _sound(bare)
                    or name_phonemes(bare, self._g2p.lexicon._s)
                    or self._clipped(words, index)
                )
            if phonemes:
                found[index] = _dressed(word, phonemes)
        return found

    def _clipped(self, words: list[str], index: int) -> str:
        """Phonemes of a word that lacks a letter ("th'", "movin'"); "" for others, and where the ' closes a
        quotation.
        """
        word = words[index].replace("’", "'")
        bare = word.strip(_MARKS.replace("'", "")).lower()
        if bare in _CLIPPED:
            return _CLIPPED[bare]
        if (
            not bare.endswith("in'")
            or len(bare) < 5
            or any(w[0] in "'‘" for w in words[max(0, index - 12) : index + 1])
        ):
            return ""
        phonemes: str | None = self._g2p.lexicon.get_word(bare[:-1] + "g", "VBG", None, _context_type()())[0]
        return phonemes.removesuffix("ŋ") + "n" if phonemes is not None and phonemes.endswith("ɪŋ") else ""

    def _say(self, words: list[str], given: dict[int, str], start: int) -> list[str]:
        """Phonemes of each word, read in the context of all of them.

        given: phonemes that are prescribed, by index. start: nobody listens to the words before it.
        """
        tokens: list[Any] = []
        owners: list[int] = []
        pieces = self._g2p.tokenizer(" ".join(words))  # [(token text, whitespace)]: whitespace ends a word
        tags = self._g2p.tagger([text for text, _ in pieces])
        if self._homographs is not None:
            found = self._homographs.find(words, _tags_of_words(pieces, tags), start)
            given = {index: _dressed(words[index], phonemes) for index, phonemes in found.items()} | given
        token_type = _token_type()
        index = 0
        for (text, whitespace), tag in zip(pieces, tags, strict=True):
            token = token_type(text, tag, whitespace)
            if index in given:
                first = not owners or owners[-1] != index
                token.phonemes, token.rating = (given[index] if first else ""), 5
            tokens.append(token)
            owners.append(index)
            index += bool(whitespace)
        said = [""] * len(words)
        index = 0
        for token in self._g2p.phonemize_tokens(tokens):  # tokens of one word may come back merged, never across words
            said[index] += token.phonemes or ""
            index += bool(token.whitespace)
        return [phonemes[:_MAX_WORD_PHONEMES] for phonemes in said]


def _sound(word: str) -> str:
    """The phonemes of an interjection that is no word ("Shh", "Brrr"), or ""."""
    if len(word) > 12 or not word.isalpha() or (word.isupper() and len(word) < 4):
        return ""
    low = word.lower()
    return next((phonemes for pattern, phonemes in _SOUNDS if pattern.fullmatch(low)), "")


def _tags_of_words(pieces: list[tuple[str, str]], tags: list[str]) -> list[str]:
    """The tag of each word's first part that has a letter."""
    found = [""]
    for (text, whitespace), tag in zip(pieces, tags, strict=True):
        if not found[-1] and any(map(str.isalpha, text)):
            found[-1] = tag
        if whitespace:
            found.append("")
    return found


def _dressed(word: str, phonemes: str) -> str:
    """Phonemes with the punctuation that stands around the word."""
    head, _, tail = word.partition(word.strip(_MARKS))
    return "".join(c for c in head if c == "(") + phonemes + "".join(c for c in tail if c not in "'\"’”*]")


def _is_letter(words: list[str], index: int) -> bool:
    """Whether the "A" at `index` is spelled out: beside another letter, or a capital at the end of a phrase."""
    following = words[index + 1 : index + 3]
    if index == 0 or words[index - 1][-1] in ".!?":
        return len(following) == 2 and all(_LETTER.fullmatch(word.strip(_MARKS)) for word in following)
    beside = [words[index - 1], *following[:1]] if words[index][-1] == "A" else [words[index - 1], ""]
    return words[index][-1] in ",.;:!?)" or any(_LETTER.fullmatch(word.strip(_MARKS)) for word in beside)


def _context_type() -> Any:
    from hibari.g2p import Context

    return Context


def _token_type() -> Any:
    from hibari.g2p.token import Tok

    return Tok

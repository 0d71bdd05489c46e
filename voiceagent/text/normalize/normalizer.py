"""Written words to spoken words: figures, dates, money, units, abbreviations, symbols. English."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from voiceagent.text.chunk import Span
from voiceagent.text.markup.items import Piece
from voiceagent.text.normalize.rule import LETTER_A
from voiceagent.text.normalize.rules import ABBREVIATED, ALWAYS_AFTER, ALWAYS_BEFORE, NET, WITH_FIGURES
from voiceagent.text.normalize.traced import Traced
from voiceagent.text.phonemes.lexicon import Lexicon

__all__ = ["Normalized", "needs_normalizing", "normalize", "speak_plainly"]

# Letters with ordinary punctuation are spoken as they are; figures and signs are not, and a full stop inside or after a short
# word, or capital letters, may be an abbreviation.
_SPECIAL: Final = re.compile(
    r"[^A-Za-z ,;:!?'\"().-]|(?<![A-Za-z])-|-(?![A-Za-z])|[A-Za-z]\.[\w,]"
    r"|[A-Z]{2}|[A-Za-z]-[A-Z]|\([ivx]{1,4}\)|[A-Z][a-z]+ [IVX](?!'?[A-Za-rt-z])|\.\.|[a-z][A-Z]|(?:^| )['),;:!?.]"
    r"|(?<![A-Za-z])(?:Mon|Tues?|Wed|Thurs?|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)(?![A-Za-z])"
    r"|(?<![A-Za-z])(?:Ave|Blvd|Rd|Ln|Ct|Pl|Pkwy|Hwy|Sq|Ter|Cir|Apt|Ste|Rm|Bldg|Fl|Rte|Rt|Fwy|Expy)(?![A-Za-z])|\b[ivx]{2,5}\b"
    r"|(?<![A-Za-z])(?:vs|[Bb]tw|aka|[JS]r|M[rst]|Mrs|Dr|St|Ft|Prof|[ap]m|etc|approx|no)(?![A-Za-z])"
)
_STOPPED: Final = re.compile(r"([A-Za-z]+)\.")
_NET: Final = re.compile(
    r"\d|://|@|/|\w\.\w|, [A-Z]{2}\b|(?<!\w)\.\w|(?:St|Ave|Blvd|Rd|Dr|Ln|Ct|Pl|Pkwy|Hwy|Sq|Ter|Cir|Fwy|Expy|Apt|Ste|Rm|Bldg)\b"
)
_FIGURE: Final = re.compile(
    r"\d|[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞√≈≠≤≥=+<>^⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ·▲▼→∈⇒≡∝∪∩⊂]|\b[Aa][-–][Zz]|[JFMAJSOND][aepuco][nbrylgptvc]|[MTWFS][a-z]{2}"
    r"|(?<![A-Za-z])[A-DFO]{1,3}[-–](?![A-Za-z])"
)
_PLACEHOLDER: Final = ord(
    LETTER_A
)  # the first of those that stand for words with phonemes: private use: nothing of the text as sent gets through with such a character
_MOST_PLACEHOLDERS: Final = 6000


class Normalized(NamedTuple):
    """Spoken words, and what is to be told about them."""

    spans: tuple[Span, ...]
    warnings: tuple[str, ...] = ()


def needs_normalizing(text: str) -> bool:
    """Whether normalisation may change anything in `text`. Quick, and True when in doubt."""
    return _SPECIAL.search(text) is not None or not ABBREVIATED.isdisjoint(_STOPPED.findall(text))


def normalize(pieces: Sequence[Piece], lexicon: Lexicon | None = None, before: str = "") -> Normalized:
    """The spoken words of visible text, each with the characters it came from.

    before: what was written just before in the same sentence, for what a figure means depends on it.

    What no rule can read is spoken as it is written, with a warning; nothing is raised.
    """
    given: list[tuple[str, str]] = [("A", "ˈA")]  # (word, phonemes) behind each placeholder

    def hide(word: str, phonemes: str) -> str:
        given.append(("-".join(word.split()), phonemes))
        return chr(_PLACEHOLDER + len(given) - 1)

    traced = Traced.of(
        [
            Piece(hide(piece.text, piece.phonemes), piece.start, piece.end) if piece.phonemes else piece
            for piece in pieces
        ],
        f"{before} " if before else "",
    )
    if lexicon is not None:

        def look_up(match: re.Match[str]) -> str | None:
            found = lexicon.find(match.group())
            if found is None or len(given) >= _MOST_PLACEHOLDERS:
                return None
            return found[0] or hide(match.group(), found[1])

        traced.substitute(lexicon.pattern, look_up)
    for rules in (
        NET if _NET.search(traced.text, traced.fixed) else (),
        ALWAYS_BEFORE,
        WITH_FIGURES if _FIGURE.search(traced.text, traced.fixed) else (),
        ALWAYS_AFTER,
    ):
        for pattern, replace in rules:
            traced.substitute(pattern, replace)
    warnings = tuple(f"could not be put into words: {part}" for part in dict.fromkeys(traced.unread))
    return Normalized(_spans(traced, given), warnings)


def speak_plainly(text: str) -> str:
    """The spoken form of a few words without their origin: for text that is only looked ahead at."""
    if not needs_normalizing(text):
        return text
    return " ".join(span.word for span in normalize([Piece(text, 0, len(text))]).spans)


def _spans(traced: Traced, given: Sequence[tuple[str, str]]) -> tuple[Span, ...]:
    spans: list[Span] = []
    for word, start, end in traced.words():
        phonemes = ""
        hidden = next((c for c in word if _PLACEHOLDER <= ord(c) < _PLACEHOLDER + len(given)), "")
        if hidden:
            shown, said = given[ord(hidden) - _PLACEHOLDER]
            phonemes = "".join(said if c == hidden else c for c in word if c == hidden or c in ",.;:!?…—()")
            word = word.replace(hidden, shown)
        if not any(character.isalnum() for character in word):
            spans = _attach(spans, word)
            continue
        spans.append(Span(word, start, end, phonemes))
    return tuple(spans)


def _attach(spans: list[Span], mark: str) -> list[Span]:
    """A mark that stands alone goes to the word before it; a dash keeps its place as a pause."""
    kept = "".join(character for character in mark if character in ",.;:!?…—")
    if not spans or not kept:
        return spans
    last = spans[-1]
    if kept == "—":
        return [*spans, Span("—", last.end, last.end)]
    if last.word[-1] in ",.;:!?…—":
        return spans
    phonemes = last.phonemes + kept if last.phonemes else ""
    return [*spans[:-1], Span(last.word + kept[0], last.start, last.end, phonemes)]

"""What items that close together say, and where each word of it came from; worked out when somebody asks for it."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.chunk import Said
from voiceagent.text.markup.items import Item, Piece
from voiceagent.text.normalize.normalizer import needs_normalizing, normalize
from voiceagent.text.phonemes.lexicon import Lexicon

__all__ = ["Saying", "says_something"]

_BEFORE_WORDS: Final = 6
_TAIL_CHARS: Final = 80
_FULL_ENDS: Final = frozenset(".!?…")
_ENDS: Final = _FULL_ENDS | frozenset(":;,—")
_WORD: Final = re.compile(r"\S+")
_SAID: Final = re.compile(r"[^\W_]|[&@%°§±≈≠≤≥∞√π∑µΩ№‰÷¢€£$∆=+/²³]")


def says_something(visible: str) -> bool:
    """Whether speech comes of it: letters, figures or a sign that is read aloud."""
    return _SAID.search(visible) is not None


class Saying:
    """What a chunk says. Call it; the first call does the work, in order after the chunks before it.

    text, start: as sent. items: those of it that are seen; None when that is the text itself, word for word.
    previous: what the chunk before said, when it is of the same sentence.
    block: a paragraph, a heading or a list item ends here, so that it sounds like the end of a sentence.
    pausing: nothing more is known yet, so that it sounds like a comma.
    ends: nothing that follows belongs to the same sentence.
    """

    __slots__ = ("_ends", "_tail", "_todo")

    def __init__(
        self,
        text: str,
        start: int,
        items: list[Item] | None,
        lexicon: Lexicon | None,
        previous: Saying | None,
        *,
        block: bool,
        ends: bool,
        pausing: bool = False,
    ) -> None:
        self._todo: tuple[str, int, list[Item] | None, Lexicon | None, Saying | None, str] | Said
        self._todo = (text, start, items, lexicon, previous, "." if block else "," if pausing else "")
        self._ends = ends
        self._tail = ""  # the last words as they are written, once they are worked out

    def __call__(self) -> Said:
        """Works out all that came before in the sentence first; not by recursion, because a sentence may be endless."""
        waiting: list[Saying] = [self]
        while (before := waiting[-1]._previous()) is not None:
            waiting.append(before)
        said = Said("")
        for saying in reversed(waiting):
            said = saying._work()
        return said

    def _previous(self) -> Saying | None:
        todo = self._todo
        return None if isinstance(todo, Said) else todo[4]

    def _work(self) -> Said:
        todo = self._todo
        if not isinstance(todo, Said):
            text, start, items, lexicon, previous, mark = todo
            before = previous._written() if previous is not None else ""
            if items is None:
                shown, said = text, _speak_plain(text, start, lexicon, before, mark)
            else:
                shown = " ".join([item.visible for item in items[-_BEFORE_WORDS:]])
                said = _speak(items, lexicon, before, mark)
            self._tail = " ".join(shown[-_TAIL_CHARS:].split()[-_BEFORE_WORDS:])
            todo = said._replace(before=previous._after() if previous is not None else "")
            self._todo = todo  # lets go of the items
        return todo

    def _after(self) -> str:
        """The words that the next chunk of the sentence hears before its own."""
        said = self._work()
        if self._ends or said.spoken[-1:] in _FULL_ENDS:
            return ""
        return " ".join(f"{said.before} {said.spoken}".split()[-_BEFORE_WORDS:])

    def _written(self) -> str:
        """The last words as they are written, for the rules of the next chunk of the sentence."""
        return "" if self._ends or self._work().spoken[-1:] in _FULL_ENDS else self._tail


def _speak_plain(text: str, start: int, lexicon: Lexicon | None, before: str, mark: str) -> Said:
    """Words and their origin (no spans: word for word); the mark ends them unless another does."""
    shown = " ".join(text.split())
    mark = "" if _stops(shown) else mark
    known = lexicon is not None and lexicon.pattern.search(shown) is not None
    if not shown or (not mark and not known and not needs_normalizing(shown)):
        return Said(shown)
    pieces: list[Piece] = []
    for word in _WORD.finditer(text):
        end = start + word.end()
        pieces += (Piece(word.group(), start + word.start(), end), Piece(" ", end, end))
    return _normalized(pieces, lexicon, before, mark)


def _speak(seen: list[Item], lexicon: Lexicon | None, before: str, mark: str) -> Said:
    if not seen:
        return Said("")
    pieces: list[Piece] = []
    for item in seen:
        origin = item.pieces
        if origin is None:
            origin = (Piece(item.visible, item.start, item.start + len(item.visible)),)
        pieces += origin
        end = pieces[-1].end
        if item.comma and item is not seen[-1] and item.visible[-1] not in _ENDS:
            pieces.append(Piece(",", end, end))
        pieces.append(Piece(" ", end, end))
    return _normalized(pieces, lexicon, before, "" if _stops(seen[-1].visible) else mark)


def _stops(text: str) -> bool:
    return text.rstrip("\"')]} ")[-1:] in _ENDS


def _normalized(pieces: list[Piece], lexicon: Lexicon | None, before: str, mark: str) -> Said:
    if mark:
        pieces[-1] = Piece(mark, pieces[-1].end, pieces[-1].end)
    spans, warnings = normalize(pieces, lexicon, before)
    return Said(" ".join([span.word for span in spans]), spans, warnings=warnings)

"""Chunks of text in a language with or without spaces: a sentence, a clause, or what is there when no punctuation
comes.

Where chunks close depends on the text alone, never on how it was cut into calls; `poll`, `cut` and `flush` aside.
"""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.chunk import Chunk

__all__ = ["LanguageChunker"]

# A unit is spoken in one go: a word, or a character where words have no spaces between them.
_UNIT: Final = re.compile(
    r"[\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3400-\u9fff\uf900-\ufaff]+(?:['’·-][^\W_\u3400-\u9fff\uf900-\ufaff]+)*"
)
_ENDS: Final = frozenset("。！？!?…")
_CLAUSES: Final = frozenset("，、；：,;:—")
_CLOSERS: Final = frozenset("\"')]}”’»」』）》】")
_FEW: Final = (4, 8, 12)  # units from which on a clause ends the first, second, ... chunk
_MOST: Final = (14, 24, 40)  # units at which a chunk closes without punctuation
_LONGEST: Final = 400  # characters
_UNIT_S: Final = {"zh": 0.22}
_WORD_S: Final = 0.36
_DEADLINE_S: Final = 0.5


class LanguageChunker:
    """Feed it the text of one utterance in pieces of any size; take chunks."""

    def __init__(self, language: str) -> None:
        self._unit_s = _UNIT_S.get(language, _WORD_S)
        self._text = ""  # that no chunk has yet
        self._start = 0
        self._at = 0  # how far it has been looked at
        self._count = 0  # chunks made
        self._ended = False

    def feed(self, text: str) -> list[Chunk]:
        """Chunks that are complete. Raises ValueError after `end`."""
        if self._ended:
            raise ValueError("the utterance has ended")
        self._text += text
        chunks = []
        while (found := self._next_end()) is not None:
            chunks += self._close(*found)
        return chunks

    def flush(self) -> list[Chunk]:
        """Close everything that waits."""
        made = self._close(len(self._text)) if self._text.strip() else []
        self._count = 0
        return made

    def end(self) -> list[Chunk]:
        """Close everything; the last chunk is final, an empty one if nothing was left to say."""
        if self._ended:
            return []
        self._ended = True
        return self._close(len(self._text), final=True)

    def poll(self, waited_s: float) -> list[Chunk]:
        """Close at the last place between units what has waited too long."""
        return [] if waited_s < _DEADLINE_S else self.cut()

    def cut(self, *, stalled: bool = False, least_s: float = 0.0) -> list[Chunk]:
        """Close before its time all but the last unit, if it will sound for at least `least_s` seconds."""
        del stalled
        units = list(_UNIT.finditer(self._text))
        if len(units) < 2 or (len(units) - 1) * self._unit_s < least_s:
            return []
        return self._close(units[-1].start(), units[-1].group())

    @property
    def waiting_s(self) -> float:
        """About how long the units that wait will sound."""
        return self._unit_s * len(_UNIT.findall(self._text))

    @property
    def waiting_words(self) -> int:
        """Units that wait."""
        return len(_UNIT.findall(self._text))

    def _next_end(self) -> tuple[int, str] | None:
        """Where the next chunk ends, once that is certain (the character behind must be known), and what is known to
        follow.
        """
        text, stage = self._text, min(self._count, len(_FEW) - 1)
        units = list(_UNIT.finditer(text))
        full = len(units) > _MOST[stage] + 1
        last = min(units[_MOST[stage] + 1].start() if full else len(text) - 1, _LONGEST, len(text) - 1)
        for at in range(self._at, last):
            self._at = at
            if text[at + 1] in _CLOSERS or text[at + 1] in _ENDS:
                continue
            kind = _ends_at(text, at)
            if kind == "sentence" and _UNIT.search(text, 0, at + 1):
                return at + 1, ""
            if kind == "clause" and len(_UNIT.findall(text, 0, at + 1)) >= _FEW[stage]:
                return at + 1, ""
        if full and units[_MOST[stage] + 1].start() <= _LONGEST:
            return units[_MOST[stage]].start(), units[_MOST[stage]].group()
        if len(text) > _LONGEST + 1:
            starts = [unit.start() for unit in units if 0 < unit.start() <= _LONGEST]
            return (starts or [_LONGEST])[-1], ""
        return None

    def _close(self, end: int, ahead: str = "", *, final: bool = False) -> list[Chunk]:
        """Make a chunk of the first `end` characters; `ahead` is known to follow."""
        text, self._text = self._text[:end], self._text[end:]
        sound_s = self._unit_s * len(_UNIT.findall(text))
        chunk = Chunk(text, self._start, " ".join(text.split()), ahead, final, sound_s=sound_s)
        self._start += end
        self._at, self._count = 0, self._count + 1
        return [chunk]


def _ends_at(text: str, at: int) -> str:
    """What ends with the character at `at`: "sentence", "clause" or ""; closers behind the mark belong to it."""
    mark = at
    while mark > 0 and text[mark] in _CLOSERS:
        mark -= 1
    character, following = text[mark], text[at + 1]
    if character == "\n":
        return "sentence"
    if character in _ENDS:
        return "sentence"
    before = text[mark - 1 : mark]
    if character == ".":
        word = re.search(r"\w*$", text[:mark])
        abbreviated = word is None or len(word.group()) < 2 or word.group().isdigit()
        return "sentence" if following.isspace() and not abbreviated else ""
    if character in _CLAUSES:
        return "" if character in ",.:" and before.isdigit() and following.isdigit() else "clause"
    return ""

"""The units between scanner and chunker: a word or a mark of the raw text, and what is visible of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from voiceagent.text.markup.emphasis import Stretch
    from voiceagent.text.markup.ssml import Prosody

__all__ = ["BLOCK", "LINE", "NONE", "Item", "Piece"]

# How strongly an item is set off from its neighbours.
NONE, LINE, BLOCK = 0, 1, 2


class Piece(NamedTuple):
    """Visible text and the characters [start, end) of the utterance it came from.

    As long as its origin: character by character. Otherwise all of it came from all of that.
    phonemes: prescribed pronunciation, or "".
    """

    text: str
    start: int
    end: int
    phonemes: str = ""


class Item:
    """What is visible of the characters [start, end) of the utterance, the white space that closed them included.

    pieces: where `visible` came from; None when it is what the text has from `start` on.
    before, after: NONE, LINE (a line break) or BLOCK (a paragraph, list item, heading ends).
    blank: white space alone.
    marker: the number of a list item: its full stop ends nothing.
    comma: a table cell ends here.
    skipped: of a region or a sound that is not spoken.
    prosody: what holds from here on. stretches: of emphasis that it is in, in part at least.
    """

    # Nearly all items are plain words: what is not set on them stands here.
    pieces: tuple[Piece, ...] | None = None
    before: int = NONE
    after: int = NONE
    blank: bool = False
    marker: bool = False
    comma: bool = False
    pause_s: float = 0.0
    skipped: bool = False
    prosody: Prosody | None = None
    stretches: tuple[Stretch, ...] = ()
    warning: str = ""

    def __init__(self, visible: str, start: int, end: int) -> None:
        self.visible = visible
        self.start = start
        self.end = end

"""A text that is there already, in pieces: as a session has room for them, and so that no call takes long."""

from __future__ import annotations

from collections.abc import Iterator

PIECE_CHARS = 500  # are cut into chunks within half a millisecond, the worst ones within a few


def pieces(text: str, max_text_buffer: int | None = None) -> Iterator[str]:
    """Pieces which, joined, are the text.

    They end behind white space where they can, so that a text which waits for room does not wait inside a word, and are
    at most half of what may wait, because the rest of a sentence waits together with the next piece.
    """
    size = PIECE_CHARS if max_text_buffer is None else max(1, min(PIECE_CHARS, max_text_buffer // 2))
    begin = 0
    while begin < len(text):
        end = begin + size
        if end < len(text):
            end = next((cut for cut in range(end, begin, -1) if text[cut - 1].isspace()), end)
        yield text[begin:end]
        begin = end

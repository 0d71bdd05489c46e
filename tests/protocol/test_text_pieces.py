"""Texts cut into pieces for a session."""

from __future__ import annotations

import pytest

from voiceagent.protocol.text_pieces import PIECE_CHARS, pieces


@pytest.mark.parametrize("text", ["", "short", "words " * 500, "x" * 2_000, " " * 1_001, "line\nline\n" * 200])
@pytest.mark.parametrize("room", [1, 2, 31, 1_000, 20_000])
def test_pieces_are_the_text_and_fit(text: str, room: int) -> None:
    cut = list(pieces(text, room))
    assert "".join(cut) == text
    assert all(1 <= len(piece) <= max(1, min(PIECE_CHARS, room // 2)) for piece in cut)


def test_words_stay_whole() -> None:
    assert all(piece.endswith(" ") for piece in pieces("several words " * 200, 100))

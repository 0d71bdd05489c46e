"""Instructions in words: what is followed, and that the rest is named."""

from __future__ import annotations

import pytest

from voiceagent.adapters.openai.instructions import TABLE, Manner, manner_of


@pytest.mark.parametrize("words", TABLE)
def test_every_word_of_the_table_does_what_its_row_says(words: str) -> None:
    change = TABLE[words]
    for word in words.split():
        found = manner_of(f"Speak in a {word} voice, please.")
        assert (found.speed, found.pitch, found.volume_db, found.liveliness) == pytest.approx(change)
        assert found.notice == ""


def test_no_instructions_change_nothing() -> None:
    assert manner_of("") == Manner()
    assert manner_of("Please read the text naturally.") == Manner()


@pytest.mark.parametrize(
    ("instructions", "notice"),
    [
        ("Speak like a pirate.", "instructions: not followed: pirate"),
        ("Use a British accent.", "instructions: not followed: british, accent"),
        ("Do not speak slowly.", "instructions: not followed: do, not slowly"),
    ],
)
def test_what_is_not_understood_is_named_and_changes_nothing(instructions: str, notice: str) -> None:
    assert manner_of(instructions) == Manner(notice=notice)


def test_degrees_and_bounds() -> None:
    slow, very, little = (manner_of(text).speed for text in ("slowly", "very slowly", "a little slowly"))
    assert very < slow < little < 1.0
    wild = manner_of(" ".join(["shout loudly excited fast high"] * 40), speed=2.0)
    assert (wild.speed, wild.pitch, wild.volume_db, wild.liveliness) == (2.0, 2.0, 12.0, 2.0)

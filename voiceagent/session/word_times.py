"""What times of words say about the text: what was heard of it, and when each character is spoken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from voiceagent.protocol.outputs import WordTime


def heard_chars(text: str, words: list[WordTime], heard_s: float) -> int:
    """How many characters of the text were heard: whole words only, with the punctuation that follows them."""
    # Half a millisecond forgives the rounding of times on the wire.
    heard = [word for word in words if word.end_s <= heard_s + 0.0005]
    if not heard:
        return 0
    cut = max(word.char_end for word in heard)
    following = [word.char_start for word in words if word.char_start >= cut]
    stop = min(following, default=len(text))
    while cut < stop and not text[cut].isspace():
        cut += 1
    return cut


def with_characters(words: Iterable[WordTime]) -> tuple[WordTime, ...]:
    """The same words with a time for each character: a word's time, shared equally among the characters as sent."""
    return tuple(replace(word, char_starts_s=_char_starts_s(word)) for word in words)


def _char_starts_s(word: WordTime) -> tuple[float, ...]:
    count = word.char_end - word.char_start
    return tuple(word.start_s + (word.end_s - word.start_s) * i / count for i in range(count))

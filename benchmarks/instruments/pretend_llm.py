"""A language model's tokens without the model: pieces of a text, at a steady rate, in bursts, or with a stall."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TypeAlias

TOKENS_PER_S = 30.0
TICK_S = 1.0  # between one sentence and the next, where whole sentences come
# A word of up to six letters with the space before it is a token, longer ones are several, and so is each mark.
_TOKEN = re.compile(r"\s*(?:[^\W\d_]{1,6}|\d{1,3}|[^\w\s]|_)|\s+")
_SENTENCE = re.compile(r".+?[.!?]+(?:\s+|$)|.+", re.DOTALL)

Schedule: TypeAlias = Sequence[tuple[float, str]]
"""Pieces of a text with the seconds after which they come."""


def tokens_of(text: str) -> list[str]:
    """Pieces that join to the text."""
    return _TOKEN.findall(text)


def steady(text: str, seed: int = 0, *, tokens_per_s: float) -> Schedule:
    """A token after the other; at a rate of 0 all at once."""
    return [(index / tokens_per_s if tokens_per_s else 0.0, token) for index, token in enumerate(tokens_of(text))]


def sentences(text: str, seed: int = 0) -> Schedule:
    """Two sentences in a tick, then the next two."""
    found = _SENTENCE.findall(text)
    pairs = ["".join(found[index : index + 2]) for index in range(0, len(found), 2)]
    return [(TICK_S * index, pair) for index, pair in enumerate(pairs)]


def stalling(text: str, seed: int = 0, *, stall_s: float) -> Schedule:
    """The default rate, with a stall somewhere inside the text."""
    tokens = tokens_of(text)
    at = random.Random(seed).randint(1 + len(tokens) // 5, max(1 + len(tokens) // 5, 4 * len(tokens) // 5))
    return [(index / TOKENS_PER_S + (stall_s if index >= at else 0.0), token) for index, token in enumerate(tokens)]


def calling_a_tool(text: str, seed: int = 0, *, stall_s: float = 5.0) -> Schedule:
    """The default rate, with a long stall behind the first sentence."""
    first = len(tokens_of(_SENTENCE.findall(text)[0].rstrip()))
    tokens = tokens_of(text)
    return [(index / TOKENS_PER_S + (stall_s if index >= first else 0.0), token) for index, token in enumerate(tokens)]


ARRIVALS: dict[str, Callable[[str, int], Schedule]] = {
    **{f"{rate} tokens/s": partial(steady, tokens_per_s=rate) for rate in (8, 15, 30, 60, 100)},
    "two sentences a tick": sentences,
    "stall of 0.5 s": partial(stalling, stall_s=0.5),
    "stall of 2 s": partial(stalling, stall_s=2.0),
    "tool call of 5 s": calling_a_tool,
}
"""How text comes, by name; a text and a seed give a schedule."""


async def speak_slowly(text: str, tokens_per_s: float = TOKENS_PER_S) -> AsyncIterator[str]:
    """The tokens of a text, the first one at once, on a schedule that does not drift. A rate of 0 waits for nothing."""
    async for token in speak_as(steady(text, tokens_per_s=tokens_per_s)):
        yield token


async def speak_as(schedule: Schedule) -> AsyncIterator[str]:
    """The pieces when they are due."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    for at_s, piece in schedule:
        if at_s:
            await asyncio.sleep(begin + at_s - loop.time())
        yield piece

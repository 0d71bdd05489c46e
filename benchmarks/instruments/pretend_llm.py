"""A language model's tokens without the model: pieces of a text, at a steady rate."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

TOKENS_PER_S = 30.0
# A word of up to six letters with the space before it is a token, longer ones are several, and so is each mark.
_TOKEN = re.compile(r"\s*(?:[^\W\d_]{1,6}|\d{1,3}|[^\w\s]|_)|\s+")


def tokens_of(text: str) -> list[str]:
    """Pieces that join to the text."""
    return _TOKEN.findall(text)


async def speak_slowly(text: str, tokens_per_s: float = TOKENS_PER_S) -> AsyncIterator[str]:
    """The tokens of a text, the first one at once, on a schedule that does not drift. A rate of 0 waits for nothing."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    for index, token in enumerate(tokens_of(text)):
        if tokens_per_s:
            await asyncio.sleep(begin + index / tokens_per_s - loop.time())
        yield token

"""Keys of clients as the settings have them: a name, a hash and what may be done with it. The key itself lies with the
client.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

PREFIX = "va_"
KEY_BYTES = 32
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_NAME = re.compile(r"[\w.@ -]{1,64}")


@dataclass(frozen=True, slots=True)
class KeyConfig:
    """One of `[[keys]]` in the settings of the service.

    Raises:
        ValueError: a value is out of range, or is no hash.
    """

    name: str
    """Who has it; in logs and counters."""
    hash: str
    """As `voiceagent key NAME` prints it."""
    max_utterances: int = 0
    """Utterances that may be open at once, over all connections with this key; 0 is no limit of its own."""
    chars_per_minute: int = 0
    """Characters of text that are taken in a minute; 0 is no limit."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"keys has the name {self.name!r}: it takes 1 to 64 letters, digits, spaces and . _ @ -")
        if not _HASH.fullmatch(self.hash):
            raise ValueError(
                f"the hash of key {self.name!r} is none: `voiceagent key NAME` makes a key and prints its hash"
            )
        for field in ("max_utterances", "chars_per_minute"):
            if not 0 <= getattr(self, field) <= 1_000_000_000:
                raise ValueError(f"{field} of key {self.name!r} is {getattr(self, field)}, not within 0 and 1000000000")


def new_key() -> str:
    """A key that nobody guesses: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(KEY_BYTES)


def hash_of(key: str) -> str:
    """What the settings keep of a key. It needs no salt and no slow function: nobody tries 2^256 keys."""
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()

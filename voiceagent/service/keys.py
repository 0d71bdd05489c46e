"""Who a client is by the key that it shows, and what this key may still do.

Keys are compared by their hashes, all of them, in constant time. A token is a key for one connection and a short time:
a server with a key asks for it and gives it to a page, which never sees the key.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from weakref import WeakSet

from voiceagent.errors import NoCapacity, RateLimited
from voiceagent.session.async_session import AsyncSession
from voiceagent.settings.keys import KeyConfig, hash_of
from voiceagent.settings.serve import ServeConfig

TOKEN_PREFIX = "vat_"
TOKENS_MAX = 256
"""Tokens of a key that are out and not used yet."""
MINUTE_S = 60.0


class Key:
    """A key, and what is done with it now: the `Allowance` of the sessions that have it.

    The characters are a bucket that holds a minute's worth and fills steadily: in n minutes at most n + 1 minutes'
    worth is taken.

    Args:
        on_chars: is told how many characters were taken.
    """

    def __init__(self, config: KeyConfig, on_chars: Callable[[int], None] = lambda _: None) -> None:
        self.config = config
        self.sessions: WeakSet[AsyncSession] = WeakSet()
        self._on_chars = on_chars
        self._left = float(config.chars_per_minute)
        self._filled_at: float | None = None

    def check_start(self) -> None:
        """Makes sure that one more utterance may be open.

        Raises:
            NoCapacity: as many are open as may be.
        """
        most = self.config.max_utterances
        if most and sum(session.open_utterances for session in self.sessions) >= most:
            raise NoCapacity(f"this key has {most} utterances open, as many as it may: end or cancel one")

    def check_text(self, chars: int, now: float) -> None:
        """Makes sure that so many characters may be taken at this time.

        Raises:
            RateLimited: it must wait.
        """
        a_minute = self.config.chars_per_minute
        if not a_minute:
            return
        since_s = 0.0 if self._filled_at is None else max(0.0, now - self._filled_at)
        self._filled_at = now
        self._left = min(float(a_minute), self._left + since_s * a_minute / MINUTE_S)
        if chars > a_minute:
            raise RateLimited(
                f"this key may say {a_minute} characters a minute, and this text has {chars}: send less at once"
            )
        if chars > self._left:
            wait_s = (chars - self._left) * MINUTE_S / a_minute
            raise RateLimited(
                f"this key may say {a_minute} characters a minute; "
                f"these {chars} were not taken, send them in {wait_s:.0f} s",
                retry_after_s=wait_s,
            )

    def spend(self, chars: int) -> None:
        """Counts characters that were taken."""
        self._left -= chars
        self._on_chars(chars)


@dataclass(frozen=True, slots=True)
class _Token:
    key: Key
    until_s: float


class KeyRing:
    """All keys of a service.

    Args:
        config: has the keys.
        on_chars: is told a key's name and how many characters were taken with it.
        clock: seconds, for tokens.
    """

    def __init__(
        self,
        config: ServeConfig,
        on_chars: Callable[[str, int], None] = lambda _name, _chars: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        plain = [KeyConfig(f"auth_tokens {n}", hash_of(token)) for n, token in enumerate(config.auth_tokens, 1)]
        self._keys = [Key(each, partial(on_chars, each.name)) for each in (*plain, *config.keys)]
        self._anyone = Key(KeyConfig("anyone", hash_of("")))
        self._token_s = config.token_s
        self._tokens: dict[str, _Token] = {}
        self._clock = clock

    @property
    def needed(self) -> bool:
        """Whether a client must have one."""
        return bool(self._keys)

    def find(self, presented: Iterable[str]) -> Key | None:
        """The key of a client that shows these, or None: it has none. Where no key is needed, anyone has one.

        A token is used up.
        """
        if not self.needed:
            return self._anyone
        shown = [hash_of(each) for each in presented]
        # All are compared, each in constant time: how long it takes says nothing about how near a guess was.
        found = [key for key in self._keys for each in shown if hmac.compare_digest(each, key.config.hash)]
        return found[0] if found else self._redeemed(shown)

    def _redeemed(self, shown: list[str]) -> Key | None:
        for each in shown:
            token = self._tokens.pop(each, None)
            if token is not None and self._clock() < token.until_s:
                return token.key
        return None

    def new_token(self, key: Key, ttl_s: float | None = None) -> tuple[str, float]:
        """A token for one connection with this key, and for how many seconds it is good.

        Raises:
            NoCapacity: too many of this key's are out.
        """
        now = self._clock()
        self._tokens = {hashed: token for hashed, token in self._tokens.items() if now < token.until_s}
        if sum(token.key is key for token in self._tokens.values()) >= TOKENS_MAX:
            raise NoCapacity(f"{TOKENS_MAX} tokens of this key are not used yet; ask for one when it is needed")
        lasts_s = self._token_s if ttl_s is None else min(ttl_s, self._token_s)
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        self._tokens[hash_of(token)] = _Token(key, now + lasts_s)
        return token, lasts_s

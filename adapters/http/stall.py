"""Whether a client still takes what is sent to it. Bytes decide, not the time that one write takes.

A player reads at the speed of its sound. Between it and us are buffers, and the kernel at its end asks for more only when a good
part of its buffer is free again: at the 8 kB/s of mp3 that is 16 s without a byte, although the client never stopped. So a
client has stalled when it took not one byte for the limit, or for several times that while a player would have sound to play.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from starlette.types import Scope

from voiceagent.adapters.http.transport import untaken_bytes
from voiceagent.session.pacing import Playhead

LOOKS = 10  # looks at the client within the limit
PATIENCE = 5  # limits that a client may take nothing while, by the clock, it has something to play


class ClientStalled(Exception):
    """A client took nothing for so long that it is let go."""

    def __init__(self, stall_s: float) -> None:
        super().__init__(f"nothing was read for {stall_s:g} s")


class StallWatch:
    """Watches one client.

    Args:
        scope: of its request.
        stall_s: how long it may take nothing while something is being sent.
    """

    def __init__(self, scope: Scope, stall_s: float) -> None:
        self._scope = scope
        self._stall_s = stall_s
        self._loop = asyncio.get_running_loop()
        self._playhead = Playhead()
        self._sending = 0
        self._since_s = 0.0  # when a byte was last seen to be taken, or sending began
        self._untaken: int | None = None

    async def send(self, sending: Awaitable[None], sound_s: float = 0.0) -> None:
        """Sends; how long it takes is watched by `until_stalled`.

        Args:
            sending: one message.
            sound_s: seconds of sound in it.
        """
        if not self._sending:
            self._since_s, self._untaken = self._loop.time(), None
        self._sending += 1
        self._playhead.deliver(sound_s, self._loop.time())
        try:
            await sending
        finally:
            self._sending -= 1
            self._since_s = self._loop.time()

    async def until_stalled(self) -> None:
        """Ends when the client has stalled.

        Raises:
            ClientStalled: always, some day; whoever no longer sends cancels it.
        """
        while True:
            await asyncio.sleep(self._stall_s / LOOKS)
            now_s, before = self._loop.time(), self._untaken
            self._untaken = untaken_bytes(self._scope)
            if before is not None and self._untaken is not None and self._untaken < before:
                self._since_s = now_s
            playing = self._playhead.advance(now_s) < self._playhead.delivered_s
            if self._sending and now_s - self._since_s >= self._stall_s * (PATIENCE if playing else 1):
                raise ClientStalled(now_s - self._since_s)

"""Edits of recordings, one after the other on a thread of their own, and few that wait.

Knows no editor: whoever starts the service says how one is made, and the first edit makes it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from voiceagent.errors import InputError, NoCapacity

WAITING_MAX = 4
CHARS_MAX = 3_000  # two minutes of speech have about 2,000


@dataclass(frozen=True, slots=True, eq=False)
class EditedFile:
    """A recording whose words have been changed."""

    pcm: npt.NDArray[np.int16]
    """(n,) at 24 kHz; what is not changed has the bits of the original."""
    spans_s: tuple[tuple[float, float], ...]
    """Start and end of what was made anew."""
    resampled: bool
    """The recording had another rate, so that none of its samples are the same bit for bit."""


class EditFile(Protocol):
    """Changes what the bytes of a WAV file say, from `transcript` to `to`; blocks for seconds."""

    def __call__(self, file: bytes, transcript: str, to: str, voice: str) -> EditedFile:
        """Raises VoiceAgentError where it cannot be done."""
        ...


class EditDesk:
    """Where edits stand in line.

    Args:
        make_editor: loads what edits; called once, on the desk's thread.
    """

    def __init__(self, make_editor: Callable[[], EditFile]) -> None:
        self._make_editor = make_editor
        self._editor: EditFile | None = None
        self._thread = ThreadPoolExecutor(1, "voiceagent-edit")
        self._open = 0
        self._lock = threading.Lock()

    @property
    def open(self) -> int:
        """Edits that wait or are under way."""
        return self._open

    @property
    def full(self) -> bool:
        """No more edits are taken."""
        return self._open > WAITING_MAX

    async def edit(self, file: bytes, transcript: str, to: str, voice: str) -> EditedFile:
        """Waits for its turn; one that is cancelled before it leaves the line, one under way is thrown away when it is
        done.

        Raises:
            InputError: a text is empty or too long, or the editor refuses it.
            NoCapacity: too many wait.
        """
        for name, text in (("transcript", transcript), ("new text", to)):
            if not text.strip():
                raise InputError(f"the {name} is empty: write every word of it")
            if len(text) > CHARS_MAX:
                raise InputError(f"the {name} has {len(text)} characters, of {CHARS_MAX}: edit a shorter part")
        if self.full:
            raise NoCapacity("too many edits wait; try again later")
        with self._lock:
            self._open += 1
        try:
            job = self._thread.submit(self._run, file, transcript, to, voice)
        except RuntimeError as error:  # it has been closed
            self._left()
            raise NoCapacity("the server is about to end") from error
        job.add_done_callback(lambda _: self._left())
        return await asyncio.wrap_future(job)

    def close(self) -> None:
        """Drops what waits."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _left(self) -> None:
        with self._lock:
            self._open -= 1

    def _run(self, file: bytes, transcript: str, to: str, voice: str) -> EditedFile:
        if self._editor is None:
            self._editor = self._make_editor()
        return self._editor(file, transcript, to, voice)


def with_replaced(transcript: str, edits: list[tuple[str, str]]) -> str:
    """The transcript with each of some texts replaced by another.

    Raises:
        InputError: one is not in it, is in it more than once, or overlaps another.
    """
    places: list[tuple[int, int, str]] = []
    for old, new in edits:
        count = transcript.count(old) if old.strip() else 0
        if count != 1:
            fix = "more words around it" if count else "it as it is written there"
            raise InputError(f"{old[:80]!r} is in the transcript {count} times: give {fix}")
        start = transcript.index(old)
        places.append((start, start + len(old), new))
    places.sort()
    for (_, stop, _), (start, _, _) in pairwise(places):
        if start < stop:
            raise InputError(f"two edits change {transcript[start:stop][:80]!r}: make them one")
    for start, stop, new in reversed(places):
        transcript = transcript[:start] + new + transcript[stop:]
    return transcript

"""What a client may have missed: the messages of its utterances as they were sent, kept for a while.

    log.add(message, utterance="u1", seq=7, duration_s=0.08)
    log.since("u1", 5)      -> frames 6 and 7, and the control messages after frame 5

Of each utterance the last seconds of its audio are kept, of a client a number of bytes in all. Knows no clock,
no transport and no format: a message is text or bytes.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Message: TypeAlias = str | bytes
# Utterances that have ended and whose end a client may have missed.
ENDED_KEPT = 8
# What keeping a message costs beside the message.
OVERHEAD_BYTES = 128


class Gap(Exception):
    """Frames that are asked for have been dropped already."""


@dataclass(frozen=True, slots=True)
class _Entry:
    message: Message
    seq: int
    """Of a frame its number, of a control message that of the frame before it."""
    duration_s: float | None
    """None is a control message."""

    @property
    def size(self) -> int:
        return len(self.message) + OVERHEAD_BYTES


@dataclass(slots=True)
class _Track:
    """The messages of one utterance."""

    entries: deque[_Entry] = field(default_factory=deque)
    last_seq: int = -1
    dropped_seq: int = -1
    audio_s: float = 0.0
    size: int = 0
    ended: bool = False

    def add(self, entry: _Entry) -> None:
        self.entries.append(entry)
        self.last_seq = entry.seq
        self.audio_s += entry.duration_s or 0.0
        self.size += entry.size

    def drop_first(self) -> None:
        entry = self.entries.popleft()
        self.audio_s -= entry.duration_s or 0.0
        self.size -= entry.size
        # A control message belongs to what comes before the next frame: who has only the frame before it misses it.
        self.dropped_seq = entry.seq if entry.duration_s is not None else entry.seq + 1

    def clear(self) -> None:
        self.entries.clear()
        self.audio_s = 0.0
        self.size = 0


class ReplayLog:
    """The messages of one client.

    Args:
        keep_s: seconds of audio kept of each utterance.
        keep_bytes: bytes kept in all; beyond them the oldest of the largest utterance go first.
    """

    def __init__(self, keep_s: float, keep_bytes: int) -> None:
        self._keep_s = keep_s
        self._keep_bytes = keep_bytes
        self._tracks: OrderedDict[str, _Track] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes that are kept, with what keeping them costs."""
        return sum(track.size for track in self._tracks.values())

    def begin(self, utterance: str) -> None:
        """A new utterance; what there was under this name is forgotten."""
        self._tracks[utterance] = _Track()
        self._tracks.move_to_end(utterance)

    def add(self, message: Message, *, utterance: str, seq: int | None = None, duration_s: float | None = None) -> None:
        """Keeps a message that is about to be sent.

        Args:
            message: as it is sent.
            utterance: which one it belongs to.
            seq: number of the frame; None is a control message.
            duration_s: length of the frame; None is a control message.
        """
        if utterance not in self._tracks:
            self.begin(utterance)
        track = self._tracks[utterance]
        track.add(_Entry(message, track.last_seq if seq is None else seq, duration_s))
        while track.audio_s > self._keep_s:
            track.drop_first()
        while self.size > self._keep_bytes:
            max(self._tracks.values(), key=lambda one: one.size).drop_first()

    def end(self, utterance: str, *, cancelled: bool) -> None:
        """Nothing will follow; of a cancelled utterance only its last message is sent again."""
        track = self._tracks[utterance]
        track.ended = True
        if cancelled and track.entries:
            last = track.entries[-1]
            track.clear()
            track.dropped_seq = -1
            track.add(last)
        over = [name for name, one in self._tracks.items() if one.ended]
        for name in over[:-ENDED_KEPT]:
            del self._tracks[name]

    def clear(self) -> None:
        """Forgets everything: nobody will ask for it."""
        self._tracks.clear()

    def __contains__(self, utterance: str) -> bool:
        return utterance in self._tracks

    def missed(self, have: Mapping[str, int]) -> list[str]:
        """The utterances of which something is to be sent again: those that are named, and all that have not ended."""
        return [name for name, track in self._tracks.items() if name in have or not track.ended]

    def since(self, utterance: str, have: int) -> list[Message]:
        """What followed frame number `have`, in order; -1 is everything.

        Control messages that were sent right after that frame are among them: the client may have got them.

        Raises:
            Gap: some of it has been dropped.
        """
        track = self._tracks[utterance]
        have = min(have, track.last_seq)
        if track.dropped_seq > have:
            raise Gap
        return [e.message for e in track.entries if (e.seq > have or (e.duration_s is None and e.seq == have))]

"""Speech of one utterance as events for its client: numbered frames of samples, and the words that begin in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from voiceagent.audio.formats import SAMPLE_RATE_HZ, Samples
from voiceagent.protocol import commands, events, outputs
from voiceagent.session.word_times import with_characters


class Framer:
    """Cuts speech into frames; words leave before the frame that they begin in.

    Args:
        start: the command that opened the utterance.
        stream: its number on this connection.
        frame_ms: length of a frame.
    """

    def __init__(self, start: commands.Start, stream: int, frame_ms: int) -> None:
        self.samples_made = 0
        """Samples of all speech so far."""
        self.words: list[outputs.WordTime] = []
        """All words so far."""
        self._start = start
        self._stream = stream
        self._frame_ms = frame_ms
        self._seq = 0

    @property
    def last_seq(self) -> int:
        """Number of the last frame, -1 before the first."""
        return self._seq - 1

    def add(self, speech: outputs.Speech) -> Iterator[events.Words | events.Audio]:
        """The next speech, whose samples are (n,), as events; take them all."""
        self.words.extend(speech.words)
        words = deque(speech.words)
        begin, n = 0, len(speech.samples)
        for end in frame_ends(n, self._frame_ms):
            frame_end_s = (self.samples_made + end) / SAMPLE_RATE_HZ
            covered = []
            while words and (words[0].start_s < frame_end_s or end == n):
                covered.append(words.popleft())
            yield from self._told(covered)
            yield self._frame(speech.samples[begin:end], pts=self.samples_made + begin)
            begin = end
        yield from self._told(words)
        self.samples_made += n

    def last_frame(self) -> events.Audio:
        """The frame behind all speech: what a resampler still holds leaves with it, hence it may have no samples of its
        own.
        """
        import numpy as np

        return self._frame(np.zeros(0, np.float32), pts=self.samples_made, last=True)

    def _told(self, words: Iterable[outputs.WordTime]) -> Iterator[events.Words]:
        words = with_characters(words) if self._start.timestamps == "char" else tuple(words)
        if words and self._start.timestamps != "none":
            yield events.Words(self._start.id, words)

    def _frame(self, samples: Samples, *, pts: int, last: bool = False) -> events.Audio:
        self._seq += 1
        return events.Audio(self._start.id, self._stream, self._seq - 1, pts, samples, last)


def frame_ends(n: int, frame_ms: int) -> list[int]:
    """Where to cut n samples into frames; a rest of less than 20 ms stays with the frame before it."""
    size = SAMPLE_RATE_HZ * frame_ms // 1000
    ends = list(range(size, n + 1, size))
    rest = n - (ends[-1] if ends else 0)
    if ends and rest < SAMPLE_RATE_HZ // 50:
        ends[-1] = n
    elif rest:
        ends.append(n)
    return ends

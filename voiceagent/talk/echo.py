"""Takes our own voice out of what the microphone hears: WebRTC's echo canceller, from LiveKit's package.

The loudspeaker's thread says what is played, the event loop has the microphone cleaned. Both run in real time, so what
was played lies in time before the blocks that may hold its echo; the canceller finds the delay by itself.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from voiceagent.errors import InputError
from voiceagent.errors.extras import install_hint
from voiceagent.talk.turns import HEARING_RATE_HZ

if TYPE_CHECKING:
    from voiceagent.audio.formats import Samples

BLOCK = HEARING_RATE_HZ // 100  # the canceller takes 10 ms at a time
# Blocks that were played and that nobody has compared with the microphone yet, for a second at the least.
WAITING_BLOCKS = 1000


class EchoCanceller:
    """Subtracts what was played from what is heard.

    Raises:
        InputError: the package is not installed.
    """

    def __init__(self) -> None:
        try:
            from livekit.rtc import AudioFrame, AudioProcessingModule
        except ImportError as error:
            raise InputError(f"echo cancellation needs more: {install_hint('echo')}") from error
        self._frame: Any = AudioFrame
        self._canceller: Any = AudioProcessingModule(
            echo_cancellation=True, noise_suppression=True, high_pass_filter=True
        )
        self._played: deque[tuple[Samples, int]] = deque(maxlen=WAITING_BLOCKS)
        self._resampler: Any = None
        self._rate_hz = HEARING_RATE_HZ
        self._reference: Samples = np.zeros(0, np.float32)
        self._heard: Samples = np.zeros(0, np.float32)

    def played(self, samples: Samples, rate_hz: int) -> None:
        """Notes what the loudspeaker plays, silence included; on any thread."""
        self._played.append((samples, rate_hz))

    def clean(self, samples: Samples) -> Samples:
        """What was heard without its echo, in blocks of 10 ms: up to 10 ms less or more than came in.

        Args:
            samples: (n,) float32 at 16 kHz.
        """
        self._take_reference()
        blocks, self._heard = _blocks(self._heard, samples)
        cleaned = [self._process(self._canceller.process_stream, block) for block in blocks]
        return np.concatenate(cleaned) if cleaned else np.zeros(0, np.float32)

    def _take_reference(self) -> None:
        while self._played:
            samples, rate_hz = self._played.popleft()
            if rate_hz != self._rate_hz:
                import soxr

                self._rate_hz = rate_hz
                self._resampler = soxr.ResampleStream(rate_hz, HEARING_RATE_HZ, 1, dtype="float32")
            if self._resampler is not None:
                samples = self._resampler.resample_chunk(samples)
            blocks, self._reference = _blocks(self._reference, samples)
            for block in blocks:
                self._process(self._canceller.process_reverse_stream, block)

    def _process(self, process: Any, block: Samples) -> Samples:
        pcm = bytearray((np.clip(block, -1, 1) * 32767).astype("<i2").tobytes())
        frame = self._frame(pcm, HEARING_RATE_HZ, 1, BLOCK)
        process(frame)
        return np.frombuffer(bytes(frame.data), "<i2").astype(np.float32) / np.float32(32768)


def _blocks(rest: Samples, samples: Samples) -> tuple[list[Samples], Samples]:
    """Full blocks, and what is left."""
    joined = np.concatenate([rest, samples])
    whole = len(joined) - len(joined) % BLOCK
    return list(joined[:whole].reshape(-1, BLOCK)), joined[whole:]

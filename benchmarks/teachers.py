"""The voices that ours are compared with: the teacher of each, from its own package, text in and 24 kHz samples out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Teacher: TypeAlias = "Callable[[str], NDArray[np.float32]]"  # text -> samples (n,) at 24 kHz


def hibari() -> Teacher:
    """hibari-tts with its packaged voice `heart`; the same text gives the same samples."""
    from hibari import Hibari

    voice = Hibari()
    return lambda text: np.asarray(voice(text, seed=0), np.float32)


def piper_joe() -> Teacher:
    """The Piper voice `joe`, reading the phonemes of hibari's front end; its rhythm differs from call to call."""
    from hibari import Hibari

    from voiceagent.training.teachers import Joe

    front_end, voice = Hibari(), Joe(seed=0)

    def speak(text: str) -> NDArray[np.float32]:
        sentences = [np.asarray(voice(phonemes).samples, np.float32) for phonemes in front_end.phonemize(text)]
        return np.concatenate([np.zeros(0, np.float32), *sentences])

    return speak


TEACHERS: dict[str, Callable[[], Teacher]] = {"hibari": hibari, "joe-us-piper": piper_joe}
TEACHER_OF = {"heart": "hibari", "joe": "joe-us-piper"}

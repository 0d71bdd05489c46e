"""The style space: principal components of the style vectors of the teacher's voices, each of unit spread.

A pack of the teacher holds one style a length of text, (510, 256); the mean over usual lengths stands for the voice. Blending the
teacher's packs is blending these means, so that a blend's vector is the blend of the vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voiceagent.errors import InputError
from voiceagent.model.voices import VoiceCard

STYLE_WIDTH = 32
PACK_SHAPE = (510, 256)
USUAL = slice(20, 200)  # lengths of text in symbols
STRANGERS = frozenset(
    {"af_kore", "am_onyx", "bf_lily", "bm_fable"}
)  # kept out of every training: cloning is tried on them
LANGUAGES = {
    "a": "English (US)", "b": "English (GB)", "z": "Mandarin", "e": "Spanish", "f": "French", "i": "Italian",
    "p": "Portuguese (BR)", "h": "Hindi", "j": "Japanese",
}  # fmt: skip

Packs = dict[str, npt.NDArray[np.float32]]


def read_packs(folder: Path) -> Packs:
    """The teacher's voices, `NAME.bin` each -> (510, 256) by name.

    Raises:
        InputError: there are none, or one is of another size.
    """
    packs: Packs = {}
    for path in sorted(folder.glob("*.bin")):
        numbers = np.fromfile(path, np.float32)
        if numbers.size != PACK_SHAPE[0] * PACK_SHAPE[1]:
            raise InputError(
                f"{path} has {numbers.size} numbers, a voice of the teacher {PACK_SHAPE[0]} x {PACK_SHAPE[1]}"
            )
        packs[path.stem] = numbers.reshape(PACK_SHAPE)
    if not packs:
        raise InputError(f"no *.bin files in {folder}: unpack the voices of the npm package kokoro-js there")
    return packs


def about(name: str) -> dict[str, str]:
    """What the name of a voice of the teacher says: af_bella is American and female."""
    return {"language": LANGUAGES.get(name[:1], ""), "sex": {"f": "female", "m": "male"}.get(name[1:2], "")}


def style_cards(packs: Mapping[str, npt.NDArray[np.float32]], width: int = STYLE_WIDTH) -> tuple[VoiceCard, ...]:
    """Every voice but the strangers as a point of the space that these voices span; deterministic.

    Raises:
        InputError: there are fewer voices than the space has directions.
    """
    names = sorted(set(packs) - STRANGERS)
    if len(names) <= width:
        raise InputError(f"{len(names)} voices do not span a style space of {width} directions: give all of them")
    means = np.stack([packs[name][USUAL].mean(0) for name in names]).astype(np.float64)
    centred = means - means.mean(0)
    left, _, right = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(1)])  # a component's sign is free: fix it
    points = (left * signs)[:, :width] * np.sqrt(len(names))
    return tuple(VoiceCard(name, row.astype(np.float32), about(name)) for name, row in zip(names, points, strict=True))

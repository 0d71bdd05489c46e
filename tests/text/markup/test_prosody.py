"""<prosody>: rate, pitch and volume, and what of it is not understood."""

from __future__ import annotations

import pytest

from voiceagent.text import Chunker
from voiceagent.text.chunk import Chunk
from voiceagent.text.markup.ssml import PLAIN, Prosody, prosody_of


def chunks_of(text: str) -> list[Chunk]:
    chunker = Chunker()
    return [*chunker.feed(text), *chunker.end()]


@pytest.mark.parametrize(
    ("given", "prosody"),
    [
        ({"pitch": "+10%"}, Prosody(pitch=1.1)),
        ({"pitch": "-20%"}, Prosody(pitch=0.8)),
        ({"pitch": "110%"}, Prosody(pitch=1.1)),
        ({"pitch": "+12st"}, Prosody(pitch=2.0)),
        ({"pitch": "-12st"}, Prosody(pitch=0.5)),
        ({"pitch": "high"}, Prosody(pitch=1.1)),
        ({"pitch": "x-low"}, Prosody(pitch=0.8)),
        ({"pitch": "+900%"}, Prosody(pitch=2.0)),
        ({"volume": "+6dB"}, Prosody(volume_db=6.0)),
        ({"volume": "-3.5dB"}, Prosody(volume_db=-3.5)),
        ({"volume": "+99dB"}, Prosody(volume_db=12.0)),
        ({"volume": "soft"}, Prosody(volume_db=-6.0)),
        ({"volume": "silent"}, Prosody(volume_db=-80.0)),
        ({"volume": "100"}, Prosody(volume_db=0.0)),
        ({"volume": "0"}, Prosody(volume_db=-80.0)),
        ({"rate": "80%", "pitch": "low", "volume": "loud"}, Prosody(0.8, 0.9, 6.0)),
    ],
)
def test_what_is_understood(given: dict[str, str], prosody: Prosody) -> None:
    found, unknown = prosody_of(given, PLAIN)
    assert found == pytest.approx(prosody)
    assert unknown == ""


@pytest.mark.parametrize(
    "given",
    [
        {"pitch": "180Hz"},
        {"pitch": "+20Hz"},
        {"pitch": "1.1"},
        {"rate": "brisk"},
        {"volume": "?"},
        {"contour": "(0%,+1st)"},
    ],
)
def test_what_is_not_understood_is_named_and_changes_nothing(given: dict[str, str]) -> None:
    ((name, value),) = given.items()
    assert prosody_of(given, Prosody(1.2, 1.3, 4.0)) == (
        Prosody(1.2, 1.3, 4.0),
        f'not understood in <prosody>: {name}="{value}"',
    )


def test_prosody_holds_from_its_tag_to_its_end_and_inner_values_add_to_outer_ones() -> None:
    text = (
        'Plain first. <prosody pitch="+10%">Higher now. <prosody volume="-6dB" rate="fast">Softer too.</prosody> '
        "Higher still.</prosody> Plain again."
    )
    spoken = {c.spoken: (c.rate, c.delivery.pitch, c.delivery.volume_db) for c in chunks_of(text) if c.spoken}
    assert spoken == {
        "Plain first.": (1.0, 1.0, 0.0),
        "Higher now.": (1.0, 1.1, 0.0),
        "Softer too.": (1.25, 1.1, -6.0),
        "Higher still.": (1.0, 1.1, 0.0),
        "Plain again.": (1.0, 1.0, 0.0),
    }


def test_what_is_not_understood_is_said_once_with_its_chunk() -> None:
    warnings = [w for chunk in chunks_of('Well, <prosody pitch="180Hz">this is odd.</prosody>') for w in chunk.warnings]
    assert warnings == ['not understood in <prosody>: pitch="180Hz"']

"""voice_settings: what they come to, and that the rest is named."""

from __future__ import annotations

import msgspec
import pytest

from voiceagent.adapters.elevenlabs.voice_settings import Manner, VoiceSettings


@pytest.mark.parametrize(
    ("settings", "manner"),
    [
        (VoiceSettings(), Manner()),
        (VoiceSettings(stability=0.5), Manner()),
        (VoiceSettings(stability=0.0), Manner(liveliness=1.5)),
        (VoiceSettings(stability=1.0), Manner(liveliness=0.5)),
        (VoiceSettings(style=1.0), Manner(liveliness=1.5)),
        (VoiceSettings(stability=0.0, style=1.0, speed=1.2), Manner(1.2, 2.0)),
        (VoiceSettings(similarity_boost=0.75), Manner(notice="voice_settings: no meaning here: similarity_boost")),
        (VoiceSettings(use_speaker_boost=False, similarity_boost=0.0), Manner()),
    ],
)
def test_what_settings_come_to(settings: VoiceSettings, manner: Manner) -> None:
    assert settings.manner() == manner


@pytest.mark.parametrize("name", ["stability", "similarity_boost", "style"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_values_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        msgspec.structs.replace(VoiceSettings(), **{name: value}).manner()

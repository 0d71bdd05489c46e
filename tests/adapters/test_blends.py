"""A blend of voices is a voice at every door, and what is none is refused there as any unknown voice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from voiceagent.adapters.deepgram import messages as deepgram
from voiceagent.adapters.elevenlabs import messages as elevenlabs
from voiceagent.adapters.mqtt.sites import Sites
from voiceagent.adapters.openai import messages as openai

VOICES = ("heart", "joe")


def _mqtt(voice: str) -> str:
    sites = Sites(max_waiting=4)
    sites.choose("kitchen", "voice", voice, VOICES)
    return str(sites.defaults("kitchen")["voice"])


DOORS: dict[str, Callable[[str], str]] = {
    "deepgram": lambda voice: deepgram.our_voice(voice, VOICES),
    "elevenlabs": lambda voice: elevenlabs.our_voice(voice, VOICES, reason="voice_id_does_not_exist"),
    "mqtt": _mqtt,
    "openai": lambda voice: openai.our_voice(voice, VOICES),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("voice", ["joe", "0.5*heart + 0.5*joe", "0.25*heart+0.75*joe"])
def test_a_blend_is_a_voice(door: str, voice: str) -> None:
    assert DOORS[door](voice) == voice


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("voice", ["0.5*heart + 0.5*nobody", "0.5*heart + 0.6*joe", "-1*heart + 2*joe", "heart +"])
def test_what_is_no_blend_is_refused(door: str, voice: str) -> None:
    with pytest.raises(Exception, match=r"unknown|does not exist"):
        DOORS[door](voice)

"""An utterance names one of the service's lexicons, at every door that has a field for it."""

from __future__ import annotations

import json

import pytest

from voiceagent.adapters.deepgram.messages import decode_order
from voiceagent.adapters.elevenlabs import messages as elevenlabs
from voiceagent.adapters.openai.messages import decode_request
from voiceagent.audio.formats import AudioFormat
from voiceagent.protocol import commands

VOICES = ("heart", "joe")
MEDICAL = {"lexicon": "medical"}


def test_openai() -> None:
    fields = {"input": "Hi", "response_format": "pcm"}
    assert decode_request({**fields, "lexicon": "medical"}).start(VOICES, 100).speech == MEDICAL
    assert decode_request(fields).start(VOICES, 100).speech is None


def test_deepgram() -> None:
    assert decode_order({"lexicon": "medical"}, VOICES, streamed=True).speech == MEDICAL
    assert decode_order({}, VOICES, streamed=True).speech is None


def test_elevenlabs() -> None:
    locator = {"pronunciation_dictionary_id": "medical", "version_id": "1"}

    def start(*locators: object) -> commands.Start:
        message = {"text": json.dumps({"text": " ", "pronunciation_dictionary_locators": locators})}
        asked = elevenlabs.decode_message(message)
        return elevenlabs.start("u", "heart", AudioFormat(), elevenlabs.Query(), asked)

    assert start(locator).speech == MEDICAL
    assert start().speech is None
    with pytest.raises(elevenlabs.ElevenLabsRefusal, match="one is taken here"):
        start(locator, locator)

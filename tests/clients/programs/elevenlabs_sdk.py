"""ElevenLabs' own SDK: over http everything but realtime, over https (argument `--realtime`) a text in pieces."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from elevenlabs import VoiceSettings
from elevenlabs.client import ElevenLabs
from elevenlabs.core.api_error import ApiError

TEXT = "Hello there, friend."


def refusal(call: Callable[[], Any]) -> dict[str, Any]:
    """What the SDK makes of a refusal."""
    try:
        call()
    except ApiError as error:
        return {"status": error.status_code, "body": error.body}
    return {}


def over_http(client: ElevenLabs) -> dict[str, Any]:
    speech = client.text_to_speech
    timed = speech.convert_with_timestamps("heart", text=TEXT, output_format="pcm_24000")
    lines = list(speech.stream_with_timestamps("heart", text=TEXT, output_format="pcm_24000"))
    aligned = [line.alignment for line in lines if line.alignment]
    return {
        "stream": len(b"".join(speech.stream("heart", text=TEXT, output_format="pcm_24000"))),
        "convert_mp3": len(b"".join(speech.convert("JBFqnCBsd6RMkjVDRZzb", text=TEXT))),
        "timed": {
            "bytes": len(base64.b64decode(timed.audio_base_64)),
            "text": "".join(timed.alignment.characters),
            "ends_at_s": timed.alignment.character_end_times_seconds[-1],
        },
        "lines": {
            "count": len(lines),
            "bytes": sum(len(base64.b64decode(line.audio_base_64)) for line in lines),
            "text": "".join("".join(alignment.characters) for alignment in aligned),
            "ends_at_s": aligned[-1].character_end_times_seconds[-1],
        },
        "voices": [voice.voice_id for voice in client.voices.get_all().voices],
        "found": [voice.name for voice in client.voices.search().voices],
        "voice": client.voices.get("joe").name,
        "models": [model.model_id for model in client.models.list()],
        "refused": refusal(lambda: b"".join(speech.stream("nobody", text=TEXT))),
    }


def in_pieces() -> Iterator[str]:
    yield from ("Hel", "lo there", ", fri", "end.")


def realtime(client: ElevenLabs) -> dict[str, Any]:
    speech, settings = client.text_to_speech, VoiceSettings(stability=0.5, speed=1.1)

    def said(voice: str, **options: Any) -> int:
        return len(b"".join(speech.convert_realtime(voice, text=in_pieces(), **options)))

    return {
        "pcm": said("heart", output_format="pcm_24000", model_id="eleven_flash_v2_5"),
        "mp3": said("joe", voice_settings=settings),
        "refused": refusal(lambda: said("nobody")),
    }


def main(url: str, *options: str) -> dict[str, Any]:
    client = ElevenLabs(api_key="secret", base_url=url)
    if "--realtime" in options:
        return realtime(client)
    stranger = ElevenLabs(api_key="wrong", base_url=url)
    keyless = refusal(lambda: b"".join(stranger.text_to_speech.stream("heart", text=TEXT)))
    return {**over_http(client), "keyless": keyless}


print(json.dumps(main(*sys.argv[1:])))

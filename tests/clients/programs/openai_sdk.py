"""The openai package, synchronous and asynchronous: formats to files of the folder, events, errors, models, an interruption."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any

import openai

TEXT = "Hello there. Fine."
FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")


def in_one_piece(client: openai.OpenAI, folder: Path) -> None:
    client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT).write_to_file(folder / "default.mp3")
    for name in FORMATS:
        speech = client.audio.speech.create(model="tts-1", voice="onyx", input=TEXT, response_format=name, speed=0.25)
        speech.write_to_file(folder / f"whole.{name}")


def as_it_comes(client: openai.OpenAI, folder: Path) -> None:
    for name in FORMATS:
        with client.audio.speech.with_streaming_response.create(
            model="gpt-4o-mini-tts", voice="coral", input=TEXT, response_format=name, instructions="Cheerfully."
        ) as speech:
            speech.stream_to_file(folder / f"streamed.{name}")


def as_events(client: openai.OpenAI) -> dict[str, Any]:
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="alloy", input=TEXT, response_format="pcm", stream_format="sse"
    ) as speech:
        events = [json.loads(line[6:]) for line in speech.iter_lines() if line.startswith("data: ")]
    audio = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    kinds = [event["type"] for event in events]
    return {"kinds": kinds, "bytes": len(audio), "usage": events[-1]["usage"], "request_id": speech.request_id}


def refused(client: openai.OpenAI) -> dict[str, Any]:
    try:
        client.audio.speech.create(model="tts-1", voice="nobody", input=TEXT)
    except openai.BadRequestError as error:
        return {"param": error.param, "code": error.code, "type": error.type, "message": error.message}
    return {}


def keyless(url: str) -> str:
    try:
        openai.OpenAI(base_url=url, api_key="wrong").models.list()
    except openai.AuthenticationError as error:
        return str(error.code)
    return "let in"


async def asynchronous(url: str) -> dict[str, Any]:
    async with openai.AsyncOpenAI(base_url=url, api_key="secret") as client:
        whole = await client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT, response_format="pcm")
        pieces = []
        async with client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input=TEXT, response_format="pcm"
        ) as speech:
            async for piece in speech.iter_bytes():
                pieces.append(piece)
        async with client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input="Nobody hears all of this. " * 500, response_format="pcm"
        ) as interrupted:
            async for _ in interrupted.iter_bytes():
                break
    return {"whole": len(whole.content), "streamed": len(b"".join(pieces)), "pieces": len(pieces)}


def main(url: str, folder: Path) -> dict[str, Any]:
    with openai.OpenAI(base_url=url, api_key="secret") as client:
        in_one_piece(client, folder)
        as_it_comes(client, folder)
        results: dict[str, Any] = {"events": as_events(client), "refused": refused(client)}
        results["models"] = [model.id for model in client.models.list()]
    return {**results, "keyless": keyless(url), "asynchronous": asyncio.run(asynchronous(url))}


print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))

"""The deepgram-sdk package, synchronous and asynchronous: WebSocket with a Clear, REST to files of the folder, a refusal."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment
from deepgram.speak.v1.types import SpeakV1Text

TEXT = "Hello there. Fine."
LONG = "Nobody hears all of this. " * 200
FILES: dict[str, dict[str, Any]] = {
    "default.wav": {},
    "speech.mp3": {"encoding": "mp3"},
    "speech.flac": {"encoding": "flac", "sample_rate": 48_000},
    "speech.ogg": {"encoding": "opus", "container": "ogg"},
    "mulaw.wav": {"encoding": "mulaw", "container": "wav"},
}


def environment(http: str) -> DeepgramClientEnvironment:
    ws = http.replace("http", "ws", 1)
    return DeepgramClientEnvironment(base=http, production=ws, agent=ws, agent_rest=http)


def over_websocket(client: DeepgramClient) -> dict[str, Any]:
    audio, kinds = b"", []
    with client.speak.v1.connect(model="aura-2-thalia-en", encoding="linear16", sample_rate="24000") as socket:
        for piece in ("Hel", "lo there. ", "Fine."):
            socket.send_text(SpeakV1Text(text=piece))
        socket.send_flush()
        for message in socket:
            if isinstance(message, bytes):
                audio += message
                continue
            kinds.append(message.type)
            if message.type == "Flushed":
                break
        return {"bytes": len(audio), "kinds": kinds, "next_values": after_a_clear(socket)}


def after_a_clear(socket: Any) -> list[int]:
    """The samples that follow the answer to a Clear, with a text of their own."""
    socket.send_text(SpeakV1Text(text=LONG))
    assert isinstance(socket.recv(), bytes)
    socket.send_clear()
    while isinstance(message := socket.recv(), bytes):
        pass
    assert message.type == "Cleared"
    socket.send_text(SpeakV1Text(text="Next."))
    socket.send_flush()
    audio = b""
    while isinstance(message := socket.recv(), bytes):
        audio += message
    assert message.type == "Flushed"
    socket.send_close()
    return sorted(set(memoryview(audio).cast("h")))


def over_http(client: DeepgramClient, folder: Path) -> None:
    for name, options in FILES.items():
        pieces = client.speak.v1.audio.generate(text=TEXT, model="aura-2-zeus-en", **options)
        (folder / name).write_bytes(b"".join(pieces))


def refused(client: DeepgramClient) -> dict[str, Any]:
    try:
        list(client.speak.v1.audio.generate(text=TEXT, model="nobody"))
    except ApiError as error:
        return {"status": error.status_code, "body": error.body}
    return {}


async def asynchronous(http: str) -> dict[str, Any]:
    client = AsyncDeepgramClient(api_key="secret", environment=environment(http))
    whole = b"".join([piece async for piece in client.speak.v1.audio.generate(text=TEXT, container="none")])
    audio = b""
    async with client.speak.v1.connect(model="joe", encoding="mulaw", sample_rate="8000") as socket:
        await socket.send_text(SpeakV1Text(text=TEXT))
        await socket.send_flush()
        async for message in socket:
            if isinstance(message, bytes):
                audio += message
            elif message.type == "Flushed":
                break
        await socket.send_close()
    return {"whole": len(whole), "telephony": len(audio)}


def main(http: str, folder: Path) -> dict[str, Any]:
    client = DeepgramClient(api_key="secret", environment=environment(http))
    over_http(client, folder)
    results = {"websocket": over_websocket(client), "refused": refused(client)}
    return {**results, "asynchronous": asyncio.run(asynchronous(http))}


print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))

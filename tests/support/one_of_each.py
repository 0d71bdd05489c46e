"""A program: speaks once through the shell and through each door of the service, and prints which of them gave sound.

It runs in an empty network with a home folder of its own, so that whatever a library sends or writes is seen. The odd word
makes the phonemizer ask its network, and so imports ONNX Runtime.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

TEXT = "Zorblaxian trains leave."
LINGER_S = 3.0  # what reports in the background does so a little later


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-c", "from voiceagent.cli.commands import main; main()", *arguments]


def post(address: str, path: str, body: dict[str, Any]) -> int:
    request = urllib.request.Request(
        f"http://{address}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return len(answer.read())


async def over_socket(address: str, path: str, *messages: dict[str, Any], last: str) -> int:
    """How many bytes came back until a message with `last` in it."""
    got = 0
    async with asyncio.timeout(60), connect(f"ws://{address}{path}", compression=None) as socket:
        for message in messages:
            await socket.send(json.dumps(message))
        async for answer in socket:
            got += len(answer)
            if isinstance(answer, str) and last in answer:
                break
    return got


async def wyoming(port: int) -> int:
    from wyoming.client import AsyncTcpClient
    from wyoming.tts import Synthesize

    got = 0
    async with asyncio.timeout(60), AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Synthesize(text=TEXT).event())
        while (event := await client.read_event()) is not None and event.type != "audio-stop":
            got += len(event.payload or b"")
    return got


async def through_the_doors(address: str, wyoming_port: int | None) -> dict[str, int]:
    eleven, u = "/v1/text-to-speech/heart", "u1"
    got = {
        "openai": post(
            address, "/v1/audio/speech", {"model": "x", "voice": "heart", "input": TEXT, "response_format": "wav"}
        ),
        "elevenlabs": post(address, f"{eleven}?output_format=pcm_24000", {"text": TEXT}),
        "deepgram": post(address, "/v1/speak?encoding=linear16", {"text": TEXT}),
        "native socket": await over_socket(
            address,
            "/v1/stream",
            {"type": "start", "id": u},
            {"type": "text", "id": u, "text": TEXT},
            {"type": "end", "id": u},
            last='"done"',
        ),
        "elevenlabs socket": await over_socket(
            address,
            f"{eleven}/stream-input?output_format=pcm_24000",
            {"text": " "},
            {"text": TEXT + " "},
            {"text": ""},
            last='"isFinal":true',
        ),
        "deepgram socket": await over_socket(
            address, "/v1/speak?encoding=linear16", {"type": "Speak", "text": TEXT}, {"type": "Flush"}, last="Flushed"
        ),
    }
    if wyoming_port is not None:
        got["wyoming"] = await wyoming(wyoming_port)
    return got


def main() -> None:
    folder = Path(sys.argv[1])
    said = folder / "said.wav"
    subprocess.run(command("say", TEXT, "-o", str(said)), check=True)
    got = {"say": said.stat().st_size}
    has_wyoming = find_spec("wyoming") is not None
    service = subprocess.Popen(
        command("serve", "--port", "0", *(["--wyoming"] if has_wyoming else [])), stdout=subprocess.PIPE, text=True
    )
    assert service.stdout is not None
    lines = [service.stdout.readline() for _ in range(3 if has_wyoming else 2)]
    address = next(line for line in lines if "listens on" in line).split("//")[1].split("/")[0]
    try:
        got |= asyncio.run(through_the_doors(address, 10_200 if has_wyoming else None))
        time.sleep(LINGER_S)
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(30)
    print(json.dumps(got))


if __name__ == "__main__":
    main()

"""Tokens of a language model to speech over WebSocket: start `voiceagent serve`, then this; it writes `tokens.wav`."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
import wave

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

ANSWER = "Of course! The 8:15 to Cambridge is ten minutes late, so you have time for a coffee. Have a good trip!"
HEADER_BYTES, RATE_HZ, AUDIBLE = 16, 24_000, 300


async def pretend_llm(socket: ClientConnection) -> None:
    for token in re.findall(r"\s*\S{1,5}", ANSWER):
        await socket.send(json.dumps({"type": "text", "id": "answer", "text": token}))
        await asyncio.sleep(1 / 30)  # tokens a second
    await socket.send(json.dumps({"type": "end", "id": "answer"}))


async def main(url: str) -> None:
    async with connect(url, compression=None) as socket:
        await socket.send(json.dumps({"type": "start", "id": "answer", "voice": "heart"}))
        begin_s, heard, pcm = time.perf_counter(), False, b""
        writer = asyncio.create_task(pretend_llm(socket), name="pretend_llm")
        async for message in socket:
            if isinstance(message, bytes):
                loud = np.abs(np.frombuffer(message[HEADER_BYTES:], "<i2").astype(int)) > AUDIBLE
                if not heard and (heard := bool(loud.any())):
                    first_s = time.perf_counter() - begin_s + np.argmax(loud) / RATE_HZ
                    print(f"first audible sample {first_s * 1000:.0f} ms after the first token")
                pcm += message[HEADER_BYTES:]
            elif json.loads(message)["type"] in ("done", "error"):
                print(message)
                break
        await writer
    with wave.open("tokens.wav", "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", "not compressed"))
        file.writeframes(pcm)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8080/v1/stream"))

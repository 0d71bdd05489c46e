"""A loudspeaker on MQTT: `voiceagent serve --mqtt localhost`, then this; it writes what it hears into `heard-1.wav`, ..."""

from __future__ import annotations

import asyncio
import json
import sys
import wave

import aiomqtt

HEADER_BYTES, FLAG_LAST, RATE_HZ = 16, 1, 24_000


def write(name: str, pcm: bytes) -> None:
    with wave.open(name, "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", "not compressed"))
        file.writeframes(pcm)
    print(f"{name}: {len(pcm) / 2 / RATE_HZ:.1f} s", flush=True)


async def main(host: str = "localhost", site: str = "kitchen", *, port: int = 1883) -> None:
    heard: dict[str, bytes] = {}  # by generation
    over: set[str] = set()  # generations of which nothing is played any more, however late it comes
    async with aiomqtt.Client(host, port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe(f"voiceagent/v1/{site}/event", qos=1)
        await client.subscribe(f"voiceagent/v1/{site}/audio/+")
        print(f'try: mosquitto_pub -t voiceagent/v1/{site}/say -m "Dinner is ready."', flush=True)
        async for message in client.messages:
            generation = message.topic.value.rpartition("/")[2]
            if ended := generation == "event":
                event = json.loads(message.payload)
                generation, ended = event.get("generation"), event["type"] == "cancelled"
            elif generation not in over:
                heard[generation] = heard.get(generation, b"") + message.payload[HEADER_BYTES:]
                ended = bool(message.payload[1] & FLAG_LAST)
            if ended and generation not in over:
                over.add(generation)
                write(f"heard-{len(over)}.wav", heard.pop(generation, b""))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))

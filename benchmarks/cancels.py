"""Whether a cancel is one: thousands at random times, also before the first sound and while text pours in.

    voiceagent bench cancels [--count 10000] [--clients 16]

Each client starts an utterance, writes some of its text or all, waits a random time and cancels. After `cancelled` no frame of it
may come; how long after the cancel the last one came, what was heard, and what is left behind in the server, are the table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from instruments.machine import DATA, announce, finish, show
from instruments.serving import Server
from judging.evaluation import read_sentences
from websockets.asyncio.client import ClientConnection, connect

from voiceagent.protocol.wire import SUBPROTOCOL, decode_audio

WAIT_S = 0.6
REFUSED_S = 0.05
ANSWER_S = 60.0
BEFORE_SOUND, FLOODING = 0.3, 0.2  # of the cancels
CAVEATS = ("clients and server share the machine; times are from the client's send to the client's receipt",)


@dataclass(slots=True)
class Storm:
    """What came of the cancels."""

    last_frame_s: list[float] = field(default_factory=list)
    """From a cancel to the last frame of its utterance, 0 where none came after it."""
    answer_s: list[float] = field(default_factory=list)
    """From a cancel to its `cancelled`."""
    before_sound: int = 0
    stale: int = 0
    """Frames that came after their utterance's `cancelled`."""
    refused: int = 0
    """Starts for which there was no stream yet; they were tried again."""
    split_wrong: int = 0
    """Answers whose heard and unheard text are not the text that was sent."""
    heard: list[tuple[int, str]] = field(default_factory=list)
    """Milliseconds played and the text that was heard by then, of each."""


class Canceller:
    """One connection that starts and cancels."""

    def __init__(self, socket: ClientConnection, storm: Storm, texts: Sequence[str], voice: str, seed: int) -> None:
        self._socket, self._storm, self._texts, self._voice = socket, storm, texts, voice
        self._random = random.Random(seed)
        self._over: set[int] = set()  # streams that have been cancelled
        self._count = 0

    async def once(self) -> None:
        """An utterance and its cancel."""
        self._count += 1
        name, how = f"c{self._count}", self._random.random()
        text = self._random.choice(self._texts)
        flood = how > 1 - FLOODING
        sent = text * 10 if flood else text
        await self._send(type="start", id=name, voice=self._voice)
        for start in range(0, len(sent), 20):
            await self._send(type="text", id=name, text=sent[start : start + 20])
        stream = await self._started(name)
        if stream is None:  # the engine lets go of a cancelled stream between two steps
            self._storm.refused += 1
            await asyncio.sleep(REFUSED_S)
            await self.once()
            return
        if how > BEFORE_SOUND:
            await self._listen(self._random.uniform(0, WAIT_S))
        began_s = time.perf_counter()
        await self._send(type="cancel", id=name, played_ms=None)
        await self._answered(name, stream, sent, began_s)

    async def _send(self, **fields: Any) -> None:
        await self._socket.send(json.dumps({key: value for key, value in fields.items() if value is not None}))

    async def _started(self, name: str) -> int | None:
        while True:
            message = await self._next()
            if not isinstance(message, dict) or message.get("id") != name:
                continue
            if message["type"] == "error":
                if message["code"] != "no_capacity":
                    raise SystemExit(f"the server says: {message['message']}")
                return None
            if message["type"] == "started":
                self._over.discard(message["stream"])
                return int(message["stream"])

    async def _listen(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                while True:
                    await self._next()
        except TimeoutError:
            return

    async def _answered(self, name: str, stream: int, sent: str, began_s: float) -> None:
        storm, last_s, frames = self._storm, 0.0, 0
        while True:
            message = await self._next()
            if isinstance(message, int):
                frames += message == stream
                last_s = time.perf_counter() - began_s if message == stream else last_s
                continue
            if message.get("id") != name or message["type"] not in ("cancelled", "error"):
                continue
            if message["type"] == "error":
                raise SystemExit(f"the server says: {message['message']}")
            self._over.add(stream)
            storm.last_frame_s.append(last_s)
            storm.answer_s.append(time.perf_counter() - began_s)
            storm.before_sound += message["sent_ms"] == 0
            storm.split_wrong += message["text_spoken"] + message["text_remaining"] != sent
            storm.heard.append((message["played_ms"], message["text_spoken"]))
            return

    async def _next(self) -> dict[str, Any] | int:
        """A message, or the stream of a frame."""
        async with asyncio.timeout(ANSWER_S):
            message = await self._socket.recv()
        if isinstance(message, str):
            return dict(json.loads(message))
        (_, stream, _, _), _ = decode_audio(message)
        self._storm.stale += stream in self._over
        return stream


async def storm(address: str, texts: Sequence[str], *, voice: str, count: int, clients: int) -> Storm:
    """So many cancels over so many connections."""
    result = Storm()

    async def client(number: int) -> None:
        url = f"ws://{address}/v1/stream"
        async with connect(url, compression=None, subprotocols=[SUBPROTOCOL]) as socket:  # type: ignore[list-item]
            canceller = Canceller(socket, result, texts, voice, number)
            for _ in range(count // clients + (number < count % clients)):
                await canceller.once()

    async with asyncio.TaskGroup() as tasks:
        for number in range(clients):
            tasks.create_task(client(number), name=f"cancels.client-{number}")
    return result


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Cancels against a server process, and what they leave behind in it."""
    texts = [text + " " for _, text in read_sentences(DATA / "conversation.tsv")]

    async def some(address: str, count: int) -> Storm:
        return await storm(address, texts, voice=options.voice, count=count, clients=options.clients)

    async with Server(options.weights) as server:
        await some(server.address, 10 * options.clients)  # what is made once is made
        before, began_s = server.belongings(), time.perf_counter()
        result = await some(server.address, options.count)
        spent_s = time.perf_counter() - began_s
        await asyncio.sleep(1)
        after = server.belongings()
    milliseconds = {name: 1000 * np.array(getattr(result, f"{name}_s")) for name in ("last_frame", "answer")}
    return {
        "cancels": len(result.answer_s),
        "seconds": round(spent_s, 1),
        "before_sound": result.before_sound,
        "stale_frames": result.stale,
        "refused_and_tried_again": result.refused,
        "text_split_wrong": result.split_wrong,
        **{
            f"{name}_ms_p{level}": round(float(np.percentile(values, level)), 1)
            for name, values in milliseconds.items()
            for level in (50, 99)
        },
        **{f"{name}_growth": round(after[name] - before[name], 1) for name in before},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Table for people, last line JSON."""
    parser = argparse.ArgumentParser(prog="voiceagent bench cancels", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--voice", default="heart")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=16, help="connections at once; no more than max_streams")
    parser.add_argument("--weights", type=Path, help="folder of other voices")
    options = parser.parse_args(arguments)
    machine = announce(f"cancels, voice {options.voice}, {options.count} over {options.clients} connections", CAVEATS)
    results = asyncio.run(measure(options))
    show("cancels", ["", "value"], [[key.replace("_", " "), value] for key, value in results.items()])
    finish("cancels", machine, {"voice": options.voice, "clients": options.clients, **results})


if __name__ == "__main__":
    main()

"""A real server process on a free loopback port, and a client that listens to it like a loudspeaker."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import psutil
from websockets.asyncio.client import ClientConnection, connect

from instruments.listening import Arrival, first_sound_at
from instruments.pretend_llm import Schedule, speak_as, steady
from voiceagent.protocol.wire import FLAG_LAST, HEADER, SUBPROTOCOL

START_TIMEOUT_S = 120.0
SETTLE_S = 1.0
PROGRAM = "from voiceagent.cli.commands import main; main()"


class Server:
    """`voiceagent serve` in a process of its own; ready when entered, gone when left."""

    def __init__(self, weights: Path | None = None, program: str = PROGRAM) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self._command = [sys.executable, "-c", program, "serve", "--port", str(port)]
        self._command += ["--weights", str(weights)] if weights else []

    async def __aenter__(self) -> Server:
        self._log = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115  closed on exit
        self._process = await asyncio.create_subprocess_exec(*self._command, stdout=self._log, stderr=self._log)
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not await asyncio.to_thread(self._healthy):
            if self._process.returncode is not None or time.monotonic() > deadline_s:
                await self._stop()
                self._log.seek(0)
                raise SystemExit(f"the server did not start: {self._log.read()[-2000:]}")
            await asyncio.sleep(0.1)
        await asyncio.sleep(SETTLE_S)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()
        self._log.close()

    async def _stop(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    def memory_mb(self) -> float:
        """Resident memory of the server and its children, in millions of bytes."""
        process = psutil.Process(self._process.pid)
        return float(sum(each.memory_info().rss for each in [process, *process.children(recursive=True)])) / 1e6

    def belongings(self) -> dict[str, float]:
        """What a server must not gather: memory in millions of bytes, threads, open files and sockets, connected clients."""
        process = psutil.Process(self._process.pid)
        every = [process, *process.children(recursive=True)]
        with urllib.request.urlopen(f"http://{self.address}/healthz", timeout=10) as answer:
            connections = json.load(answer)["connections"]
        return {
            "memory_mb": self.memory_mb(),
            "threads": float(sum(each.num_threads() for each in every)),
            "descriptors": float(sum(each.num_fds() for each in every)),
            "connections": float(connections),
        }

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/healthz", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


class Connection:
    """A client of `/v1/stream` that speaks one utterance after the other."""

    def __init__(self, address: str, voice: str, options: Mapping[str, Any] | None = None) -> None:
        self._url = f"ws://{address}/v1/stream"
        self._options = {"voice": voice, **(options or {})}
        self._count = 0

    async def __aenter__(self) -> Connection:
        self._socket: ClientConnection = await connect(self._url, compression=None, subprotocols=[SUBPROTOCOL])  # type: ignore[list-item]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._socket.close()

    async def speak(self, text: str, rate: float | None) -> tuple[float, list[Arrival]]:
        """Send a text in tokens at a rate, or at once where it is None. Returns when sending began, and what came back."""
        return await self.speak_as([(0.0, text)] if rate is None else steady(text, tokens_per_s=rate))

    async def speak_as(self, schedule: Schedule) -> tuple[float, list[Arrival]]:
        """Send the pieces of a text when they are due. Returns when sending began, and what came back."""
        self._count += 1
        utterance = str(self._count)
        await self._send(type="start", id=utterance, **self._options)
        begin_s = time.perf_counter()
        writer = asyncio.create_task(self._write(utterance, schedule), name="connection.write")
        arrivals = []
        while (message := await self._socket.recv()) is not None:
            if isinstance(message, bytes):
                samples = np.frombuffer(message, "<i2", offset=HEADER.size).astype(np.float32) / np.float32(32768)
                last = bool(HEADER.unpack_from(message)[1] & FLAG_LAST)
                arrivals.append(Arrival(time.perf_counter(), samples, last=last))
                continue
            event = json.loads(message)
            if event["type"] == "error":
                raise SystemExit(f"the server says: {event['message']}")
            if event["type"] == "done" and event["id"] == utterance:
                break
        await writer
        return begin_s, arrivals

    async def sound_of(self, text: str, rate: float | None) -> float | None:
        """Seconds from the first token to sound; None for silence."""
        begin_s, arrivals = await self.speak(text, rate)
        sound_s = first_sound_at(arrivals)
        return None if sound_s is None else sound_s - begin_s

    async def _write(self, utterance: str, schedule: Schedule) -> None:
        async for piece in speak_as(schedule):
            await self._send(type="text", id=utterance, text=piece)
        await self._send(type="end", id=utterance)

    async def _send(self, **fields: Any) -> None:
        await self._socket.send(json.dumps(fields))

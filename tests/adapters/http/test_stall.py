"""Readers: as slow as a player, paused, and stopped; on real sockets, with limits and buffers scaled down."""

from __future__ import annotations

import json
import socket
import struct
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.fakes import FakeEngine
from support.loopback import Server, running

from voiceagent.settings.serve import Limits, ServeConfig

STALL_S = 1.0
TEXT = " ".join(["word"] * 400) + "."  # 80 s of speech, 3.8 MB: more than all buffers between us
RECEIVE_BUFFER_BYTES = 65_536
BODY = json.dumps({"model": "x", "voice": "heart", "input": TEXT, "response_format": "pcm"}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    config = ServeConfig(send_stall_s=STALL_S, limits=Limits(max_text_buffer=100_000))
    with running(FakeEngine(threaded=True), config) as server:
        yield server


def post(server: Server) -> socket.socket:
    """The socket on which the answer comes."""
    host, port = server.address.split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    connection.connect((host, int(port)))
    head = f"POST /v1/audio/speech HTTP/1.1\r\nHost: {server.address}\r\nConnection: close\r\nContent-Length: {len(BODY)}\r\n\r\n"
    connection.sendall(head.encode() + BODY)
    connection.settimeout(10)
    return connection


def read(connection: socket.socket, bytes_a_s: float, for_s: float) -> tuple[int, bool]:
    """Reads steadily; how much there was, and whether the connection is still there."""
    begin, got, step = time.monotonic(), 0, max(1, round(bytes_a_s / 20))
    while time.monotonic() - begin < for_s:
        try:
            data = connection.recv(step)
        except ConnectionResetError:
            return got, False
        if not data:
            return got, False
        got += len(data)
        time.sleep(max(0.0, begin + got / bytes_a_s - time.monotonic()))
    return got, True


def wait_for(condition: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def rest(connection: socket.socket) -> int:
    got = 0
    while data := connection.recv(1 << 20):
        got += len(data)
    return got


def stalled(server: Server) -> float:
    with urllib.request.urlopen(f"{server.http}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("voiceagent_stalled_clients_total")))


@pytest.mark.parametrize("bytes_a_s", [96_000, 32_000])
def test_a_steady_slow_reader_gets_everything(bytes_a_s: int, server: Server) -> None:
    """For several times the limit; what one write waits for is longer than the limit at the lower speed."""
    with post(server) as connection:
        got, there = read(connection, bytes_a_s, 6 * STALL_S)
        assert there
        assert got + rest(connection) > 400 * 9_600
    assert stalled(server) == 0


def test_a_reader_that_takes_nothing_is_let_go_and_counted(server: Server) -> None:
    with post(server) as connection:
        assert connection.recv(1_000)
        wait_for(lambda: stalled(server) == 1, 10 * STALL_S)
        assert server.service.connections == 0
        wait_for(lambda: not server.fake.live, 5)
    with post(server) as connection:
        assert rest(connection) > 400 * 9_600  # the next one is served


def test_a_pause_shorter_than_the_limit_is_none(server: Server) -> None:
    with post(server) as connection:
        for _ in range(4):
            assert read(connection, 2_000_000, 0.1)[1]
            time.sleep(0.7 * STALL_S)
        rest(connection)
    assert stalled(server) == 0


SOCKETS: dict[str, list[dict[str, Any]]] = {
    "/v1/speak?encoding=linear16": [{"type": "Speak", "text": TEXT}, {"type": "Flush"}],
    "/v1/text-to-speech/heart/stream-input?output_format=pcm_24000": [
        {"text": " "},
        {"text": TEXT + " "},
        {"text": ""},
    ],
    "/v1/stream": [
        {"type": "start", "id": "u", "max_ahead_ms": 60_000},
        {"type": "text", "id": "u", "text": TEXT},
        {"type": "end", "id": "u"},
    ],
}


@pytest.mark.parametrize("path", SOCKETS)
def test_a_socket_that_is_read_slowly_stays_and_one_that_is_not_read_goes(path: str, server: Server) -> None:
    host, port = server.address.split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    connection.connect((host, int(port)))
    connection.settimeout(10)
    head = (f"GET {path} HTTP/1.1", f"Host: {server.address}", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "", "")  # fmt: skip
    with connection:
        connection.sendall("\r\n".join(head).encode())
        assert connection.recv(4_096).startswith(b"HTTP/1.1 101")
        for message in SOCKETS[path]:
            data = json.dumps(message).encode()
            size = struct.pack("!BH", 0x80 | 126, len(data)) if len(data) > 125 else bytes([0x80 | len(data)])
            connection.sendall(b"\x81" + size + b"\0\0\0\0" + data)
        got, there = read(connection, 40_000, 4 * STALL_S)
        assert there
        assert got > 100_000
        assert stalled(server) == 0
        wait_for(lambda: stalled(server) == 1, 15 * STALL_S)
        wait_for(lambda: server.service.connections == 0, 5)

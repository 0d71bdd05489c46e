"""Clients that leave at any time, at any socket: nothing that looks like an error of ours is logged."""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import struct
import time

import pytest
from support.fakes import FakeEngine
from support.loopback import running

from voiceagent.settings.serve import ServeConfig

SOCKETS = {
    "/v1/stream": (
        '{"type":"start","id":"u"}',
        '{"type":"text","id":"u","text":"One two three. Four five six."}',
        '{"type":"end","id":"u"}',
    ),
    "/v1/speak?encoding=linear16": ('{"type":"Speak","text":"One two three. Four."}', '{"type":"Flush"}'),
    "/v1/text-to-speech/heart/stream-input": ('{"text":" "}', '{"text":"One two three. Four. "}', '{"text":""}'),
    "/v1/text-to-speech/heart/multi-stream-input?output_format=pcm_24000": (
        '{"text":" ","context_id":"a"}',
        '{"text":"One two three. ","context_id":"a","flush":true}',
    ),
}
SETTINGS = {
    "open": ServeConfig(),
    "with a key": ServeConfig(auth_tokens=("key",)),
    "full": ServeConfig(max_connections=1),
}
RESET = struct.pack("ii", 1, 0)


def frame(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return bytes([0x81, 0x80 | len(data)]) + b"\0\0\0\0" + data


def upgrade(address: str, path: str) -> bytes:
    head = (f"GET {path} HTTP/1.1", f"Host: {address}", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "", "")  # fmt: skip
    return "\r\n".join(head).encode()


@pytest.mark.parametrize("settings", SETTINGS)
def test_clients_that_leave_at_any_time_are_no_errors(settings: str, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(7)
    with (
        caplog.at_level(logging.WARNING),
        running(FakeEngine(threaded=True, latency_s=0.002), SETTINGS[settings]) as server,
    ):
        host, port = server.address.split(":")
        for number in range(48):
            path = list(SOCKETS)[number % len(SOCKETS)]
            with socket.create_connection((host, int(port))) as client, contextlib.suppress(OSError):
                if number % 2:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.sendall(upgrade(server.address, path))
                for message in SOCKETS[path][: chance.randrange(4)]:
                    time.sleep(chance.random() * 0.01)
                    client.sendall(frame(message))
                time.sleep(chance.random() * 0.02)
        time.sleep(0.3)
    assert [(record.name, record.getMessage()) for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


def test_text_that_is_not_utf8_is_one_line_and_code_1007(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), running(FakeEngine(threaded=True)) as server:
        host, port = server.address.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(upgrade(server.address, "/v1/stream"))
            answer = client.recv(4_096)
            client.sendall(frame(b"\xff\xfe"))
            while data := client.recv(4_096):
                answer += data
    assert struct.pack("!H", 1007) in answer
    assert [record.exc_info for record in caplog.records] == [None] * len(caplog.records)

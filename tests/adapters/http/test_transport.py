"""Connections that ask for nothing, or only very slowly, are let go; those that ask are not."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
from support.fakes import FakeEngine
from support.loopback import Server, running
from websockets.sync.client import connect

from voiceagent.settings.serve import ServeConfig

HANDSHAKE_S = 0.5


@pytest.fixture
def server() -> Iterator[Server]:
    with running(FakeEngine(threaded=True), ServeConfig(handshake_s=HANDSHAKE_S)) as server:
        yield server


@contextlib.contextmanager
def dialled(server: Server) -> Iterator[socket.socket]:
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        yield connection


def let_go(connection: socket.socket) -> bool:
    """Whether the server ends the connection; it is waited for."""
    try:
        while connection.recv(4_096):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    "begin", [b"", b"GET /healthz HT", b"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nX-A: "]
)
def test_half_a_request_is_given_up(begin: bytes, server: Server) -> None:
    with dialled(server) as connection:
        connection.sendall(begin)
        assert let_go(connection)


def test_a_request_byte_by_byte_is_given_up(server: Server) -> None:
    with dialled(server) as connection, contextlib.suppress(ConnectionError):
        began = time.monotonic()
        for byte in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: 1\r\n" * 1_000:
            connection.sendall(bytes([byte]))
            time.sleep(0.01)
            assert time.monotonic() - began < 20 * HANDSHAKE_S
    # It ended by an error of the connection, long before the head was complete.


def test_half_of_a_second_request_is_given_up(server: Server) -> None:
    with dialled(server) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(4_096).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHo")
        assert let_go(connection)


def test_a_socket_that_was_opened_stays(server: Server) -> None:
    with connect(f"{server.ws}/v1/stream", compression=None) as socket_:
        assert "ready" in str(socket_.recv())
        time.sleep(3 * HANDSHAKE_S)
        socket_.send('{"type": "ping", "t": 1}')
        assert "pong" in str(socket_.recv())


def test_a_long_answer_is_not_cut(server: Server) -> None:
    body = b'{"model": "x", "voice": "heart", "input": "' + b"word " * 20 + b'", "response_format": "pcm"}'
    server.fake.latency_s = HANDSHAKE_S / 10  # the answer takes longer than a handshake may
    with dialled(server) as connection:
        head = f"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        answer = b""
        while data := connection.recv(65_536):
            answer += data
    assert len(answer) > 20 * 9_600
    assert answer.endswith(b"0\r\n\r\n")

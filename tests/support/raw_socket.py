"""A WebSocket client that says what it likes, byte by byte: what a well-behaved library would not send."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from contextlib import suppress
from typing import Any

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
WITHIN_S = 20.0


def frame(payload: bytes, opcode: int = TEXT, *, final: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    """A frame of RFC 6455, section 5.2."""
    size, mask_bit = len(payload), 0x80 if masked else 0
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 65_536:
        head += bytes([mask_bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    key = mask * (size // 4 + 1)
    return head + mask + bytes(a ^ b for a, b in zip(payload, key, strict=False))


class RawSocket:
    """One connection; what comes is read when it is asked for."""

    def __init__(self, address: str, path: str = "/v1/stream", *, handshake: bool = True) -> None:
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), WITHIN_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._got = b""
        if handshake:
            self.send_bytes(
                f"GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            while b"\r\n\r\n" not in self._got:
                self._more(time.monotonic() + WITHIN_S)
            head, _, self._got = self._got.partition(b"\r\n\r\n")
            assert b" 101 " in head, head

    def send_bytes(self, sent: bytes) -> None:
        """A peer that has hung up is no error here."""
        with suppress(OSError):
            self.socket.sendall(sent)

    def send(self, **fields: Any) -> None:
        self.send_bytes(frame(json.dumps(fields).encode()))

    def close(self) -> None:
        with suppress(OSError):
            self.socket.close()

    def reset(self) -> None:
        """Closes with RST in place of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def next(self, within_s: float = WITHIN_S) -> tuple[int, bytes] | None:
        """Opcode and payload of the next frame; None: the connection has ended.

        Raises:
            TimeoutError: nothing came.
        """
        until = time.monotonic() + within_s
        while (whole := self._whole()) is None:
            if not self._more(until):
                return None
        opcode, start, end = whole
        payload, self._got = self._got[start:end], self._got[end:]
        return opcode, payload

    def until(self, **wanted: Any) -> dict[str, Any]:
        """The next message with these fields."""
        while (got := self.next()) is not None:
            fields = json.loads(got[1]) if got[0] == TEXT else {}
            if wanted.items() <= fields.items():
                return dict(fields)
        raise AssertionError(f"the connection ended before {wanted}")

    def ending(self) -> tuple[int | None, list[str]]:
        """The close code, None where there was none, and the codes of errors that came before it."""
        codes: list[str] = []
        while (got := self.next()) is not None:
            opcode, payload = got
            if opcode == CLOSE:
                return (struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005), codes
            if opcode == TEXT and (fields := json.loads(payload))["type"] == "error":
                codes.append(fields["code"])
        return None, codes

    def _more(self, until: float) -> bool:
        self.socket.settimeout(max(0.01, until - time.monotonic()))
        try:
            got = self.socket.recv(65_536)
        except TimeoutError:
            raise
        except OSError:
            return False
        self._got += got
        return bool(got)

    def _whole(self) -> tuple[int, int, int] | None:
        if len(self._got) < 2:
            return None
        size, start = self._got[1] & 0x7F, 2
        if size == 126:
            size, start = int.from_bytes(self._got[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(self._got[2:10], "big"), 10
        return None if len(self._got) < start + size else (self._got[0] & 0x0F, start, start + size)

"""Limits of a key and tokens in its place at every door, in the words of each protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support.fakes import FakeEngine
from support.loopback import Server, running
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from voiceagent.settings.keys import KeyConfig, hash_of
from voiceagent.settings.serve import ServeConfig

KEY = "va_right"
BEARER = {"Authorization": f"Bearer {KEY}"}
SPEECH: dict[str, tuple[str, dict[str, str], str]] = {  # path, fields, and which of them has the text
    "openai": ("/v1/audio/speech", {"model": "tts-1", "voice": "heart", "response_format": "pcm"}, "input"),
    "elevenlabs": ("/v1/text-to-speech/heart?output_format=pcm_24000", {}, "text"),
    "deepgram": ("/v1/speak?encoding=linear16&container=none", {}, "text"),
}
WITHIN_S = 10


def config(**limits: int) -> ServeConfig:
    return ServeConfig(keys=(KeyConfig("client", hash_of(KEY), **limits), KeyConfig("other", hash_of("va_other"))))


@pytest.fixture
def a_minute() -> Iterator[Server]:
    """May say 100 characters a minute."""
    with running(FakeEngine(threaded=True), config(chars_per_minute=100)) as server:
        yield server


@pytest.fixture
def one_at_once() -> Iterator[Server]:
    """May have one utterance open, and it takes long."""
    with running(FakeEngine(threaded=True, latency_s=5), config(max_utterances=1)) as server:
        yield server


def post(server: Server, door: str, text: str, key: str = KEY) -> httpx.Response:
    path, fields, text_field = SPEECH[door]
    headers = {"Authorization": f"Bearer {key}"}
    url = f"http://{server.address}{path}"
    return httpx.post(url, json={**fields, text_field: text}, headers=headers, timeout=WITHIN_S)


def socket_of(server: Server, path: str, **headers: str) -> ClientConnection:
    return connect(f"ws://{server.address}{path}", additional_headers=headers or BEARER, compression=None)


def said(socket: ClientConnection, **fields: Any) -> None:
    socket.send(json.dumps(fields))


def until(socket: ClientConnection, **wanted: Any) -> dict[str, Any]:
    while True:
        message = socket.recv(WITHIN_S)
        if isinstance(message, str):
            fields: dict[str, Any] = json.loads(message)
            if wanted.items() <= fields.items():
                return fields


@pytest.mark.parametrize("door", SPEECH)
def test_too_many_characters_are_429_with_the_time_to_wait(a_minute: Server, door: str) -> None:
    assert post(a_minute, door, "A" * 79 + ".").status_code == 200
    refused = post(a_minute, door, "B" * 49 + ".")
    assert refused.status_code == 429
    assert 10 <= int(refused.headers["Retry-After"]) <= 18  # 30 characters are missing, at 100 a minute
    assert "100 characters a minute" in refused.text
    assert post(a_minute, door, "B" * 49 + ".", key="va_other").status_code == 200
    counted = httpx.get(f"http://{a_minute.address}/metrics", headers=BEARER).text
    assert 'voiceagent_characters_total{key="client"} 80.0' in counted


@pytest.mark.parametrize("door", SPEECH)
def test_a_text_that_is_too_long_for_a_minute_is_told_so(a_minute: Server, door: str) -> None:
    refused = post(a_minute, door, "C" * 200 + ".")
    assert refused.status_code == 429
    assert "send less at once" in refused.text


@pytest.mark.parametrize("door", SPEECH)
def test_too_many_utterances_are_429_and_others_go_on(one_at_once: Server, door: str) -> None:
    with socket_of(one_at_once, "/v1/stream") as holder:
        said(holder, type="start", id="a")
        until(holder, type="started")
        assert post(one_at_once, door, "Hello.").status_code == 429
        with socket_of(one_at_once, "/v1/stream", Authorization="Bearer va_other") as other:
            said(other, type="start", id="b")
            until(other, type="started")
        said(holder, type="cancel", id="a")
        until(holder, type="cancelled")
        said(holder, type="start", id="c")
        assert until(holder, id="c")["type"] == "started"


def test_the_native_socket_says_when_there_is_more(a_minute: Server) -> None:
    with socket_of(a_minute, "/v1/stream") as socket:
        said(socket, type="start", id="a")
        said(socket, type="text", id="a", text="A" * 89 + ".")
        said(socket, type="text", id="a", text="B" * 39 + ".")
        told = until(socket, type="error")
        assert (told["code"], told["retryable"]) == ("rate_limited", True)
        assert 10_000 <= told["retry_after_ms"] <= 18_000
        said(socket, type="end", id="a")
        assert until(socket, type="done")["chars"] == 90  # what was taken is spoken


def test_the_elevenlabs_socket_says_so_and_speaks_what_was_taken(a_minute: Server) -> None:
    with socket_of(a_minute, "/v1/text-to-speech/heart/multi-stream-input?output_format=pcm_24000") as socket:
        said(socket, text="A" * 89 + ". ", context_id="a")
        said(socket, text="B" * 89 + ". ", context_id="a")
        assert until(socket, error="rate_limit_exceeded")
        said(socket, context_id="a", close_context=True)
        assert until(socket, is_final=True)


def test_the_elevenlabs_socket_counts_a_key_that_comes_in_a_message(a_minute: Server) -> None:
    path = "/v1/text-to-speech/heart/stream-input?output_format=pcm_24000"
    with connect(f"ws://{a_minute.address}{path}", compression=None) as socket:
        said(socket, text=" ", xi_api_key=KEY)
        said(socket, text="A" * 150 + ". ")
        assert until(socket, error="rate_limit_exceeded")


def test_the_deepgram_socket_warns_and_speaks_what_was_taken(a_minute: Server) -> None:
    with socket_of(a_minute, "/v1/speak?encoding=linear16") as socket:
        said(socket, type="Speak", text="A" * 89 + ".")
        said(socket, type="Speak", text="B" * 89 + ".")
        assert "100 characters a minute" in until(socket, type="Warning")["description"]
        said(socket, type="Flush")
        assert until(socket, type="Flushed")


def test_the_deepgram_socket_closes_with_try_again_later(one_at_once: Server) -> None:
    with (
        socket_of(one_at_once, "/v1/stream") as holder,
        socket_of(one_at_once, "/v1/speak?encoding=linear16") as socket,
    ):
        said(holder, type="start", id="a")
        until(holder, type="started")
        said(socket, type="Speak", text="Hello.")
        with pytest.raises(ConnectionClosed) as closed:
            until(socket, type="Flushed")
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason[:17]) == (1013, "TOO_MANY_REQUESTS")


TOKENS = {
    "/v1/tokens": "token",
    "/v1/single-use-token/tts_websocket": "token",
    "/v1/auth/grant": "access_token",
}


@pytest.mark.parametrize(("path", "field"), TOKENS.items())
def test_a_page_gets_in_once_with_a_token(a_minute: Server, path: str, field: str) -> None:
    base = f"http://{a_minute.address}"
    token = httpx.post(base + path, headers=BEARER).json()[field]
    stream = f"ws://{a_minute.address}/v1/stream"
    offered = [Subprotocol(each) for each in ("voiceagent.v1", "token", token)]
    with connect(stream, subprotocols=offered, origin=Origin(base)) as socket:
        assert until(socket, type="ready")
        said(socket, type="start", id="a")
        said(socket, type="text", id="a", text="A" * 101)  # the limits are those of the key
        assert until(socket, type="error")["code"] == "rate_limited"
    with pytest.raises(InvalidStatus) as again:
        connect(stream, additional_headers={"Authorization": f"Bearer {token}"}).__enter__()
    assert again.value.response.status_code == 401


@pytest.mark.parametrize("path", ["/metrics", *TOKENS])
def test_a_token_speaks_and_does_no_more(a_minute: Server, path: str) -> None:
    base = f"http://{a_minute.address}"
    token = httpx.post(base + "/v1/tokens", headers=BEARER).json()["token"]
    asked = httpx.request(
        "POST" if path in TOKENS else "GET", base + path, headers={"Authorization": f"Bearer {token}"}
    )
    assert asked.status_code == 401


@pytest.mark.parametrize("path", TOKENS)
def test_nobody_gets_a_token_without_a_key(a_minute: Server, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert httpx.post(f"http://{a_minute.address}{path}", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"), [({"ttl_seconds": 5}, 200), ({"ttl_seconds": 0}, 400), ({"ttl_seconds": "x"}, 400)]
)
def test_deepgrams_grant_takes_a_time(a_minute: Server, body: dict[str, Any], status: int) -> None:
    answer = httpx.post(f"http://{a_minute.address}/v1/auth/grant", headers=BEARER, json=body)
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["expires_in"] == 5

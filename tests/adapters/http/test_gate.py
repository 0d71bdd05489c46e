"""What a browser could be made to do: rebinding, forged posts, pages of strangers, and the pages that the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient, WebSocketDenialResponse
from support.fakes import FakeChunker, FakeEngine

from voiceagent.adapters.app import build_app
from voiceagent.adapters.http.gate import host_allowed
from voiceagent.service.service import Service
from voiceagent.settings.serve import ServeConfig

LOCAL = "http://127.0.0.1:8080"
PAGE = "https://shop.example"
SPEECH = {"model": "x", "voice": "heart", "input": "Hello there.", "response_format": "pcm"}
SOCKETS = (
    "/v1/stream",
    "/v1/speak",
    "/v1/text-to-speech/heart/stream-input",
    "/v1/text-to-speech/heart/multi-stream-input",
)


def app(**settings: Any) -> Starlette:
    return build_app(Service(FakeEngine(), ServeConfig(**settings), make_chunker=FakeChunker))


def routes() -> Iterator[tuple[str, str]]:
    """Every HTTP route of the application, with each of its methods."""
    for route in app().routes:
        for method in getattr(route, "methods", None) or ():
            path = route.path.format(voice_id="heart", model="tts-1", name="page.js", kind="tts_websocket")  # type: ignore[attr-defined]
            yield method, path


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8080",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:80",
        "[::1]:8080",
        "192.168.1.7:8080",
        "me.localhost",
    ],
)
def test_names_that_nobody_can_take_from_us(host: str) -> None:
    assert host_allowed(host, ServeConfig())


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:8080", "", "a@localhost", "local host",
     "[::1", "127.0.0.1:80:80", "localhost/evil", "127.1", "0x7f.0.0.1"],
)  # fmt: skip
def test_other_names_are_strangers(host: str) -> None:
    assert not host_allowed(host, ServeConfig())


@given(st.from_regex(r"[a-z][a-z0-9-]{0,10}(\.[a-z][a-z0-9]{1,6}){1,3}", fullmatch=True))
def test_no_name_under_a_domain_is_taken_for_ours(name: str) -> None:
    assert host_allowed(name, ServeConfig()) is name.endswith(".localhost")
    assert host_allowed(name, ServeConfig(hosts=(name.upper(),)))
    assert host_allowed(name, ServeConfig(auth_tokens=("key",)))  # the page of a stranger has no key
    assert not host_allowed(name, ServeConfig(auth_tokens=("key",), hosts=("tts.example.net.invalid",)))


@pytest.mark.parametrize(("method", "path"), sorted(set(routes())))
def test_every_route_refuses_a_rebound_name_and_the_page_of_a_stranger(method: str, path: str) -> None:
    client = TestClient(app(), base_url=LOCAL)
    for headers in ({"Host": "evil.example"}, {"Host": "evil.example", "Origin": "http://evil.example"},
                    {"Origin": "http://evil.example"}, {"Origin": "null"},
                    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}):  # fmt: skip
        assert client.request(method, path, headers=headers).status_code == 403, headers
    assert client.request(method, path, headers={"Origin": LOCAL}).status_code != 403


def test_a_forged_post_is_not_spoken() -> None:
    """A page may send text/plain anywhere without asking first."""
    engine = FakeEngine()
    client = TestClient(build_app(Service(engine, ServeConfig(), make_chunker=FakeChunker)), base_url=LOCAL)
    headers = {"Origin": "http://evil.example", "Content-Type": "text/plain"}
    body = '{"model": "x", "voice": "heart", "input": "Hello.", "response_format": "pcm"}'
    assert client.post("/v1/audio/speech", content=body, headers=headers).status_code == 403
    assert engine.spoken == []
    assert client.post("/v1/audio/speech", content=body).status_code == 200


@pytest.mark.parametrize("path", SOCKETS)
def test_a_socket_under_a_rebound_name_is_refused(path: str) -> None:
    client = TestClient(app(), base_url=LOCAL)
    for headers in ({"Host": "evil.example", "Origin": "http://evil.example"}, {"Host": "evil.example"},
                    {"Origin": "http://evil.example"}):  # fmt: skip
        with pytest.raises(WebSocketDenialResponse) as refused:
            client.websocket_connect(LOCAL.replace("http", "ws") + path, headers=headers).__enter__()
        assert refused.value.status_code == 403


def test_a_socket_of_our_own_page_is_opened() -> None:
    with TestClient(app()).websocket_connect("ws://127.0.0.1:8080/v1/stream", headers={"Origin": LOCAL}) as socket:
        assert socket.receive_json()["type"] == "ready"


@pytest.mark.parametrize("path", ["/v1/audio/speech", "/v1/text-to-speech/heart/stream", "/v1/speak", "/v1/voices"])
def test_a_page_that_the_settings_name_is_answered_before_it_asks(path: str) -> None:
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,xi-api-key",
    }
    client = TestClient(app(origins=(PAGE,), auth_tokens=("key",)), base_url=LOCAL)
    answer = client.options(path, headers={"Origin": PAGE, **asked})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert {"authorization", "content-type", "xi-api-key"} <= set(
        answer.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
    )
    assert client.options(path, headers={"Origin": "https://other.example", **asked}).status_code == 403


def test_a_page_that_the_settings_name_may_read_the_answer() -> None:
    client = TestClient(app(origins=(PAGE,)), base_url=LOCAL)
    spoken = client.post("/v1/audio/speech", headers={"Origin": PAGE}, json=SPEECH)
    refused = client.post("/v1/audio/speech", headers={"Origin": PAGE}, json={"model": "x"})
    for answer, status in ((spoken, 200), (refused, 400)):
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "Origin" in answer.headers["vary"]
        assert "x-request-id" in answer.headers["access-control-expose-headers"]


def test_every_page_at_once_cannot_be_let_in() -> None:
    with pytest.raises(ValueError, match="every page of the web"):
        ServeConfig(origins=("*",))


@pytest.mark.parametrize(("method", "path"), sorted(set(routes())))
def test_every_route_that_does_something_asks_for_the_key(method: str, path: str) -> None:
    open_to_all = path in ("/", "/healthz", "/readyz") or path.startswith("/page/")
    client = TestClient(app(auth_tokens=("key",)), base_url=LOCAL)
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"xi-api-key": "ke"}):
        status = client.request(method, path, headers=headers).status_code
        assert (status == 401) is not open_to_all, (status, headers)

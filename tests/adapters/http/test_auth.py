"""Who may come in, at every door that is ours alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect
from support.fakes import FakeChunker, FakeEngine

from voiceagent.adapters.app import build_app
from voiceagent.protocol.wire import SUBPROTOCOL
from voiceagent.service.keys import KeyRing
from voiceagent.service.service import Service
from voiceagent.settings.serve import ServeConfig

PATH = "ws://127.0.0.1/v1/stream"
GOOD: list[dict[str, Any]] = [
    {"headers": {"Authorization": "Bearer s3cret"}},
    {"headers": {"authorization": "token s3cret"}},
    {"headers": {"xi-api-key": "s3cret"}},
    {"params": {"token": "s3cret"}},
    {"headers": {"xi-api-key": "wrong", "Authorization": "Bearer other"}},
]
BAD: list[dict[str, Any]] = [
    {},
    {"headers": {"Authorization": "Bearer wrong"}},
    {"headers": {"Authorization": "Basic s3cret"}},
    {"headers": {"Authorization": "s3cret"}},
    {"headers": {"Authorization": "Bearer "}},
    {"headers": {"xi-api-key": "s3cre"}},
    {"params": {"token": ""}},
    {"params": {"token": "s3cret\u00e9"}},
]


def app(*tokens: str) -> Starlette:
    return build_app(Service(FakeEngine(), ServeConfig(auth_tokens=tokens), make_chunker=FakeChunker))


@pytest.mark.parametrize("path", ["/v1/voices", "/metrics"])
@pytest.mark.parametrize(("requests", "status"), [(GOOD, 200), (BAD, 401)])
def test_http_asks_for_a_token(path: str, requests: list[dict[str, Any]], status: int) -> None:
    client = TestClient(app("s3cret", "other"), base_url="http://127.0.0.1")
    for request in requests:
        answer = client.get(path, **request)
        assert answer.status_code == status, request
        assert ("WWW-Authenticate" in answer.headers) is (status == 401)
        assert client.get("/healthz", **request).status_code == 200


@pytest.mark.parametrize("request_", GOOD)
def test_a_client_with_a_token_is_let_in(request_: dict[str, Any]) -> None:
    client = TestClient(app("s3cret", "other"), base_url="http://127.0.0.1")
    query = f"?token={request_['params']['token']}" if "params" in request_ else ""
    with client.websocket_connect(PATH + query, headers=request_.get("headers", {})) as ws:
        assert json.loads(ws.receive_text())["type"] == "ready"


def test_a_program_without_a_token_is_refused_before_the_upgrade() -> None:
    with pytest.raises(WebSocketDenialResponse) as refused:
        TestClient(app("s3cret")).websocket_connect(PATH).__enter__()
    assert refused.value.status_code == 401
    assert "Authorization: Bearer" in refused.value.text


@pytest.mark.parametrize(
    ("offered", "accepted"),
    [([SUBPROTOCOL, "token", "s3cret"], SUBPROTOCOL), (["token", "s3cret"], "token")],
)
def test_a_browser_brings_its_token_as_a_subprotocol(offered: list[str], accepted: str) -> None:
    headers = {"Origin": "http://127.0.0.1"}
    with TestClient(app("s3cret"), base_url="http://127.0.0.1").websocket_connect(
        PATH, subprotocols=offered, headers=headers
    ) as ws:
        assert str(ws.accepted_subprotocol) == accepted
        assert json.loads(ws.receive_text())["type"] == "ready"


@pytest.mark.parametrize("offered", [[], ["token"], ["token", "wrong"], [SUBPROTOCOL, "s3cret"]])
def test_a_page_without_a_token_is_told_why_and_shown_out(offered: list[str]) -> None:
    headers = {"Origin": "http://127.0.0.1"}
    with TestClient(app("s3cret"), base_url="http://127.0.0.1").websocket_connect(
        PATH, subprotocols=offered or None, headers=headers
    ) as ws:
        error = json.loads(ws.receive_text())
        assert (error["type"], error["code"], error["fatal"]) == ("error", "unauthorized", True)
        with pytest.raises(WebSocketDisconnect) as closed:
            ws.receive_text()
    assert closed.value.code == 1008


def test_no_tokens_are_an_open_door() -> None:
    assert KeyRing(ServeConfig()).find(["anything"])
    assert TestClient(app(), base_url="http://127.0.0.1").get("/v1/voices").status_code == 200


@pytest.mark.parametrize("token", ["", " ", "a ", "\n"])
def test_a_token_that_could_not_be_sent_is_refused_at_the_start(token: str) -> None:
    with pytest.raises(ValueError, match="auth_tokens"):
        ServeConfig(auth_tokens=("good", token))

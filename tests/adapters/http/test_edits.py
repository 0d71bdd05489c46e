"""POST /v1/audio/edits: what is refused and how, who waits, and that a client that leaves is forgotten. The editor is a fake."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from support.chromium import browser_page
from support.fakes import FakeEngine
from support.loopback import Server, running
from support.waiting import eventually

from voiceagent.errors import InputError
from voiceagent.service.edit_desk import WAITING_MAX, EditDesk, EditedFile, with_replaced
from voiceagent.settings.serve import ServeConfig

SAID, WANTED = "The meeting is on Tuesday at noon.", "The meeting is on Thursday at noon."
PCM = np.arange(-2_400, 2_400, dtype=np.int16)


class FakeEditor:
    """Returns the samples as they came; notes what it is asked, and can be held."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.may_go = threading.Event()
        self.may_go.set()

    def __call__(self, file: bytes, transcript: str, to: str, voice: str) -> EditedFile:
        self.asked.append((transcript, to, voice))
        assert self.may_go.wait(30)
        if "elephant" in transcript:
            raise InputError("the transcript does not fit the recording at 'elephant': write what is said")
        with wave.open(io.BytesIO(file)) as opened:
            pcm = np.frombuffer(opened.readframes(opened.getnframes()), np.int16)
        return EditedFile(pcm, () if transcript == to else ((0.1, 0.2),), resampled=False)


def wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(2)
        opened.setframerate(24_000)
        opened.writeframes(PCM.tobytes())
    return file.getvalue()


@contextmanager
def editing(config: ServeConfig | None = None) -> Iterator[tuple[Server, FakeEditor]]:
    editor = FakeEditor()
    with running(FakeEngine(threaded=True), config) as server:
        server.service.edit_desk = EditDesk(lambda: editor)
        try:
            yield server, editor
        finally:
            editor.may_go.set()
            server.service.edit_desk.close()


def post(server: Server, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    given = {"recording": ("in.wav", wav()), "transcript": SAID, "text": WANTED, **fields}
    parts = [
        (name, value if isinstance(value, tuple) else (None, value))
        for name, value in given.items()
        if value is not None
    ]
    return httpx.post(f"{server.http}/v1/audio/edits", files=parts, headers=headers, timeout=30)


def test_the_answer_is_the_recording_bit_for_bit() -> None:
    with editing() as (server, editor):
        answer = post(server)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-voiceagent-spans"] == "0.100-0.200"
        with wave.open(io.BytesIO(answer.content)) as opened:
            assert opened.readframes(opened.getnframes()) == PCM.tobytes()
        assert post(server, format="pcm", voice="joe").content == PCM.tobytes()
        assert editor.asked == [(SAID, WANTED, "heart"), (SAID, WANTED, "joe")]
        same = post(server, text=SAID)
        assert "nothing to change" in same.headers["x-voiceagent-notice"]


def test_edits_are_replaced_in_the_transcript() -> None:
    edits = [{"from": "Tuesday", "to": "Friday"}, {"from": "The meeting", "to": "Lunch"}]
    with editing() as (server, editor):
        assert post(server, text=None, edits=json.dumps(edits)).status_code == 200
        assert editor.asked == [(SAID, "Lunch is on Friday at noon.", "heart")]


@pytest.mark.parametrize(
    ("fields", "fix"),
    [
        ({"recording": None}, "recording is missing"),
        ({"recording": "text"}, "recording is missing"),
        ({"transcript": None}, "transcript is missing"),
        ({"transcript": " "}, "transcript is missing"),
        ({"transcript": ("t.txt", b"x")}, "must be text|too many files|Maximum number of files"),
        ({"text": None}, "send either text"),
        ({"edits": '[{"from": "noon", "to": "one"}]'}, "send either text"),
        ({"text": None, "edits": "Tuesday"}, "edits is a list"),
        ({"text": None, "edits": "[]"}, "edits is a list"),
        ({"text": None, "edits": '{"from": "a"}'}, "edits is a list"),
        ({"text": None, "edits": '[{"from": 1, "to": "a"}]'}, "edits is a list"),
        ({"text": None, "edits": "[" * 100_000}, "edits is a list"),
        ({"text": None, "edits": '[{"from": "Monday", "to": "x"}]'}, "'Monday' is in the transcript 0 times"),
        ({"text": None, "edits": '[{"from": "on", "to": "x"}]'}, "'on' is in the transcript 2 times"),
        ({"text": None, "edits": '[{"from": "", "to": "x"}]'}, "0 times"),
        ({"voice": "nobody"}, "unknown voice 'nobody'"),
        ({"format": "ogg"}, "unknown format 'ogg'"),
        ({"tempo": "2"}, "unknown field 'tempo'"),
        ({"text": "word " * 1_000}, "5000 characters, of 3000"),
        ({"transcript": "An elephant."}, "at 'elephant'"),
    ],
)
def test_bad_input_is_one_line_that_names_the_fix(fields: dict[str, Any], fix: str) -> None:
    with editing() as (server, _):
        answer = post(server, **fields)
        message = answer.json()["error"]["message"]
        assert answer.status_code == 400
        assert any(part in message for part in fix.split("|")), message
        assert "\n" not in message


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("", b""),
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b"no form at all"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nhalf'),
    ],
)
def test_a_body_that_is_no_form_is_refused(kind: str, body: bytes) -> None:
    with editing() as (server, _):
        answer = httpx.post(f"{server.http}/v1/audio/edits", content=body, headers={"content-type": kind}, timeout=30)
        assert answer.status_code == 400
        assert "\n" not in answer.json()["error"]["message"]


def test_a_body_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voiceagent.adapters.editing.routes.BODY_BYTES_MAX", 100_000)
    with editing() as (server, editor):
        answer = post(server, recording=("in.wav", bytes(200_000)))
        assert answer.status_code == 400
        assert "100000 bytes" in answer.json()["error"]["message"]
        assert editor.asked == []


def test_the_same_guards_as_at_other_addresses() -> None:
    with editing(ServeConfig(auth_tokens=("secret",), hosts=("localhost",))) as (server, _):
        assert post(server).status_code == 401
        key = {"Authorization": "Bearer secret"}
        assert post(server, key).status_code == 200
        assert post(server, {**key, "Host": "stranger.example"}).status_code == 403
        assert post(server, {**key, "Origin": "https://stranger.example"}).status_code == 403


def test_a_page_that_the_settings_name_may_read_what_was_made_anew() -> None:
    origin = "https://example.org"
    with editing(ServeConfig(origins=(origin,))) as (server, _):
        answer = post(server, {"Origin": origin})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == origin
        assert "x-voiceagent-spans" in answer.headers["access-control-expose-headers"]


def test_without_an_editor_it_says_so() -> None:
    with running(FakeEngine(threaded=True)) as server:
        assert post(server).status_code == 501


async def test_few_wait_and_who_leaves_is_forgotten() -> None:
    with editing() as (server, editor):
        editor.may_go.clear()
        desk = server.service.edit_desk
        assert desk is not None
        waiting = [asyncio.create_task(asyncio.to_thread(post, server)) for _ in range(WAITING_MAX)]
        try:
            await eventually(lambda: desk.open == WAITING_MAX)
            async with httpx.AsyncClient() as client:
                gone: Any = {"recording": wav(), "transcript": (None, "gone"), "text": (None, "x")}
                leaving = asyncio.create_task(client.post(f"{server.http}/v1/audio/edits", files=gone))
                await eventually(lambda: desk.full)
                refused = await asyncio.to_thread(post, server)
                assert refused.status_code == 429
                assert refused.headers["retry-after"]
                leaving.cancel()
                await asyncio.gather(leaving, return_exceptions=True)
                await eventually(lambda: not desk.full)
        finally:
            editor.may_go.set()
            answers = await asyncio.gather(*waiting)
        assert [answer.status_code for answer in answers] == [200] * WAITING_MAX
        assert "gone" not in [transcript for transcript, _, _ in editor.asked]


def test_edits_that_overlap_are_refused() -> None:
    with pytest.raises(InputError, match="make them one"):
        with_replaced("one two three", [("one two", "a"), ("two three", "b")])


FILL = """{
const bytes = Uint8Array.from(atob(%s), (character) => character.charCodeAt(0));
const files = new DataTransfer();
files.items.add(new File([bytes], "in.wav"));
document.getElementById("recording").files = files.files;
document.getElementById("transcript").value = %s;
document.getElementById("changed").value = %s;
document.getElementById("make").click();
}"""


async def test_the_form_on_the_page() -> None:
    with editing() as (server, editor):
        async with browser_page() as page:
            await page.go(server.http)
            await page.until("document.getElementById('line').textContent === 'connected'")
            for said, told in ((SAID, "made anew"), ("An elephant.", "at 'elephant'")):
                await page.evaluate(FILL % tuple(map(json.dumps, (base64.b64encode(wav()).decode(), said, WANTED))))
                await page.until(f"document.getElementById('edited').textContent.includes({json.dumps(told)})")
            await page.until("document.getElementById('result').duration > 0.19")
        assert editor.asked == [(SAID, WANTED, "heart"), ("An elephant.", WANTED, "heart")]
